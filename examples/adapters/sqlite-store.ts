import type {
  Advance,
  AppendRequest,
  CallContext,
  Checkpoint,
  CheckpointFilter,
  CheckpointStatus,
  CheckpointStore,
  ClaimOutcome,
  ClaimRequest,
  CommitOutcome,
  Key,
  KeyRange,
  Lease,
  PlanSettings,
  ReleaseOutcome,
  StoredPlan,
  StoreSummary,
} from 'resumable-migrator';
import { isMigratorError } from 'resumable-migrator';
import { type SqliteDatabase, type SqliteRow, step } from './sqlite-database.ts';

// The store's own clock decides about leases: processes on one file are on one machine.
const now = `CAST(unixepoch('subsec') * 1000 AS INTEGER)`;

// AUTOINCREMENT: the id of a forgotten checkpoint is never given again, so an old lease fits no new one.
const tables = `
  CREATE TABLE IF NOT EXISTS migration_plans (table_name TEXT PRIMARY KEY, settings TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS migration_checkpoints (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name TEXT NOT NULL,
    seq INTEGER NOT NULL,
    range TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    cursor TEXT,
    records_processed INTEGER NOT NULL DEFAULT 0,
    records_written INTEGER NOT NULL DEFAULT 0,
    records_rejected INTEGER NOT NULL DEFAULT 0,
    error_message TEXT,
    fence_token INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until INTEGER NOT NULL DEFAULT 0,
    UNIQUE (table_name, seq)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS migration_checkpoints_left ON migration_checkpoints (table_name, seq) WHERE status <> 'completed'`;

/** The condition that a lease still holds: taken over, given back, completed or forgotten, it does not. */
const held = `id = ? AND table_name = ? AND fence_token = ? AND status = 'in_progress'`;
const holder = ({ id, migration, fenceToken }: Lease): [number, string, number] => [
  id,
  migration,
  fenceToken,
];

/** Checkpoints in a SQLite file. */
export class SqliteCheckpointStore implements CheckpointStore {
  readonly identity: string;
  readonly database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.database = database;
    this.identity = `sqlite ${database.file}`;
  }

  prepare(context?: CallContext): Promise<void> {
    return this.#write(context, () => {
      for (const statement of tables.split(';')) this.database.run(statement);
    });
  }

  async readPlan(migration: string, context?: CallContext): Promise<StoredPlan | null> {
    try {
      return await step(context, () => this.#planOf(migration));
    } catch (error) {
      // Before the first run there is no table, and so no plan.
      if (isMigratorError(error) && error.code === 'SINK_TABLE_NOT_FOUND') return null;
      throw error;
    }
  }

  append(migration: string, request: AppendRequest, context?: CallContext): Promise<boolean> {
    const { settings, afterSeq, ranges } = request;
    return this.#write(context, () => {
      if ((this.#planOf(migration)?.lastSeq ?? 0) !== afterSeq) return false;
      this.#putSettings(migration, settings);
      this.database.run(
        `INSERT INTO migration_checkpoints (table_name, seq, range) VALUES (?, ?, ?)`,
        ranges.map((range, index) => [migration, afterSeq + index + 1, JSON.stringify(range)]),
      );
      return true;
    });
  }

  adopt(migration: string, settings: PlanSettings, context?: CallContext): Promise<boolean> {
    return this.#write(context, () => {
      const plan = this.#planOf(migration);
      if (!plan || plan.settings !== null || plan.lastSeq !== plan.checkpoints) return false;
      this.#putSettings(migration, settings);
      return true;
    });
  }

  claim(
    migration: string,
    { owner, leaseMs, most = 1 }: ClaimRequest,
    context?: CallContext,
  ): Promise<ClaimOutcome> {
    return this.#write<ClaimOutcome>(context, () => {
      const claimed = this.database.rows(
        `UPDATE migration_checkpoints SET status = 'in_progress', owner = ?, fence_token = fence_token + 1,
           lease_until = ${now} + ?, error_message = NULL
         WHERE id IN (SELECT id FROM migration_checkpoints WHERE table_name = ? AND status <> 'completed' AND (status = 'pending'
           OR status = 'failed' AND owner IS NOT ? OR status = 'in_progress' AND lease_until <= ${now}) ORDER BY seq LIMIT ?)
         RETURNING *`,
        owner,
        leaseMs,
        migration,
        owner,
        most,
      );
      const [checkpoint, ...more] = claimed.map(checkpointOf).toSorted((a, b) => a.seq - b.seq);
      if (checkpoint) return { kind: 'claimed', checkpoint, more };
      const [others] = this.database.rows(
        `SELECT min(lease_until) - ${now} AS wait FROM migration_checkpoints WHERE table_name = ? AND status = 'in_progress'`,
        migration,
      );
      const wait = others?.['wait'] ?? null;
      return wait === null ? { kind: 'none' } : { kind: 'busy', waitMs: Math.max(0, Number(wait)) };
    });
  }

  renew(lease: Lease, leaseMs: number, context?: CallContext): Promise<boolean> {
    const sql = `UPDATE migration_checkpoints SET lease_until = ${now} + ? WHERE ${held}`;
    return this.#write(context, () => this.database.run(sql, [[leaseMs, ...holder(lease)]]) > 0);
  }

  advance(advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    return this.#write(context, () => this.advanceNow(advance));
  }

  /** `advance()` inside a transaction of the sink, so that rows and checkpoint move together or not at all. */
  advanceNow({ lease, from, to, rows, written, rejected, complete, leaseMs }: Advance): CommitOutcome {
    const status = complete ? 'completed' : 'in_progress';
    const moved = this.database.run(
      `UPDATE migration_checkpoints SET cursor = ?, records_processed = records_processed + ?,
         records_written = records_written + ?, records_rejected = records_rejected + ?, status = ?, lease_until = ${now} + ?
       WHERE ${held} AND cursor IS ?`,
      [
        [
          JSON.stringify(to),
          rows,
          written,
          rejected,
          status,
          leaseMs,
          ...holder(lease),
          from && JSON.stringify(from),
        ],
      ],
    );
    return moved > 0 ? 'committed' : 'stale';
  }

  release(lease: Lease, outcome: ReleaseOutcome, context?: CallContext): Promise<boolean> {
    const message = outcome.status === 'failed' ? outcome.errorMessage : null;
    const sql = `UPDATE migration_checkpoints SET status = ?, error_message = ? WHERE ${held}`;
    return this.#write(
      context,
      () => this.database.run(sql, [[outcome.status, message, ...holder(lease)]]) > 0,
    );
  }

  async read(migration: string, id: number, context?: CallContext): Promise<Checkpoint | null> {
    return (await this.#select('table_name = ? AND id = ?', [migration, id], context))[0] ?? null;
  }

  async summarize(migration: string, context?: CallContext): Promise<StoreSummary> {
    const counts = await step(context, () =>
      this.database.rows(
        `SELECT status, count(*) AS n, sum(records_processed) AS processed, sum(records_written) AS written,
           sum(records_rejected) AS rejected FROM migration_checkpoints WHERE table_name = ? GROUP BY status`,
        migration,
      ),
    );
    const count = (status: CheckpointStatus): number =>
      Number(counts.find((row) => row['status'] === status)?.['n'] ?? 0);
    const sum = (name: string): number => counts.reduce((total, row) => total + Number(row[name]), 0);
    const last = `table_name = ? AND status = 'completed' ORDER BY seq DESC LIMIT 1`;
    const next = `table_name = ? AND status <> 'completed' ORDER BY seq LIMIT 1`;
    return {
      pending: count('pending'),
      inProgress: count('in_progress'),
      completed: count('completed'),
      failed: count('failed'),
      recordsProcessed: sum('processed'),
      recordsWritten: sum('written'),
      recordsRejected: sum('rejected'),
      lastCompleted: (await this.#select(last, [migration], context))[0] ?? null,
      next: (await this.#select(next, [migration], context))[0] ?? null,
    };
  }

  list(
    migration: string,
    filter: CheckpointFilter = {},
    context?: CallContext,
  ): Promise<readonly Checkpoint[]> {
    const { status = null, afterSeq = 0, limit = 1_000 } = filter;
    const where = 'table_name = ? AND seq > ? AND status = coalesce(?, status) ORDER BY seq LIMIT ?';
    return this.#select(where, [migration, afterSeq, status, limit], context);
  }

  reopen(migration: string, ids: readonly number[], context?: CallContext): Promise<void> {
    return this.#write(context, () => {
      this.database.run(
        `UPDATE migration_checkpoints SET status = 'pending', cursor = NULL, records_processed = 0, records_written = 0,
           records_rejected = 0, error_message = NULL, fence_token = fence_token + 1 WHERE table_name = ? AND id = ?`,
        ids.map((id) => [migration, id]),
      );
    });
  }

  clear(migration: string, context?: CallContext): Promise<void> {
    return this.#write(context, () => {
      this.database.run('DELETE FROM migration_checkpoints WHERE table_name = ?', [[migration]]);
      this.database.run('DELETE FROM migration_plans WHERE table_name = ?', [[migration]]);
    });
  }

  #write<T>(context: CallContext | undefined, work: () => T): Promise<T> {
    return step(context, () => this.database.transaction(work));
  }

  #select(
    where: string,
    values: readonly (string | number | null)[],
    context: CallContext | undefined,
  ): Promise<readonly Checkpoint[]> {
    const sql = `SELECT * FROM migration_checkpoints WHERE ${where}`;
    return step(context, () => this.database.rows(sql, ...values).map(checkpointOf));
  }

  #planOf(migration: string): StoredPlan | null {
    const [row] = this.database.rows(
      `SELECT count(*) AS checkpoints, max(seq) AS seq, range,
         (SELECT settings FROM migration_plans WHERE table_name = c.table_name) AS settings
       FROM migration_checkpoints AS c WHERE table_name = ?`,
      migration,
    );
    if (!row || row['checkpoints'] === 0) return null;
    return {
      settings: row['settings'] === null ? null : (JSON.parse(String(row['settings'])) as PlanSettings),
      checkpoints: Number(row['checkpoints']),
      lastSeq: Number(row['seq']),
      // SQLite takes the other columns from the row that has the maximum.
      end: (JSON.parse(String(row['range'])) as KeyRange).upper,
    };
  }

  #putSettings(migration: string, settings: PlanSettings): void {
    this.database.run('INSERT OR REPLACE INTO migration_plans VALUES (?, ?)', [
      [migration, JSON.stringify(settings)],
    ]);
  }
}

function checkpointOf(row: SqliteRow): Checkpoint {
  const text = (name: string): string | null => row[name] as string | null;
  const cursor = text('cursor');
  return {
    id: Number(row['id']),
    seq: Number(row['seq']),
    range: JSON.parse(text('range') ?? '') as KeyRange,
    status: text('status') as CheckpointStatus,
    cursor: cursor === null ? null : (JSON.parse(cursor) as Key),
    recordsProcessed: Number(row['records_processed']),
    recordsWritten: Number(row['records_written']),
    recordsRejected: Number(row['records_rejected']),
    errorMessage: text('error_message'),
    fenceToken: Number(row['fence_token']),
  };
}
