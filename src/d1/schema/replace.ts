import { type RawBuilder, sql } from 'kysely';
import type { CallContext } from '../../contract/index.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import type { D1CheckpointStore } from '../checkpoints/checkpoint-store.ts';
import type { D1Target, D1TargetParts } from '../target.ts';

/** Drops the table and makes it anew, in one transaction that fails where the migration has begun meanwhile. */
export async function replaceTable(
  target: D1Target,
  { connection, table, shape, ddl, again }: D1TargetParts,
  store: D1CheckpointStore,
  context?: CallContext,
): Promise<void> {
  const statements = [ddl.drop, ddl.create, ...ddl.before].filter((statement) => statement !== null);
  // The transaction asks it for checkpoints.
  await store.prepare(context);
  try {
    const made = statements.map((statement) => sql.raw(statement));
    await connection.batch([onlyUnplanned(store, shape.migration), ...made], context);
  } catch (error) {
    if (!isPlannedAlready(error)) throw error;
    const other = await again(context);
    // Goes on in the table of the process that was first, where it is the same that this one would have made.
    if (other.mode === target.mode && other.columnTypes === target.columnTypes) return;
    throw new MigratorError(
      'SINK_FAILED',
      `Another process began this migration in another table ${table}.`,
      {
        migration: shape.migration,
        help: 'Run again: the run goes on in the table as it is.',
      },
    );
  }
}

/** No JSON, so that SQLite refuses it. */
const plannedAlready = 'planned already';

/**
 * A statement that fails where the migration has checkpoints, and takes its transaction with it: rows are only ever
 * written under a checkpoint, so what stands beside it in a batch meets none of them.
 */
function onlyUnplanned({ table }: D1CheckpointStore, migration: string): RawBuilder<unknown> {
  const planned = sql`EXISTS (SELECT 1 FROM ${table} WHERE table_name = ${migration})`;
  return sql`SELECT json(CASE WHEN ${planned} THEN ${plannedAlready} ELSE 'true' END)`;
}

/** True where {@link onlyUnplanned} failed because there are checkpoints. */
function isPlannedAlready(error: unknown): boolean {
  return isMigratorError(error) && error.message.includes('malformed JSON');
}
