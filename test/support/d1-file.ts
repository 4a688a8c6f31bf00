import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LocalD1 } from '../../examples/local/d1.ts';

/** Opens the file of a local D1 database with plain SQLite: an eye of its own on what was stored. */
export function openD1File(d1: Pick<LocalD1, 'directory'>, table: string): DatabaseSync {
  const files = readdirSync(d1.directory, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.sqlite'))) {
    const database = new DatabaseSync(join(d1.directory, file), { readOnly: true });
    if (database.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table)) return database;
    database.close();
  }
  throw new Error(`No database below ${d1.directory} has a table ${table}.`);
}
