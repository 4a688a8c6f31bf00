import type { CheckpointFailure, Delivery, PauseReason, Progress, RunResult } from '../contract/index.ts';
import type { StripCell } from './checkpoint-strip.ts';
import type { TimeSeries } from './time-series.ts';

/** What was recorded of one migration: plain JSON, to be kept, sent, or made a report of. Times are ISO 8601, in UTC. */
export interface MigrationRecord {
  /** Of the form of this object. */
  readonly version: 1;
  readonly migration: string;
  readonly source: string | null;
  readonly sink: string | null;
  readonly delivery: Delivery | null;
  /** Rows (or ids) a checkpoint, where a run said so. */
  readonly checkpointSize: number | null;
  /** When this was written. */
  readonly recordedAt: string;
  /** Durable progress as it was last told or read; null: nothing was. */
  readonly progress: Omit<Progress, 'failures' | 'lastCompleted' | 'next'> | null;
  /** The source's estimate of all rows. */
  readonly totalRows: number | null;
  /** Runs that were watched, the last twenty. */
  readonly runs: readonly RecordedRun[];
  /** All runs that were watched, together. */
  readonly totals: RecordedTotals;
  readonly series: TimeSeries | null;
  readonly limits: readonly RecordedLimit[];
  readonly retries: readonly RecordedRetry[];
  /** What was set aside, by code. */
  readonly rejects: readonly {
    readonly code: string;
    readonly rows: number;
    readonly keys: readonly string[];
  }[];
  readonly checkpoints: readonly StripCell[];
  readonly failures: readonly RecordedFailure[];
  /** What stopped the last run, or kept it from beginning. */
  readonly error: RecordedError | null;
  readonly verification: RecordedVerification | null;
}

/** One call of `run()`. */
export interface RecordedRun {
  readonly startedAt: string;
  /** Null: it has not ended. */
  readonly endedAt: string | null;
  readonly status: RunResult['status'] | 'running';
  readonly reason: PauseReason | null;
  readonly resumeAt: string | null;
  readonly rows: number;
  readonly batches: number;
  readonly completedCheckpoints: number;
  readonly milliseconds: number;
}

/** Sums over all runs that were watched. */
export interface RecordedTotals {
  readonly runs: number;
  readonly rows: number;
  readonly written: number;
  readonly rejected: number;
  readonly bytes: number;
  readonly batches: number;
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly waits: number;
  readonly waitMs: number;
  readonly lost: number;
  readonly failures: number;
  readonly limits: number;
}

/** Batches were allowed another number of rows. */
export interface RecordedLimit {
  readonly at: string;
  readonly rows: number | null;
  readonly previous: number | null;
  readonly reason: string;
}

/** What was tried again, by code and operation. */
export interface RecordedRetry {
  readonly code: string;
  readonly operation: string;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** The last message. */
  readonly message: string;
}

/** A checkpoint that failed. */
export interface RecordedFailure extends CheckpointFailure {
  /** Null: it was read from the store. */
  readonly at: string | null;
}

/** An error with what to do. */
export interface RecordedError {
  readonly code: string | null;
  readonly message: string;
  readonly help: string | null;
}

/** One row, or one checkpoint, that differs. */
export interface RecordedDifference {
  readonly kind: 'missing' | 'different' | 'extra' | 'count';
  readonly seq: number | null;
  /** The row's key; of a checkpoint its range. */
  readonly place: string;
  /** The columns that differ, or the two counts. */
  readonly detail: string;
}

/** What a comparison found, with the first examples. */
export interface RecordedVerification {
  readonly at: string;
  readonly mode: 'count' | 'full';
  /** False where a part was compared only. */
  readonly complete: boolean;
  readonly equal: boolean;
  readonly sourceRows: number | null;
  readonly sinkRows: number | null;
  readonly checkedCheckpoints: number;
  readonly uncheckedCheckpoints: number;
  /** Rows; null where only checkpoints were counted. */
  readonly counts: { readonly missing: number; readonly different: number; readonly extra: number } | null;
  /** Checkpoints whose counts differ; null where rows were compared. */
  readonly differingCheckpoints: number | null;
  readonly examples: readonly RecordedDifference[];
}
