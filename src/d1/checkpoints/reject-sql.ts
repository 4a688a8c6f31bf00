import { type RawBuilder, sql } from 'kysely';
import type { CallContext, Key, RejectFilter, StoredReject } from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import { integer } from './checkpoint-sql.ts';
import type { D1Connection, Row } from '../connection.ts';

/** The table of the rows that were set aside. */
export interface RejectTable {
  readonly connection: D1Connection;
  readonly table: RawBuilder<unknown>;
}

/** Makes the table where it is missing. */
export async function makeTable({ connection, table }: RejectTable, context?: CallContext): Promise<void> {
  await connection.changes(
    sql`CREATE TABLE IF NOT EXISTS ${table} (
  id INTEGER PRIMARY KEY,
  table_name TEXT NOT NULL,
  checkpoint INTEGER NOT NULL,
  key TEXT NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  "row" TEXT,
  created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (table_name, key)
)`,
    context,
  );
}

/** The rows of a migration, in the order in which they were set aside. */
export async function listRows(
  { connection, table }: RejectTable,
  migration: string,
  { afterId = 0, limit = 100 }: RejectFilter,
  context?: CallContext,
): Promise<readonly StoredReject[]> {
  const rows = await ifThere(
    connection.rows(
      sql`SELECT id, checkpoint, key, code, reason, "row", created_at FROM ${table}
  WHERE table_name = ${migration} AND id > ${integer(afterId)} ORDER BY id LIMIT ${sql.lit(limit)}`,
      context,
    ),
    [],
  );
  return rows.map(decodeReject);
}

/** Deletes the rows of a migration: of these keys, of these checkpoints, or all of them. */
export async function deleteRows(
  { connection, table }: RejectTable,
  migration: string,
  { keys, seqs }: { readonly keys?: readonly Key[]; readonly seqs?: readonly number[] | undefined },
  context?: CallContext,
): Promise<void> {
  const among = (column: string, values: readonly unknown[]): RawBuilder<unknown> =>
    sql`${sql.id(column)} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
  const which = keys
    ? among(
        'key',
        keys.map((key) => JSON.stringify(key)),
      )
    : seqs
      ? among('checkpoint', seqs)
      : sql`true`;
  await ifThere(
    connection.changes(sql`DELETE FROM ${table} WHERE table_name = ${migration} AND ${which}`, context),
    0,
  );
}

/**
 * The statement that sets a batch's rows aside, under the same condition as its rows.
 *
 * @param json - an array of `[seq, key, code, reason, row]`.
 */
export function insertRows(
  { table }: RejectTable,
  migration: string,
  json: string,
  condition: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`INSERT INTO ${table} (table_name, checkpoint, key, code, reason, "row")
  SELECT ${migration}, value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(${json}) WHERE ${condition}
  ON CONFLICT (table_name, key) DO UPDATE SET checkpoint = excluded.checkpoint, code = excluded.code,
  reason = excluded.reason, "row" = excluded."row", created_at = CURRENT_TIMESTAMP`;
}

/** The table is made only where rows are to be set aside. */
async function ifThere<T>(call: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (isMigratorError(error) && error.code === 'SINK_TABLE_NOT_FOUND') return otherwise;
    throw error;
  }
}

function decodeReject(row: Row): StoredReject {
  const values = row['row'] as string | null;
  return {
    id: Number(row['id']),
    seq: Number(row['checkpoint']),
    key: JSON.parse(row['key'] as string) as Key,
    code: row['code'] as string,
    reason: row['reason'] as string,
    row: values === null ? null : (JSON.parse(values) as StoredReject['row']),
    createdAt: `${(row['created_at'] as string).replace(' ', 'T')}Z`,
  };
}
