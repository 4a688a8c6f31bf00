import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalD1 } from '../../examples/local/d1.ts';
import type { LocalPostgres } from '../../examples/local/postgres.ts';
import { runChild } from './child-process.ts';
import { readD1File } from './read-d1.ts';
import type { SdkJob, SdkResult } from './sdk-child.ts';
import { type BenchTable, checkContents } from './tables.ts';
import { freshTarget } from './target.ts';
import { temporaryDirectory } from './temporary.ts';

type SqlValue = string | number | null;

/** The writes of one run, and what a database needs before it takes them once more. */
export interface Recording extends AsyncDisposable {
  /** The requests' bodies, one a line. */
  readonly file: string;
  readonly bytes: number;
  /** The statement that made the table. */
  readonly createTable: string;
  /** Makes the tables, and the checkpoints as they stood when they were claimed. */
  prepare(d1: LocalD1): Promise<void>;
}

const checkpointTable = 'migration_checkpoints';

/** Runs the migrator once, and keeps what it wrote. */
export async function record(postgres: LocalPostgres, table: BenchTable): Promise<Recording> {
  const directory = await temporaryDirectory('recording');
  try {
    const file = join(directory.path, 'requests');
    await using target = await freshTarget(postgres);
    const job: SdkJob = { kind: 'copy', table: table.table, recordTo: file };
    await runChild<SdkResult>(new URL('./sdk-child.ts', import.meta.url), target.env, job);
    await checkContents(target.d1, table, table, 'The recorded run');
    const { size: bytes } = await stat(file);
    return {
      file,
      bytes,
      ...(await readDatabase(target.d1, table.table)),
      [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    };
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
}

async function readDatabase(d1: LocalD1, table: string): Promise<Pick<Recording, 'createTable' | 'prepare'>> {
  const { objects, checkpoints } = await readD1File(d1, table, (database) => ({
    objects: database
      .prepare(
        `SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'
          ORDER BY type DESC`,
      )
      .all() as { name: string; sql: string }[],
    checkpoints: database.prepare(`SELECT * FROM ${checkpointTable}`).all() as Record<string, SqlValue>[],
  }));
  return {
    createTable: objects.find(({ name }) => name === table)?.sql ?? '',
    async prepare(empty) {
      const binding = await empty.database();
      for (const { sql } of objects) await binding.prepare(sql).run();
      for (const checkpoint of checkpoints) {
        const claimed = { ...checkpoint, ...standing };
        const names = Object.keys(claimed);
        const insert = `INSERT INTO ${checkpointTable} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
        await binding
          .prepare(insert)
          .bind(...Object.values(claimed))
          .run();
      }
    },
  };
}

/** A checkpoint that was claimed, with nothing written yet. */
const standing: Readonly<Record<string, SqlValue>> = {
  status: 'in_progress',
  cursor: null,
  records_processed: 0,
  records_written: null,
  records_rejected: 0,
};
