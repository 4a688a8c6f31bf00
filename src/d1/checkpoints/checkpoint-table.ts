import { type RawBuilder, sql } from 'kysely';
import type {
  CallContext,
  Checkpoint,
  CheckpointFilter,
  PlanSettings,
  StoredPlan,
  StoreSummary,
} from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import { checkpointColumns, decodeBound, decodeCheckpoint, integer } from './checkpoint-sql.ts';
import type { D1Connection, Row } from '../connection.ts';

/** The table of the checkpoints, for what is done before they are copied and what is asked of them. */
export interface CheckpointTable {
  readonly connection: D1Connection;
  readonly name: string;
  readonly table: RawBuilder<unknown>;
}

/** Columns that this version adds to the guide's table, in the order in which an older table gets them. */
const addedColumns: Readonly<Record<string, string>> = {
  seq: 'INTEGER',
  cursor: 'TEXT',
  fence_token: 'INTEGER NOT NULL DEFAULT 0',
  lease_until: 'INTEGER NOT NULL DEFAULT 0',
  owner: 'TEXT',
  plan: 'TEXT',
  updated_at: 'TEXT',
  // Null: as many as were processed. So they read where nothing counts them.
  records_written: 'INTEGER',
  records_rejected: 'INTEGER NOT NULL DEFAULT 0',
};

/** The checkpoint table: the guide's columns first, then the protocol's. */
function createTable(table: RawBuilder<unknown>): RawBuilder<unknown> {
  const added = Object.entries(addedColumns).map(([name, type]) => sql`${sql.id(name)} ${sql.raw(type)}`);
  return sql`CREATE TABLE IF NOT EXISTS ${table} (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT NOT NULL,
  start_id INTEGER,
  end_id INTEGER NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed', 'failed')),
  records_processed INTEGER NOT NULL DEFAULT 0,
  error_message TEXT,
  created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  ${sql.join(added, sql`,\n  `)}
)`;
}

/** Makes the table where it is missing, and adds what an older one lacks. One request where there is nothing to add. */
export async function makeTable(
  { connection, name, table }: CheckpointTable,
  context?: CallContext,
): Promise<void> {
  const index = (suffix: string): RawBuilder<unknown> => sql.id(`${name}_${suffix}`);
  const indexes = [
    sql`CREATE UNIQUE INDEX IF NOT EXISTS ${index('seq')} ON ${table} (table_name, seq)`,
    sql`CREATE INDEX IF NOT EXISTS ${index('status')} ON ${table} (table_name, status, seq)`,
  ];
  const columns = sql`SELECT name FROM pragma_table_info(${name})`;
  const results = await connection
    .batch([createTable(table), columns, ...indexes], context)
    .catch((error: unknown) => {
      // Of an older table the indexes cannot be made yet.
      if (isMigratorError(error) && error.code === 'SINK_COLUMN_MISSING') return null;
      throw error;
    });
  const rows = results ? (results[1]?.results as Row[]) : await connection.rows(columns, context);
  const present = new Set(rows.map((row) => row['name']));
  for (const [column, type] of Object.entries(addedColumns)) {
    if (present.has(column)) continue;
    await connection.changes(
      sql`ALTER TABLE ${table} ADD COLUMN ${sql.id(column)} ${sql.raw(type)}`,
      context,
    );
  }
  if (!results) await connection.batch(indexes, context);
}

/** The plan of a migration; null: there is none. */
export async function readPlan(
  place: CheckpointTable,
  migration: string,
  context?: CallContext,
): Promise<StoredPlan | null> {
  try {
    const [row] = await reading(place, (table) => {
      const of = sql`FROM ${table} WHERE table_name = ${migration}`;
      return place.connection.rows(
        sql`SELECT count(*) AS checkpoints, max(seq) AS last_seq,
  (SELECT plan ${of} AND seq = 1) AS plan,
  (SELECT CAST(end_id AS TEXT) ${of} ORDER BY seq DESC, end_id DESC LIMIT 1) AS end_id ${of}`,
        context,
      );
    });
    return row ? decodePlan(row) : null;
  } catch (error) {
    if (isMigratorError(error) && error.code === 'SINK_TABLE_NOT_FOUND') return null;
    throw error;
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

/** Numbers the checkpoints of an older table and gives them a plan. False: they leave a gap, or have both already. */
export async function adopt(
  { connection, table }: CheckpointTable,
  migration: string,
  settings: PlanSettings,
  context?: CallContext,
): Promise<boolean> {
  const of = sql`table_name = ${migration} AND seq IS NULL`;
  const [row] = await connection.rows(
    sql`SELECT count(*) AS gaps FROM (
  SELECT start_id, lag(end_id) OVER (ORDER BY start_id) AS before FROM ${table} WHERE ${of}
) WHERE before IS NOT NULL AND start_id <> before + 1`,
    context,
  );
  if (Number(row?.['gaps']) > 0) return false;
  // The plan goes in with the numbers, so that half an adoption is none.
  const changes = await connection.changes(
    sql`UPDATE ${table} SET
  seq = (SELECT count(*) FROM ${table} AS earlier WHERE earlier.table_name = ${migration} AND earlier.start_id <= ${table}.start_id),
  plan = CASE start_id WHEN (SELECT min(start_id) FROM ${table} WHERE table_name = ${migration}) THEN ${JSON.stringify(settings)} END
  WHERE ${of}`,
    context,
  );
  return changes > 0;
}

/** Counts by status, and where the copy stands. */
export async function summarize(
  place: CheckpointTable,
  migration: string,
  context?: CallContext,
): Promise<StoreSummary> {
  const [counts, last, next] = await reading(place, (table) => {
    const of = sql`FROM ${table} WHERE table_name = ${migration}`;
    // One by one, so that each is found by the index.
    const firsts = ['pending', 'failed', 'in_progress'].map(
      (status) => sql`SELECT * FROM (SELECT * ${of} AND status = ${sql.lit(status)} ORDER BY seq LIMIT 1)`,
    );
    return place.connection.batch(
      [
        sql`SELECT status, count(*) AS checkpoints, sum(records_processed) AS rows,
  sum(coalesce(records_written, records_processed)) AS written, sum(records_rejected) AS rejected, max(seq) AS last_seq ${of} GROUP BY status`,
        sql`SELECT ${checkpointColumns} ${of} AND status = 'completed' ORDER BY seq DESC LIMIT 1`,
        sql`SELECT ${checkpointColumns} FROM (${sql.join(firsts, sql` UNION ALL `)}) ORDER BY seq LIMIT 1`,
      ],
      context,
    );
  });
  const statuses = new Map(((counts?.results ?? []) as Row[]).map((row) => [row['status'], row]));
  const count = (status: string): number => Number(statuses.get(status)?.['checkpoints'] ?? 0);
  const sum = (field: string): number =>
    [...statuses.values()].reduce((total, row) => total + Number(row[field]), 0);
  const lastSeq = Math.max(...[...statuses.values()].map((row) => Number(row['last_seq'])));
  const missing = lastSeq - sum('checkpoints');
  const first = (rows: unknown[] | undefined): Checkpoint | null =>
    rows?.[0] ? decodeCheckpoint(rows[0] as Row) : null;
  return {
    ...(missing > 0 && { missing }),
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

/** Checkpoints in the order of the plan. */
export async function list(
  place: CheckpointTable,
  migration: string,
  { status, afterSeq = 0, limit = 1_000 }: CheckpointFilter,
  context?: CallContext,
): Promise<readonly Checkpoint[]> {
  const withStatus = status ? sql` AND status = ${status}` : sql``;
  const rows = await reading(place, (table) =>
    place.connection.rows(
      sql`SELECT ${checkpointColumns} FROM ${table}
  WHERE table_name = ${migration}${withStatus} AND seq > ${integer(afterSeq)} ORDER BY seq LIMIT ${sql.lit(limit)}`,
      context,
    ),
  );
  return rows.map(decodeCheckpoint);
}

/** Reads what {@link makeTable} has not made yet as well: a table with the guide's columns alone. */
async function reading<T>(
  { table }: CheckpointTable,
  read: (table: RawBuilder<unknown>) => Promise<T>,
): Promise<T> {
  try {
    return await read(table);
  } catch (error) {
    if (!isMigratorError(error) || error.code !== 'SINK_COLUMN_MISSING') throw error;
    return await read(olderTable(table));
  }
}

/**
 * A table with the guide's columns alone, as it reads once the others are added and its checkpoints numbered. What it has of the others
 * comes first and counts.
 */
function olderTable(table: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(SELECT *, row_number() OVER (PARTITION BY table_name ORDER BY start_id) AS seq, NULL AS cursor,
  NULL AS plan, 0 AS fence_token, NULL AS records_written, 0 AS records_rejected FROM ${table})`;
}

/** Puts checkpoints back to where nothing of them is copied. */
export async function reopen(
  { connection, table }: CheckpointTable,
  migration: string,
  ids: readonly number[],
  context?: CallContext,
): Promise<void> {
  await connection.changes(
    sql`UPDATE ${table} SET status = 'pending', cursor = NULL, records_processed = 0, records_written = NULL,
  records_rejected = 0, error_message = NULL, lease_until = 0, fence_token = fence_token + 1, updated_at = CURRENT_TIMESTAMP
  WHERE table_name = ${migration} AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
    context,
  );
}
