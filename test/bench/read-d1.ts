import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalD1 } from '../../examples/local/d1.ts';
import { openD1File } from '../support/d1-file.ts';

const attempts = 100;
const pauseMs = 100;

/** Reads the file of a D1 database. workerd works on it too, and keeps others out for moments, which are waited for. */
export async function readD1File<Result>(
  d1: Pick<LocalD1, 'directory'>,
  table: string,
  read: (database: DatabaseSync) => Result,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const database = openD1File(d1, table);
      try {
        return read(database);
      } finally {
        database.close();
      }
    } catch (error) {
      const locked = error instanceof Error && error.message.includes('database is locked');
      if (!locked || attempt === attempts) throw error;
      await sleep(pauseMs);
    }
  }
}
