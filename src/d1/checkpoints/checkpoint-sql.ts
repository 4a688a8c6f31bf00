import { type RawBuilder, sql } from 'kysely';
import type {
  Advance,
  Checkpoint,
  CheckpointStatus,
  ClaimRequest,
  Key,
  KeyRange,
  Lease,
} from '../../contract/index.ts';
import type { Row } from '../connection.ts';

/** The database's own clock, in milliseconds: a client's clock decides nothing. */
export const now: RawBuilder<number> = sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`;

/** A whole number as a parameter: it travels as text, see {@link D1Connection}. */
export function integer(value: number): RawBuilder<number> {
  return sql`CAST(${String(value)} AS INTEGER)`;
}

/** The columns that a {@link Checkpoint} is made of. Integers come as text: D1 rounds them past 2^53. */
export const checkpointColumns: RawBuilder<Row> = sql`id, seq, CAST(start_id AS TEXT) AS start_id,
  CAST(end_id AS TEXT) AS end_id, status, cursor, records_processed,
  coalesce(records_written, records_processed) AS records_written, records_rejected, error_message, fence_token`;

/**
 * The condition under which a worker may move a checkpoint: it is in progress, has our fence token, and stands where
 * we started.
 */
export function standsAt(lease: Lease, from: Key | null): RawBuilder<boolean> {
  const cursor = from === null ? sql`cursor IS NULL` : sql`cursor = ${encodeKey(from)}`;
  return sql`${held(lease)} AND ${cursor}`;
}

/** The condition that a checkpoint is ours. */
export function held({ id, fenceToken }: Lease): RawBuilder<boolean> {
  return sql`id = ${integer(id)} AND fence_token = ${integer(fenceToken)} AND status = 'in_progress'`;
}

/** Moves a checkpoint, if it stands where we started. */
export function advanceStatement(table: RawBuilder<unknown>, advance: Advance): RawBuilder<unknown> {
  return sql`UPDATE ${table} SET cursor = ${encodeKey(advance.to)},
  records_processed = records_processed + ${integer(advance.rows)},
  records_written = coalesce(records_written, records_processed) + ${integer(advance.written)},
  records_rejected = records_rejected + ${integer(advance.rejected)},
  lease_until = ${now} + ${integer(advance.leaseMs)},
  status = ${advance.complete ? sql`'completed'` : sql`'in_progress'`},
  updated_at = CURRENT_TIMESTAMP
  WHERE ${standsAt(advance.lease, advance.from)}`;
}

/**
 * Claims the first checkpoints that are free: pending, failed in another run, or held by a lease that ended. Each is one step in the index
 * on (table_name, status, seq), however many are done.
 */
export function claimStatement(
  table: RawBuilder<unknown>,
  migration: string,
  { owner, leaseMs, most = 1 }: ClaimRequest,
): RawBuilder<Row> {
  const limit = sql`ORDER BY seq LIMIT ${integer(most)}`;
  const first = (condition: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`SELECT * FROM (SELECT id, seq FROM ${table} WHERE table_name = ${migration} AND ${condition} ${limit})`;
  return sql`UPDATE ${table} SET status = 'in_progress', owner = ${owner}, fence_token = fence_token + 1,
  lease_until = ${now} + ${integer(leaseMs)}, error_message = NULL,
  records_processed = CASE WHEN cursor IS NULL THEN 0 ELSE records_processed END,
  records_written = CASE WHEN cursor IS NULL THEN NULL ELSE records_written END,
  records_rejected = CASE WHEN cursor IS NULL THEN 0 ELSE records_rejected END,
  updated_at = CURRENT_TIMESTAMP
  WHERE id IN (SELECT id FROM (
    ${first(sql`status = 'pending'`)}
    UNION ALL ${first(sql`status = 'failed' AND owner IS NOT ${owner}`)}
    UNION ALL ${first(sql`status = 'in_progress' AND lease_until <= ${now}`)}
  ) ${limit})
  RETURNING ${checkpointColumns}`;
}

/** A key as one text: the cursor's form. */
function encodeKey(key: Key): string {
  return JSON.stringify(key);
}

/**
 * A range as JSON values for `start_id` and `end_id`. A single integer key: two integers, both inclusive. Others: the JSON texts of the
 * key before the range (null for the first) and of its last.
 */
export function encodeRange({ lower, upper }: KeyRange, integerKey: boolean): string {
  if (!integerKey)
    return `[${lower === null ? 'null' : JSON.stringify(encodeKey(lower.key))},${JSON.stringify(encodeKey(upper))}]`;
  const start =
    lower === null ? null : lower.inclusive ? lower.key[0] : String(BigInt(lower.key[0] ?? '') + 1n);
  return `[${start},${upper[0]}]`;
}

/** A stored checkpoint as the contract has it. */
export function decodeCheckpoint(row: Row): Checkpoint {
  const start = row['start_id'] as string | null;
  const end = row['end_id'] as string;
  return {
    id: Number(row['id']),
    seq: Number(row['seq']),
    range: { lower: start === null ? null : decodeLower(start), upper: decodeBound(end) },
    status: row['status'] as CheckpointStatus,
    cursor: row['cursor'] === null ? null : (JSON.parse(row['cursor'] as string) as Key),
    recordsProcessed: Number(row['records_processed']),
    recordsWritten: Number(row['records_written']),
    recordsRejected: Number(row['records_rejected']),
    errorMessage: row['error_message'] as string | null,
    fenceToken: Number(row['fence_token']),
  };
}

function decodeLower(text: string): KeyRange['lower'] {
  return { key: decodeBound(text), inclusive: !text.startsWith('[') };
}

/** An integer's digits, or the JSON text of a key. */
export function decodeBound(text: string): Key {
  return text.startsWith('[') ? (JSON.parse(text) as Key) : [text];
}
