import { type RawBuilder, sql } from 'kysely';
import type { CallContext, PlanSettings } from '../../contract/index.ts';
import type { D1Connection, Row } from '../connection.ts';

/**
 * A table with the guide's columns alone, as it reads once the others are added and its checkpoints numbered. Where a
 * table has some of the others, its own come first and count.
 */
export function olderTable(table: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(SELECT *, row_number() OVER (PARTITION BY table_name ORDER BY start_id) AS seq, NULL AS cursor,
  0 AS fence_token, NULL AS records_written, 0 AS records_rejected FROM ${table})`;
}

/** The plan in a table with the guide's columns alone. @param of - the rows of the migration. */
export async function readOlderPlan(
  connection: D1Connection,
  of: RawBuilder<unknown>,
  context: CallContext | undefined,
): Promise<Row | null> {
  const [row] = await connection.rows(
    sql`SELECT count(*) AS checkpoints, CAST(max(end_id) AS TEXT) AS end_id ${of}`,
    context,
  );
  return row ? { ...row, plan: null, last_seq: null } : null;
}

/** Numbers the checkpoints of an older table and gives them a plan. False: they leave a gap, or have both already. */
export async function adoptOlder(
  connection: D1Connection,
  table: RawBuilder<unknown>,
  migration: string,
  settings: PlanSettings,
  context: CallContext | undefined,
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
