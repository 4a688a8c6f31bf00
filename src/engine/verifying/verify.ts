import pLimit from 'p-limit';
import type { Checkpoint, KeyRange, SinkTarget } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import type { EngineOptions } from '../options.ts';
import type { Prepared } from '../planning/plan.ts';
import { rowKey } from '../planning/refusals.ts';
import { prepare } from '../planning/survey.ts';
import type { Calls } from './calls.ts';

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
export async function verifyCounts(options: EngineOptions, calls: Calls): Promise<CountVerification> {
  const prepared = await prepareStored(options, calls);
  const { migration, target } = prepared;
  const limit = pLimit(options.concurrency);
  const differences: CountDifference[] = [];
  const totals = { processed: 0, written: 0, rejected: 0 };
  let checked = 0;
  let unchecked = 0;
  for await (const checkpoints of prepared.stored ? allCheckpoints(options, calls) : []) {
    const completed = checkpoints.filter((checkpoint) => checkpoint.status === 'completed');
    unchecked += checkpoints.length - completed.length;
    checked += completed.length;
    for (const checkpoint of completed) {
      totals.processed += checkpoint.recordsProcessed;
      totals.written += checkpoint.recordsWritten;
      totals.rejected += checkpoint.recordsRejected;
    }
    const found = await Promise.all(
      completed.map((checkpoint) => limit(() => compareCounts(options, prepared, checkpoint, calls))),
    );
    differences.push(...found.filter((difference) => difference !== null));
  }
  const { sourceRows, sinkRows } = await countBoth(options, target, undefined, calls);
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
  calls: Calls,
): Promise<void> {
  const { target } = await prepareStored(options, calls);
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
  const ids = found.differences.map(({ id }) => id);
  await calls.retrying('reopen checkpoints', async (context) => {
    if (seqs.length > 0) await options.sink.rejects?.clear(found.migration, seqs, context);
    await options.store.reopen(found.migration, ids, context);
  });
}

/** Both sides, where something was planned: otherwise there is nothing to compare. */
export async function prepareStored(options: EngineOptions, calls: Calls): Promise<Prepared> {
  const prepared = await calls.retrying('prepare', (context) => prepare(options, context));
  calls.migration = prepared.migration;
  if (prepared.stored || prepared.description.estimatedRows === 0) return prepared;
  throw new MigratorError('PLAN_MISSING', 'Nothing has been copied yet, so there is nothing to compare.', {
    migration: prepared.migration,
    help: 'Call run() first.',
  });
}

/** The plan's checkpoints after `afterSeq`, in portions. */
export async function* allCheckpoints(
  { store }: EngineOptions,
  calls: Calls,
  after: number = 0,
): AsyncGenerator<readonly Checkpoint[], void> {
  const limit = 500;
  for (let afterSeq = after; ;) {
    const filter = { afterSeq, limit };
    const checkpoints = await calls.retrying('list checkpoints', (context) =>
      store.list(calls.migration, filter, context),
    );
    yield checkpoints;
    const last = checkpoints.at(-1);
    if (!last || checkpoints.length < limit) return;
    afterSeq = last.seq;
  }
}

/** Counts the rows of a range on both sides; without one, those of the whole tables. */
export async function countBoth(
  { source }: EngineOptions,
  target: SinkTarget | null,
  range: KeyRange | undefined,
  calls: Calls,
): Promise<{ sourceRows: number; sinkRows: number | null }> {
  const sourceRows = await calls.retrying('count rows', (context) => source.countRows(range, context));
  const sinkRows =
    target && (await calls.retrying('count rows', (context) => target.countRows(range, context)));
  return { sourceRows, sinkRows };
}

async function compareCounts(
  options: EngineOptions,
  { target, pipeline }: Prepared,
  checkpoint: Checkpoint,
  calls: Calls,
): Promise<CountDifference | null> {
  const { seq, id, range, recordsProcessed, recordsWritten } = checkpoint;
  const inRange = pipeline?.keepsKey === false ? null : target;
  const counted = await countBoth(options, inRange, range, calls);
  const { sourceRows } = counted;
  const sinkRows = counted.sinkRows ?? recordsWritten;
  const isPlain = pipeline === null && recordsProcessed === recordsWritten;
  const expectedRows = isPlain ? sourceRows : recordsWritten;
  const isEqual = sinkRows === expectedRows && (isPlain || sourceRows === recordsProcessed);
  return isEqual ? null : { seq, id, range, sourceRows, sinkRows, expectedRows };
}
