import { type RawBuilder, sql } from 'kysely';
import type {
  Advance,
  AppendRequest,
  CallContext,
  Checkpoint,
  CheckpointFilter,
  CheckpointStore,
  ClaimOutcome,
  ClaimRequest,
  CommitOutcome,
  Lease,
  PlanSettings,
  ReleaseOutcome,
  StoredPlan,
  StoreSummary,
} from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import {
  addedColumns,
  advanceStatement,
  checkpointColumns,
  claimStatement,
  createTable,
  decodeBound,
  decodeCheckpoint,
  encodeRange,
  held,
  integer,
  now,
  standsAt,
} from './checkpoint-sql.ts';
import { D1Connection, type Row } from '../connection.ts';
import type { D1DatabaseLike } from '../database.ts';

/** No JSON, so that SQLite refuses it. */
const plannedAlready = 'planned already';

/** The options of a {@link D1CheckpointStore}. */
export interface D1CheckpointStoreOptions {
  /** A Worker's binding (`env.DB`) or a `D1RestDatabase`. */
  readonly database: D1DatabaseLike;
  /** Default `migration_checkpoints`. */
  readonly table?: string | undefined;
}

/**
 * Checkpoints in a D1 table, one row each, for people to query. A sink makes its own; make one to keep the checkpoints
 * in another database, or in a table of another name.
 *
 * @example
 * ```ts
 * const store = new D1CheckpointStore({ database: env.DB });
 * const { completed, pending } = await store.summarize('coordinate_speed_new');
 * ```
 */
export class D1CheckpointStore implements CheckpointStore {
  readonly identity: string;
  readonly #connection: D1Connection;
  readonly #table: RawBuilder<unknown>;
  readonly #name: string;

  constructor(options: D1CheckpointStoreOptions) {
    this.#name = options.table ?? 'migration_checkpoints';
    this.#table = sql.id(this.#name);
    this.#connection = new D1Connection(options.database);
    this.identity = `D1 table ${this.#name}`;
  }

  async prepare(context?: CallContext): Promise<void> {
    await this.#connection.changes(createTable(this.#table), context);
    const present = new Set(
      (await this.#connection.rows(sql`SELECT name FROM pragma_table_info(${this.#name})`, context)).map(
        (row) => row['name'],
      ),
    );
    for (const [name, type] of Object.entries(addedColumns)) {
      if (present.has(name)) continue;
      await this.#connection.changes(
        sql`ALTER TABLE ${this.#table} ADD COLUMN ${sql.id(name)} ${sql.raw(type)}`,
        context,
      );
    }
    const index = (suffix: string): RawBuilder<unknown> => sql.id(`${this.#name}_${suffix}`);
    await this.#connection.batch(
      [
        sql`CREATE UNIQUE INDEX IF NOT EXISTS ${index('seq')} ON ${this.#table} (table_name, seq)`,
        sql`CREATE INDEX IF NOT EXISTS ${index('status')} ON ${this.#table} (table_name, status, seq)`,
      ],
      context,
    );
  }

  async readPlan(migration: string, context?: CallContext): Promise<StoredPlan | null> {
    const of = sql`FROM ${this.#table} WHERE table_name = ${migration}`;
    try {
      const [row] = await this.#connection.rows(
        sql`SELECT count(*) AS checkpoints, max(seq) AS last_seq,
  (SELECT plan ${of} AND seq = 1) AS plan,
  (SELECT CAST(end_id AS TEXT) ${of} ORDER BY seq DESC, end_id DESC LIMIT 1) AS end_id ${of}`,
        context,
      );
      return row ? decodePlan(row) : null;
    } catch (error) {
      if (!isMigratorError(error)) throw error;
      if (error.code === 'SINK_TABLE_NOT_FOUND') return null;
      if (error.code !== 'SINK_COLUMN_MISSING') throw error;
    }
    const { readOlderPlan } = await import('./older-table.ts');
    const row = await readOlderPlan(this.#connection, of, context);
    return row ? decodePlan(row) : null;
  }

  async append(
    migration: string,
    { settings, afterSeq, ranges }: AppendRequest,
    context?: CallContext,
  ): Promise<boolean> {
    const values = `[${ranges.map((range) => encodeRange(range, settings.integerKey)).join(',')}]`;
    const plan = afterSeq === 0 ? sql`CASE key WHEN 0 THEN ${JSON.stringify(settings)} END` : sql`NULL`;
    const changes = await this.#connection.changes(
      sql`INSERT INTO ${this.#table} (table_name, seq, start_id, end_id, fence_token, plan, updated_at)
  SELECT ${migration}, ${integer(afterSeq)} + key + 1, value->>0, value->>1, abs(random()) % 1099511627776, ${plan}, CURRENT_TIMESTAMP
  FROM json_each(${values})
  WHERE (SELECT coalesce(max(seq), 0) FROM ${this.#table} WHERE table_name = ${migration}) = ${integer(afterSeq)}`,
      context,
    );
    return changes > 0;
  }

  async adopt(migration: string, settings: PlanSettings, context?: CallContext): Promise<boolean> {
    const { adoptOlder } = await import('./older-table.ts');
    return await adoptOlder(this.#connection, this.#table, migration, settings, context);
  }

  async claim(
    migration: string,
    { owner, leaseMs }: ClaimRequest,
    context?: CallContext,
  ): Promise<ClaimOutcome> {
    const [claimed] = await this.#connection.rows(
      claimStatement(this.#table, migration, owner, leaseMs),
      context,
    );
    if (claimed) return { kind: 'claimed', checkpoint: decodeCheckpoint(claimed) };
    const [others] = await this.#connection.rows(
      sql`SELECT count(*) AS held, max(0, min(lease_until) - ${now}) AS wait FROM ${this.#table}
  WHERE table_name = ${migration} AND status = 'in_progress'`,
      context,
    );
    return Number(others?.['held']) > 0
      ? { kind: 'busy', waitMs: Number(others?.['wait']) }
      : { kind: 'none' };
  }

  async renew(lease: Lease, leaseMs: number, context?: CallContext): Promise<boolean> {
    const changes = await this.#connection.changes(
      sql`UPDATE ${this.#table} SET lease_until = ${now} + ${integer(leaseMs)} WHERE ${held(lease)}`,
      context,
    );
    return changes > 0;
  }

  async advance(advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    const changes = await this.#connection.changes(advanceStatement(this.#table, advance), context);
    return changes > 0 ? 'committed' : 'stale';
  }

  async release(lease: Lease, outcome: ReleaseOutcome, context?: CallContext): Promise<boolean> {
    const message = outcome.status === 'failed' ? sql`${outcome.errorMessage}` : sql`NULL`;
    const changes = await this.#connection.changes(
      sql`UPDATE ${this.#table} SET status = ${outcome.status}, error_message = ${message}, lease_until = 0,
  updated_at = CURRENT_TIMESTAMP WHERE ${held(lease)}`,
      context,
    );
    return changes > 0;
  }

  async read(migration: string, id: number, context?: CallContext): Promise<Checkpoint | null> {
    const [row] = await this.#connection.rows(
      sql`SELECT ${checkpointColumns} FROM ${this.#table} WHERE id = ${integer(id)} AND table_name = ${migration}`,
      context,
    );
    return row ? decodeCheckpoint(row) : null;
  }

  async summarize(migration: string, context?: CallContext): Promise<StoreSummary> {
    return await this.#reading((table) => this.#summarize(table, migration, context));
  }

  async #summarize(
    table: RawBuilder<unknown>,
    migration: string,
    context?: CallContext,
  ): Promise<StoreSummary> {
    const of = sql`FROM ${table} WHERE table_name = ${migration}`;
    const [counts, last, next] = await this.#connection.batch(
      [
        sql`SELECT status, count(*) AS checkpoints, sum(records_processed) AS rows,
  sum(coalesce(records_written, records_processed)) AS written, sum(records_rejected) AS rejected ${of} GROUP BY status`,
        sql`SELECT ${checkpointColumns} ${of} AND status = 'completed' ORDER BY seq DESC LIMIT 1`,
        sql`SELECT ${checkpointColumns} FROM (
  SELECT * FROM (SELECT * ${of} AND status = 'pending' ORDER BY seq LIMIT 1)
  UNION ALL SELECT * FROM (SELECT * ${of} AND status = 'failed' ORDER BY seq LIMIT 1)
  UNION ALL SELECT * FROM (SELECT * ${of} AND status = 'in_progress' ORDER BY seq LIMIT 1)
) ORDER BY seq LIMIT 1`,
      ],
      context,
    );
    const statuses = new Map(((counts?.results ?? []) as Row[]).map((row) => [row['status'], row]));
    const count = (status: string): number => Number(statuses.get(status)?.['checkpoints'] ?? 0);
    const sum = (field: string): number =>
      [...statuses.values()].reduce((total, row) => total + Number(row[field]), 0);
    const first = (rows: unknown[] | undefined): Checkpoint | null =>
      rows?.[0] ? decodeCheckpoint(rows[0] as Row) : null;
    return {
      pending: count('pending'),
      inProgress: count('in_progress'),
      completed: count('completed'),
      failed: count('failed'),
      recordsProcessed: sum('rows'),
      recordsWritten: sum('written'),
      recordsRejected: sum('rejected'),
      lastCompleted: first(last?.results),
      next: first(next?.results),
    };
  }

  async list(
    migration: string,
    filter: CheckpointFilter = {},
    context?: CallContext,
  ): Promise<readonly Checkpoint[]> {
    const { status, afterSeq = 0, limit = 1_000 } = filter;
    const withStatus = status ? sql` AND status = ${status}` : sql``;
    const rows = await this.#reading((table) =>
      this.#connection.rows(
        sql`SELECT ${checkpointColumns} FROM ${table}
  WHERE table_name = ${migration}${withStatus} AND seq > ${integer(afterSeq)} ORDER BY seq LIMIT ${sql.lit(limit)}`,
        context,
      ),
    );
    return rows.map(decodeCheckpoint);
  }

  /** Reads what `prepare` has not made yet as well: a table with the guide's columns alone. */
  async #reading<T>(read: (table: RawBuilder<unknown>) => Promise<T>): Promise<T> {
    try {
      return await read(this.#table);
    } catch (error) {
      if (!isMigratorError(error) || error.code !== 'SINK_COLUMN_MISSING') throw error;
      const { olderTable } = await import('./older-table.ts');
      return await read(olderTable(this.#table));
    }
  }

  async reopen(migration: string, ids: readonly number[], context?: CallContext): Promise<void> {
    await this.#connection.changes(
      sql`UPDATE ${this.#table} SET status = 'pending', cursor = NULL, records_processed = 0, records_written = NULL,
  records_rejected = 0, error_message = NULL, lease_until = 0, fence_token = fence_token + 1, updated_at = CURRENT_TIMESTAMP
  WHERE table_name = ${migration} AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
      context,
    );
  }

  async clear(migration: string, context?: CallContext): Promise<void> {
    await this.#connection.changes(sql`DELETE FROM ${this.#table} WHERE table_name = ${migration}`, context);
  }

  /**
   * True where a sink on this connection can move these checkpoints in the same transaction as its rows.
   *
   * @internal
   */
  sharesDatabaseWith(connection: D1Connection): boolean {
    return this.#connection.sameDatabase(connection);
  }

  /**
   * A statement that fails where the migration has checkpoints, and takes its transaction with it: rows are only ever
   * written under a checkpoint, so what stands beside it in a batch meets none of them.
   *
   * @internal
   */
  onlyUnplanned(migration: string): RawBuilder<unknown> {
    const planned = sql`EXISTS (SELECT 1 FROM ${this.#table} WHERE table_name = ${migration})`;
    return sql`SELECT json(CASE WHEN ${planned} THEN ${plannedAlready} ELSE 'true' END)`;
  }

  /**
   * The two halves of an atomic batch: the rows' condition, and the checkpoint's statement.
   *
   * @internal
   */
  guard(advance: Advance): { readonly condition: RawBuilder<boolean>; readonly move: RawBuilder<unknown> } {
    return {
      condition: sql`EXISTS (SELECT 1 FROM ${this.#table} WHERE ${standsAt(advance.lease, advance.from)})`,
      move: advanceStatement(this.#table, advance),
    };
  }
}

function decodePlan(row: Row): StoredPlan | null {
  const checkpoints = Number(row['checkpoints']);
  const end = row['end_id'] as string | null;
  if (checkpoints === 0 || end === null) return null;
  const plan = row['plan'] as string | null;
  return {
    settings: plan === null ? null : (JSON.parse(plan) as PlanSettings),
    checkpoints,
    lastSeq: Number(row['last_seq'] ?? checkpoints),
    end: decodeBound(end),
  };
}
