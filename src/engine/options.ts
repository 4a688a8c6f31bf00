import type { CheckpointStore, RowSchema, Sink, Source } from '../contract/index.ts';
import { invalidOption, type MigratorError, refuseUnknown } from '../errors.ts';
import type { RetryPolicy } from './retry.ts';
import {
  checkPolicy,
  checkSchema,
  checkTransform,
  type CheckedTransform,
  type RejectPolicy,
  type RowOptions,
} from './rows/transform-options.ts';

/** Limits of one run: whichever is reached first ends it between two batches, as `paused`. */
export interface Budget {
  readonly milliseconds?: number | undefined;
  readonly rows?: number | undefined;
  readonly batches?: number | undefined;
}

/** What the engine works with, once the host's options are checked and completed. */
export interface EngineOptions {
  readonly source: Source<object>;
  readonly sink: Sink<object>;
  readonly store: CheckpointStore;
  readonly name: string | null;
  /** Undefined: the default. */
  readonly checkpointSize: number | 'auto' | undefined;
  readonly concurrency: number;
  readonly batchSize: number | undefined;
  readonly targetBatchMs: number;
  readonly batchDelayMs: number;
  readonly pageSize: number;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly planAheadMs: number;
  readonly retry: RetryPolicy;
  readonly transform: CheckedTransform | null;
  readonly validate: RowSchema | null;
  readonly onReject: RejectPolicy;
}

/** The tuning options of a migrator; every one has a default. */
export interface TuningOptions {
  /** The migration's name, `table_name` in the checkpoint table. Default: the source table's name. */
  readonly name?: string | undefined;
  /**
   * Rows a checkpoint; ids a checkpoint where ids are dense integers. `auto` chooses by the size of the table: 10,000
   * below 100,000 rows, 25,000 below 500,000, 50,000 below 2 million, else 100,000. Default what the stored plan has, or else 50,000. Both are fewer where these
   * rows would be more than about 20 MB.
   */
  readonly checkpointSize?: number | 'auto' | undefined;
  /** Checkpoints that are copied at the same time. Default 4. */
  readonly concurrency?: number | undefined;
  /** Rows a batch at the most. Default: as many as fit into one request, and fewer while these take too long. */
  readonly batchSize?: number | undefined;
  /**
   * Milliseconds that a batch should take at the most, from sending it to its answer. One that takes longer makes the following
   * ones smaller, until they are well below. With `batchSize` it has no effect. Default 5,000, a sixth of what D1 gives a
   * statement.
   */
  readonly targetBatchMs?: number | undefined;
  /** Milliseconds between two batches of a checkpoint. Default 0. */
  readonly batchDelayMs?: number | undefined;
  /** Rows a source query returns at the most; wide rows make it fewer. Default 50,000. */
  readonly pageSize?: number | undefined;
  /** Milliseconds that a claim holds without news of its worker. Each batch renews it. Default 10,000. */
  readonly leaseMs?: number | undefined;
  /** Milliseconds that a batch in flight is waited for after the signal. Default 30,000. */
  readonly graceMs?: number | undefined;
  /**
   * Milliseconds that planning may take before copying begins beside it: only tables whose keys are scattered, or no
   * integers, take long to be planned. Default 1,000.
   */
  readonly planAheadMs?: number | undefined;
  /** Default: 3 retries, 500 ms base, 30 s at most. */
  readonly retry?: Partial<RetryPolicy> | undefined;
  /**
   * What becomes of a row that cannot be copied: its transform fails, it does not pass the validation, the sink has no
   * form for a value, or it is too large. `stop`: its checkpoint fails there. `set-aside`: it is written into the table
   * of rejected rows, in the batch in which it would have been copied, and the copy goes on. Default `stop`.
   */
  readonly onReject?: RejectPolicy | undefined;
}

/** Checks the host's options and fills in the defaults. Throws `INVALID_OPTION`; reads and writes nothing. */
export function resolveOptions(
  tuning: TuningOptions,
  parts: {
    readonly source: Source<object>;
    readonly sink: Sink<object>;
    readonly checkpoints?: CheckpointStore | undefined;
  } & RowOptions,
): EngineOptions {
  if (!parts?.source?.describe) throw missingPart('source', 'a Source, for example a PostgresKeysetSource');
  if (!parts.sink?.prepare) throw missingPart('sink', 'a Sink, for example a D1RestSink');
  const { checkpointSize, name = null, retry = {} } = tuning;
  refuseUnknown('retry', retry, 'retries baseMs maxMs');
  if (name !== null && (typeof name !== 'string' || name === '')) {
    throw invalidOption(
      `name must be a text that is not empty, not ${show(name)}.`,
      "Leave it out to use the source table's name.",
    );
  }
  const number = (
    option:
      'concurrency' | 'pageSize' | 'targetBatchMs' | 'batchDelayMs' | 'leaseMs' | 'graceMs' | 'planAheadMs',
    fallback: number,
    least: number,
    help?: string,
  ): number => wholeNumber(option, tuning[option] ?? fallback, least, help);
  const resolved = {
    source: parts.source,
    sink: parts.sink,
    name,
    checkpointSize:
      checkpointSize === undefined || checkpointSize === 'auto'
        ? checkpointSize
        : wholeNumber(
            'checkpointSize',
            checkpointSize,
            1,
            'It is the number of rows a checkpoint, or "auto".',
          ),
    concurrency: number('concurrency', 4, 1, 'It is the number of checkpoints at a time.'),
    batchSize:
      tuning.batchSize === undefined
        ? undefined
        : wholeNumber('batchSize', tuning.batchSize, 1, 'Leave it out to fill each request.'),
    targetBatchMs: number(
      'targetBatchMs',
      5_000,
      1,
      'It is in milliseconds. For batches of a fixed size pass batchSize.',
    ),
    batchDelayMs: number('batchDelayMs', 0, 0),
    pageSize: number('pageSize', 50_000, 1, 'It is the number of rows a source query.'),
    leaseMs: number('leaseMs', 10_000, 100),
    graceMs: number('graceMs', 30_000, 0),
    planAheadMs: number('planAheadMs', 1_000, 0),
    retry: {
      retries: wholeNumber(
        'retry.retries',
        retry.retries ?? 3,
        0,
        'It is the number of tries after the first.',
      ),
      baseMs: wholeNumber('retry.baseMs', retry.baseMs ?? 500, 0),
      maxMs: wholeNumber('retry.maxMs', retry.maxMs ?? 30_000, 0),
    },
    transform: checkTransform(parts.transform),
    validate: checkSchema(parts.validate),
    onReject: checkPolicy(tuning.onReject, parts.sink.rejects !== undefined),
  };
  // All are resolved by their own names; one is not.
  refuseUnknown('The migrator', parts, `${Object.keys(resolved).join(' ')} checkpoints`);
  return { ...resolved, store: parts.checkpoints ?? parts.sink.checkpoints };
}

/** Checks the limits of one run. */
export function checkBudget(budget: Budget): Budget {
  refuseUnknown('budget', budget, 'milliseconds rows batches');
  for (const limit of ['milliseconds', 'rows', 'batches'] as const) {
    const value = budget[limit];
    if (value !== undefined) wholeNumber(`budget.${limit}`, value, 1, 'Leave it out for no limit.');
  }
  return budget;
}

/** The largest whole number that a timer takes; longer waits would end at once. */
const most = 2_147_483_647;

function wholeNumber(option: string, value: unknown, least: number, help = 'It is in milliseconds.'): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidOption(`${option} must be a whole number from ${least} to ${most}, not ${show(value)}.`, help);
}

function missingPart(option: string, what: string): MigratorError {
  return invalidOption(`${option} is missing, or is something else.`, `Pass ${what}.`);
}

/** A value as messages show it. */
export function show(value: unknown): string {
  return typeof value === 'string' ? `"${value.slice(0, 80)}"` : String(value);
}
