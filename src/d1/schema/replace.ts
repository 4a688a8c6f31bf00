import { sql } from 'kysely';
import type { CallContext } from '../../contract/index.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import { type D1CheckpointStore } from '../checkpoints/checkpoint-store.ts';
import type { D1Target, D1TargetParts } from '../target.ts';

/** Drops the table and makes it anew, in one transaction that fails where the migration has begun meanwhile. */
export async function replaceTable(
  target: D1Target,
  { connection, table, shape, ddl, again }: D1TargetParts,
  store: D1CheckpointStore | null,
  context?: CallContext,
): Promise<void> {
  if (!store)
    throw new MigratorError('INTERNAL', 'A table is replaced beside its checkpoints.', {
      help: 'Ask delivery() first.',
    });
  const statements = [ddl.drop, ddl.create, ...ddl.before].filter((statement) => statement !== null);
  try {
    const made = statements.map((statement) => sql.raw(statement));
    await connection.batch([store.onlyUnplanned(shape.migration), ...made], context);
  } catch (error) {
    // What D1CheckpointStore.onlyUnplanned fails with.
    if (!isMigratorError(error) || !error.message.includes('malformed JSON')) throw error;
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
