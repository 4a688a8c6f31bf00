import { rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { GroupResult, ResumableMigrator } from 'resumable-migrator';
import { recordRun, renderReport, type RunRecorder } from 'resumable-migrator/report';
import type { Output } from './output.ts';

/** Records the runs of all tables, and writes one page about them. */
export class ReportFile {
  readonly #path: string;
  readonly #recorders: RunRecorder[] = [];

  constructor(path: string) {
    this.#path = resolve(path);
  }

  record(migrator: ResumableMigrator<object, object>, table: string | undefined): void {
    this.#recorders.push(recordRun(migrator, { migration: table }));
  }

  /** A report that cannot be written is said, and changes nothing of what the run came to. */
  async write(output: Output, { tables }: GroupResult): Promise<void> {
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      const errors = new Map(
        tables.flatMap((table) =>
          table.status === 'failed' ? [[table.migration, table.error] as const] : [],
        ),
      );
      for (const [index, recorder] of this.#recorders.entries()) {
        // What earlier runs did, where the databases still answer; without it the report tells this run alone.
        await recorder.load({ signal: AbortSignal.timeout(15_000) }).catch(() => undefined);
        // A table that the source cannot describe is called by its place.
        const error = errors.get(recorder.migration) ?? errors.get(`(table ${index + 1})`);
        if (error) recorder.failed(error);
      }
      // Whoever opens the page meanwhile sees the former one, or this one whole.
      await writeFile(temporary, renderReport(this.#recorders.map((recorder) => recorder.toJSON())));
      await rename(temporary, this.#path);
      output.line(`📄 Report: ${this.#path}`);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      output.error(
        `⚠️ The report could not be written: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
