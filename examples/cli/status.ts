import { setTimeout as sleep } from 'node:timers/promises';
import { type GroupProgress, MigrationGroup, type Progress } from 'resumable-migrator';
import { MemorySource } from 'resumable-migrator/memory';
import { renderStatus } from 'resumable-migrator/report';
import type { Configuration } from './configuration.ts';
import { sinkOf, sinkTable } from './copy-tables.ts';
import type { Output } from './output.ts';

/** Between two looks with `--watch`. */
const watchMs = 3_000;

/** Shows durable progress, with `--watch` until all is completed. Resolves the code to exit with. */
export async function showStatus(
  configuration: Configuration,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { json, watch } = configuration;
  const group = groupOf(configuration);
  await using _closed = group;
  let shown = '';
  for (;;) {
    const progress = await unlessAborted(group.status({ signal }), signal);
    const code = progress === undefined ? 1 : statusExitCode(progress);
    const last = signal.aborted || !watch || code === 0;
    if (progress !== undefined) {
      const text = json ? asJson(progress, watch) : asText(progress, output);
      if (watch && output.live && !json)
        output.bar(last ? null : (columns) => asText(progress, output, columns));
      // What is drawn in place is printed once more at the end, so that it stays.
      if (last ? text !== shown || output.live : text !== shown && (json || !output.live)) {
        for (const line of text.split('\n')) output.line(line);
        shown = text;
      }
    }
    if (last) return code;
    await unlessAborted(sleep(watchMs, undefined, { signal }), signal);
  }
}

/** 0: all is completed. 1: checkpoints failed. 3: neither; there is more to copy, or nothing is planned. */
function statusExitCode({ tables, checkpoints }: GroupProgress): 0 | 1 | 3 {
  if (checkpoints.failed > 0) return 1;
  const isCompleted = tables.every(
    ({ checkpoints: { total, completed } }) => total > 0 && completed === total,
  );
  return isCompleted ? 0 : 3;
}

function groupOf(configuration: Configuration): MigrationGroup {
  const group = new MigrationGroup({ concurrency: 4 });
  for (const table of configuration.tables) {
    // Progress is in D1 alone: with a name, a migrator does not ask its source.
    const source = new MemorySource({ columns: [], key: [], rows: [] });
    group.add({ source, sink: sinkOf(table, configuration), name: sinkTable(table) });
  }
  return group;
}

function asText(progress: GroupProgress, output: Output, width?: number): string {
  const tables = progress.tables.map(withReasons);
  const [only] = tables;
  const shown = tables.length === 1 && only ? only : { ...progress, tables };
  return renderStatus(shown, { colour: (style, text) => output.colour(style, text), width });
}

/** Another script may have stored no reason: then no code is known either. */
function withReasons(table: Progress): Progress {
  const failures = table.failures.map((failure) =>
    failure.message === ''
      ? { ...failure, code: 'failed', message: 'error_message holds no reason.' }
      : failure,
  );
  return { ...table, failures };
}

/** One line for each look where there are several. */
function asJson(progress: GroupProgress, watch: boolean): string {
  return JSON.stringify(progress, null, watch ? undefined : 2);
}

/** A look that Ctrl-C ended is no failure. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}
