import { type RawBuilder, sql } from 'kysely';
import type { CallContext, Key, RejectFilter, RejectStore, StoredReject } from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import { integer } from './checkpoint-sql.ts';
import type { D1Connection, Row } from '../connection.ts';

/** Rows that were set aside, in a D1 table, one row each, for people to query. */
export class D1RejectStore implements RejectStore {
  readonly identity: string;
  readonly #connection: D1Connection;
  readonly #table: RawBuilder<unknown>;

  constructor(connection: D1Connection, name: string) {
    this.identity = `D1 table ${name}`;
    this.#connection = connection;
    this.#table = sql.id(name);
  }

  async prepare(context?: CallContext): Promise<void> {
    await this.#connection.changes(
      sql`CREATE TABLE IF NOT EXISTS ${this.#table} (
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

  async list(
    migration: string,
    { afterId = 0, limit = 100 }: RejectFilter = {},
    context?: CallContext,
  ): Promise<readonly StoredReject[]> {
    const rows = await this.#ifThere(
      async () =>
        await this.#connection.rows(
          sql`SELECT id, checkpoint, key, code, reason, "row", created_at FROM ${this.#table}
  WHERE table_name = ${migration} AND id > ${integer(afterId)} ORDER BY id LIMIT ${sql.lit(limit)}`,
          context,
        ),
      [],
    );
    return rows.map(decodeReject);
  }

  async remove(migration: string, keys: readonly Key[], context?: CallContext): Promise<void> {
    const texts = JSON.stringify(keys.map((key) => JSON.stringify(key)));
    await this.#delete(migration, sql`key IN (SELECT value FROM json_each(${texts}))`, context);
  }

  async clear(migration: string, seqs?: readonly number[], context?: CallContext): Promise<void> {
    const which = seqs
      ? sql`checkpoint IN (SELECT value FROM json_each(${JSON.stringify(seqs)}))`
      : sql`true`;
    await this.#delete(migration, which, context);
  }

  /**
   * The statement that sets a batch's rows aside, under the same condition as its rows.
   *
   * @internal
   * @param json - an array of `[seq, key, code, reason, row]`.
   */
  insert(migration: string, json: string, condition: RawBuilder<unknown>): RawBuilder<unknown> {
    return sql`INSERT INTO ${this.#table} (table_name, checkpoint, key, code, reason, "row")
  SELECT ${migration}, value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(${json}) WHERE ${condition}
  ON CONFLICT (table_name, key) DO UPDATE SET checkpoint = excluded.checkpoint, code = excluded.code,
  reason = excluded.reason, "row" = excluded."row", created_at = CURRENT_TIMESTAMP`;
  }

  async #delete(migration: string, which: RawBuilder<unknown>, context?: CallContext): Promise<void> {
    await this.#ifThere(
      async () =>
        await this.#connection.changes(
          sql`DELETE FROM ${this.#table} WHERE table_name = ${migration} AND ${which}`,
          context,
        ),
      0,
    );
  }

  /** The table is made only where rows are to be set aside. */
  async #ifThere<T>(call: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (isMigratorError(error) && error.code === 'SINK_TABLE_NOT_FOUND') return otherwise;
      throw error;
    }
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
