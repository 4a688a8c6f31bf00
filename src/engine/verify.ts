import pLimit from 'p-limit';
import type { CallContext, Checkpoint, KeyRange } from '../contract/index.ts';
import { MigratorError } from '../errors.ts';
import type { EngineOptions } from './options.ts';
import { prepare, type Prepared } from './plan.ts';

/** A checkpoint whose two sides have different numbers of rows. */
export interface CountDifference {
  readonly seq: number;
  readonly id: number;
  readonly range: KeyRange;
  readonly sourceRows: number;
  /** Rows of the range in the sink; where the sink cannot tell, the rows that the checkpoint recorded. */
  readonly sinkRows: number;
}

/** What `verify()` found by counting. */
export interface CountVerification {
  readonly migration: string;
  readonly mode: 'count';
  /** True: every completed checkpoint has as many rows in the sink as in the source, and so have the two tables. */
  readonly equal: boolean;
  /** Whole tables: rows outside the plan count as well. */
  readonly sourceRows: number;
  readonly sinkRows: number | null;
  /** Completed checkpoints that were compared; the others are not done yet. */
  readonly checkedCheckpoints: number;
  readonly uncheckedCheckpoints: number;
  readonly differences: readonly CountDifference[];
}

/** Compares both sides by the number of rows of each completed checkpoint. Changes nothing. */
export async function verifyCounts(options: EngineOptions, context: CallContext): Promise<CountVerification> {
  const prepared = await prepareStored(options, context);
  const { migration, target } = prepared;
  const limit = pLimit(options.concurrency);
  const differences: CountDifference[] = [];
  let checked = 0;
  let unchecked = 0;
  for await (const checkpoints of prepared.stored ? allCheckpoints(options, migration, context) : []) {
    const completed = checkpoints.filter((checkpoint) => checkpoint.status === 'completed');
    unchecked += checkpoints.length - completed.length;
    checked += completed.length;
    const found = await Promise.all(
      completed.map((checkpoint) => limit(() => compareCounts(options, prepared, checkpoint, context))),
    );
    differences.push(...found.filter((difference) => difference !== null));
  }
  const sourceRows = await options.source.countRows(undefined, context);
  const sinkRows = await target.countRows(undefined, context);
  const equal = differences.length === 0 && unchecked === 0 && sourceRows === sinkRows;
  return {
    migration,
    mode: 'count',
    equal,
    sourceRows,
    sinkRows,
    checkedCheckpoints: checked,
    uncheckedCheckpoints: unchecked,
    differences,
  };
}

/** Puts the checkpoints that differ back to `pending`, so that a run copies them again. */
export async function reopenDifferences(
  options: EngineOptions,
  found: CountVerification,
  context: CallContext,
): Promise<void> {
  const { target } = await prepareStored(options, context);
  if (target.mode === 'insert' && found.differences.length > 0) {
    throw new MigratorError(
      'VERIFY_UNSUPPORTED',
      `${target.identity} has no key to find a row by, so copying a checkpoint again would double its rows.`,
      {
        migration: found.migration,
        help: 'Empty the table and reset() the migration, or give the table a primary key or unique index on the key columns.',
      },
    );
  }
  await options.store.reopen(
    found.migration,
    found.differences.map(({ id }) => id),
    context,
  );
}

/** Both sides, where something was planned: otherwise there is nothing to compare. */
export async function prepareStored(options: EngineOptions, context: CallContext): Promise<Prepared> {
  const prepared = await prepare(options, context);
  if (prepared.stored || prepared.description.estimatedRows === 0) return prepared;
  throw new MigratorError('PLAN_MISSING', 'Nothing has been copied yet, so there is nothing to compare.', {
    migration: prepared.migration,
    help: 'Call run() first.',
  });
}

/** The plan's checkpoints after `afterSeq`, in portions. */
export async function* allCheckpoints(
  options: EngineOptions,
  migration: string,
  context: CallContext,
  after: number = 0,
): AsyncGenerator<readonly Checkpoint[], void> {
  const limit = 500;
  for (let afterSeq = after; ;) {
    const checkpoints = await options.store.list(migration, { afterSeq, limit }, context);
    yield checkpoints;
    const last = checkpoints.at(-1);
    if (!last || checkpoints.length < limit) return;
    afterSeq = last.seq;
  }
}

async function compareCounts(
  options: EngineOptions,
  { target }: Prepared,
  checkpoint: Checkpoint,
  context: CallContext,
): Promise<CountDifference | null> {
  const { seq, id, range } = checkpoint;
  const sourceRows = await options.source.countRows(range, context);
  const sinkRows = (await target.countRows(range, context)) ?? checkpoint.recordsProcessed;
  return sourceRows === sinkRows ? null : { seq, id, range, sourceRows, sinkRows };
}
