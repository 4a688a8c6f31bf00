import pLimit from 'p-limit';
import type { CallContext, Checkpoint, KeyRange } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import type { EngineOptions } from '../options.ts';
import type { Prepared } from '../planning/plan.ts';
import { rowKey } from '../planning/refusals.ts';
import { prepare } from '../planning/survey.ts';

/** A checkpoint whose two sides have different numbers of rows. */
export interface CountDifference {
  readonly seq: number;
  readonly id: number;
  readonly range: KeyRange;
  readonly sourceRows: number;
  /** Rows of the range in the sink; where the sink cannot tell, the rows that the checkpoint recorded. */
  readonly sinkRows: number;
  /** Rows that the sink should have: the source's, or those that were written where rows were changed on their way. */
  readonly expectedRows: number;
}

/** What `verify()` found by counting. */
export interface CountVerification {
  readonly migration: string;
  readonly mode: 'count';
  /**
   * True: every completed checkpoint has as many rows in the sink as in the source, and so have the two tables. Where a
   * transform, a validation or rejected rows come between: the source has as many as were dealt with, and the sink as
   * many as were written.
   */
  readonly equal: boolean;
  /** Whole tables: rows outside the plan count as well. */
  readonly sourceRows: number;
  readonly sinkRows: number | null;
  /** Rows of the source that were set aside. */
  readonly rejectedRows: number;
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
  const totals = { processed: 0, written: 0, rejected: 0 };
  let checked = 0;
  let unchecked = 0;
  for await (const checkpoints of prepared.stored ? allCheckpoints(options, migration, context) : []) {
    const completed = checkpoints.filter((checkpoint) => checkpoint.status === 'completed');
    unchecked += checkpoints.length - completed.length;
    checked += completed.length;
    for (const checkpoint of completed) {
      totals.processed += checkpoint.recordsProcessed;
      totals.written += checkpoint.recordsWritten;
      totals.rejected += checkpoint.recordsRejected;
    }
    const found = await Promise.all(
      completed.map((checkpoint) => limit(() => compareCounts(options, prepared, checkpoint, context))),
    );
    differences.push(...found.filter((difference) => difference !== null));
  }
  const sourceRows = await options.source.countRows(undefined, context);
  const sinkRows = await target.countRows(undefined, context);
  const isPlain = prepared.pipeline === null && totals.processed === totals.written;
  const sameTotals = isPlain
    ? sourceRows === sinkRows
    : sourceRows === totals.processed && sinkRows === totals.written;
  const equal = differences.length === 0 && unchecked === 0 && sameTotals;
  return {
    migration,
    mode: 'count',
    equal,
    sourceRows,
    sinkRows,
    rejectedRows: totals.rejected,
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
        help: `Empty the table and reset() the migration, or give the table ${rowKey}.`,
      },
    );
  }
  // First, so that a repair which is interrupted finds the same checkpoints again.
  const seqs = found.differences.map(({ seq }) => seq);
  if (seqs.length > 0) await options.sink.rejects?.clear(found.migration, seqs, context);
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
  { target, pipeline }: Prepared,
  checkpoint: Checkpoint,
  context: CallContext,
): Promise<CountDifference | null> {
  const { seq, id, range, recordsProcessed, recordsWritten } = checkpoint;
  const sourceRows = await options.source.countRows(range, context);
  const inRange = pipeline?.keepsKey === false ? null : await target.countRows(range, context);
  const sinkRows = inRange ?? recordsWritten;
  const isPlain = pipeline === null && recordsProcessed === recordsWritten;
  const expectedRows = isPlain ? sourceRows : recordsWritten;
  const isEqual = sinkRows === expectedRows && (isPlain || sourceRows === recordsProcessed);
  return isEqual ? null : { seq, id, range, sourceRows, sinkRows, expectedRows };
}
