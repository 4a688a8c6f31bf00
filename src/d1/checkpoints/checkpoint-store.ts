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
import {
  advanceStatement,
  checkpointColumns,
  claimStatement,
  decodeCheckpoint,
  encodeRange,
  held,
  integer,
  now,
  standsAt,
} from './checkpoint-sql.ts';
import type * as Aside from './checkpoint-table.ts';
import { D1Connection } from '../connection.ts';
import type { D1DatabaseLike } from '../database.ts';

/** What is done with the table beside copying. Every run begins with it, so nothing is loaded once it copies. */
const aside = async (): Promise<typeof Aside> => await import('./checkpoint-table.ts');

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
  /** @internal */
  readonly table: RawBuilder<unknown>;
  readonly #place: Aside.CheckpointTable;

  constructor(options: D1CheckpointStoreOptions) {
    const name = options.table ?? 'migration_checkpoints';
    this.table = sql.id(name);
    this.#connection = new D1Connection(options.database);
    this.#place = { connection: this.#connection, name, table: this.table };
    this.identity = `D1 table ${name}`;
  }

  async prepare(context?: CallContext): Promise<void> {
    await (await aside()).makeTable(this.#place, context);
  }

  async readPlan(migration: string, context?: CallContext): Promise<StoredPlan | null> {
    return await (await aside()).readPlan(this.#place, migration, context);
  }

  async append(
    migration: string,
    { settings, afterSeq, ranges }: AppendRequest,
    context?: CallContext,
  ): Promise<boolean> {
    const values = `[${ranges.map((range) => encodeRange(range, settings.integerKey)).join(',')}]`;
    const plan = afterSeq === 0 ? sql`CASE key WHEN 0 THEN ${JSON.stringify(settings)} END` : sql`NULL`;
    const changes = await this.#connection.changes(
      sql`INSERT INTO ${this.table} (table_name, seq, start_id, end_id, fence_token, plan, updated_at)
  SELECT ${migration}, ${integer(afterSeq)} + key + 1, value->>0, value->>1, abs(random()) % 1099511627776, ${plan}, CURRENT_TIMESTAMP
  FROM json_each(${values})
  WHERE (SELECT coalesce(max(seq), 0) FROM ${this.table} WHERE table_name = ${migration}) = ${integer(afterSeq)}`,
      context,
    );
    return changes > 0;
  }

  async adopt(migration: string, settings: PlanSettings, context?: CallContext): Promise<boolean> {
    return await (await aside()).adopt(this.#place, migration, settings, context);
  }

  async claim(migration: string, request: ClaimRequest, context?: CallContext): Promise<ClaimOutcome> {
    const claimed = await this.#connection.rows(claimStatement(this.table, migration, request), context);
    // RETURNING promises no order.
    const [checkpoint, ...more] = claimed.map(decodeCheckpoint).toSorted((a, b) => a.seq - b.seq);
    if (checkpoint) return { kind: 'claimed', checkpoint, more };
    const [others] = await this.#connection.rows(
      sql`SELECT count(*) AS held, max(0, min(lease_until) - ${now}) AS wait FROM ${this.table}
  WHERE table_name = ${migration} AND status = 'in_progress'`,
      context,
    );
    return Number(others?.['held']) > 0
      ? { kind: 'busy', waitMs: Number(others?.['wait']) }
      : { kind: 'none' };
  }

  async renew(lease: Lease, leaseMs: number, context?: CallContext): Promise<boolean> {
    const changes = await this.#connection.changes(
      sql`UPDATE ${this.table} SET lease_until = ${now} + ${integer(leaseMs)} WHERE ${held(lease)}`,
      context,
    );
    return changes > 0;
  }

  async advance(advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    const changes = await this.#connection.changes(advanceStatement(this.table, advance), context);
    return changes > 0 ? 'committed' : 'stale';
  }

  async release(lease: Lease, outcome: ReleaseOutcome, context?: CallContext): Promise<boolean> {
    const message = outcome.status === 'failed' ? sql`${outcome.errorMessage}` : sql`NULL`;
    const changes = await this.#connection.changes(
      sql`UPDATE ${this.table} SET status = ${outcome.status}, error_message = ${message}, lease_until = 0,
  updated_at = CURRENT_TIMESTAMP WHERE ${held(lease)}`,
      context,
    );
    return changes > 0;
  }

  async read(migration: string, id: number, context?: CallContext): Promise<Checkpoint | null> {
    const [row] = await this.#connection.rows(
      sql`SELECT ${checkpointColumns} FROM ${this.table} WHERE id = ${integer(id)} AND table_name = ${migration}`,
      context,
    );
    return row ? decodeCheckpoint(row) : null;
  }

  async summarize(migration: string, context?: CallContext): Promise<StoreSummary> {
    return await (await aside()).summarize(this.#place, migration, context);
  }

  async list(
    migration: string,
    filter: CheckpointFilter = {},
    context?: CallContext,
  ): Promise<readonly Checkpoint[]> {
    return await (await aside()).list(this.#place, migration, filter, context);
  }

  async reopen(migration: string, ids: readonly number[], context?: CallContext): Promise<void> {
    await (await aside()).reopen(this.#place, migration, ids, context);
  }

  async clear(migration: string, context?: CallContext): Promise<void> {
    await this.#connection.changes(sql`DELETE FROM ${this.table} WHERE table_name = ${migration}`, context);
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
   * The two halves of an atomic batch: the rows' condition, and the checkpoint's statement.
   *
   * @internal
   */
  guard(advance: Advance): { readonly condition: RawBuilder<boolean>; readonly move: RawBuilder<unknown> } {
    return {
      condition: sql`EXISTS (SELECT 1 FROM ${this.table} WHERE ${standsAt(advance.lease, advance.from)})`,
      move: advanceStatement(this.table, advance),
    };
  }
}
