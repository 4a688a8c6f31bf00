import type { SQLInputValue } from 'node:sqlite';
import { type ColumnDescriptor, MigratorError } from 'resumable-migrator';
import { quoted } from './sqlite-database.ts';

/** How a column is stored. Whatever SQLite has no exact form for stays the text that it is in transit. */
export interface SqliteColumn {
  readonly name: string;
  readonly sql: string;
  readonly type: 'INTEGER' | 'REAL' | 'BLOB' | 'TEXT';
  /** Canonical text as the value that is stored. */
  encode(text: string): SQLInputValue;
  /** SQL that gives the canonical text back; null where SQLite's text is another. */
  readonly text: string | null;
  /** True: SQLite orders this column as every source does. */
  readonly ordered: boolean;
}

export function sqliteColumn({ name, type }: ColumnDescriptor): SqliteColumn {
  const sql = quoted(name);
  const column = { name, sql };
  switch (type) {
    case 'integer':
      // A bigint, because a number would round past 2^53.
      return { ...column, type: 'INTEGER', encode: BigInt, text: `CAST(${sql} AS TEXT)`, ordered: true };
    case 'boolean':
      return {
        ...column,
        type: 'INTEGER',
        encode: (text) => (text === 'true' ? 1 : 0),
        text: `iif(${sql}, 'true', 'false')`,
        ordered: true,
      };
    case 'float':
      return {
        ...column,
        type: 'REAL',
        encode: (text) => exactFloat(name, text),
        text: null,
        ordered: false,
      };
    case 'bytes':
      return {
        ...column,
        type: 'BLOB',
        encode: (text) => Buffer.from(text, 'hex'),
        text: `lower(hex(${sql}))`,
        ordered: true,
      };
    default:
      // Texts are ordered by a collation, which differs from source to source.
      return { ...column, type: 'TEXT', encode: (text) => text, text: sql, ordered: false };
  }
}

/** SQLite makes null of NaN and 0 of -0, silently: both are refused instead. */
function exactFloat(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isNaN(value) && !Object.is(value, -0)) return value;
  throw new MigratorError('VALUE_REFUSED', `${name}: SQLite has no ${text}.`, {
    help: 'Change the value in a transform, or leave the row out.',
    column: name,
  });
}
