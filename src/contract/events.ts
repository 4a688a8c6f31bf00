import type { Key, KeyRange } from './rows.ts';
import type { CheckpointFailure, Progress, RunResult } from './results.ts';

/** A run begins; nothing is claimed yet. */
export interface RunStartEvent {
  readonly migration: string;
  readonly runId: string;
  readonly source: string;
  readonly sink: string;
  readonly delivery: 'exactly-once' | 'at-least-once';
  readonly concurrency: number;
}

/** The plan stands. */
export interface PlanEvent {
  readonly migration: string;
  readonly checkpointSize: number;
  /** Checkpoints that this run added to the plan: all of them on the first run. */
  readonly added: number;
  /** False: the rest of the plan is made while the first checkpoints are copied. */
  readonly complete: boolean;
  readonly progress: Progress;
}

/** Something happened to a checkpoint. */
export interface CheckpointEvent {
  readonly migration: string;
  readonly seq: number;
  readonly range: KeyRange;
  readonly cursor: Key | null;
  /** Rows of this checkpoint in the source that are durably dealt with. */
  readonly rows: number;
}

/** A checkpoint failed, and the run goes on with the others. */
export interface CheckpointFailedEvent extends CheckpointFailure {
  readonly migration: string;
}

/**
 * Why a batch has no more rows.
 *
 * - `bytes`: the next row did not fit
 * - `rows`: it has as many as are allowed, by `batchSize` or by the latest {@link BatchLimitEvent}, or is one of the small ones that a long
 *   copy begins with
 * - `checkpoint`: there were no more in the checkpoint
 */
export type BatchEnd = 'bytes' | 'rows' | 'checkpoint';

/**
 * - `too-much`: the sink could not take so many at once
 * - `slow`: a batch took longer than `targetBatchMs`
 * - `recovered`: batches went well for a while, so larger ones are tried
 */
export type BatchLimitReason = 'too-much' | 'slow' | 'recovered';

/** From now on batches have another number of rows at the most. What is encoded already is sent as it is. */
export interface BatchLimitEvent {
  readonly migration: string;
  /** Rows a batch at the most; null: as many as fit. */
  readonly rows: number | null;
  readonly previous: number | null;
  readonly reason: BatchLimitReason;
}

/** A batch is durably in the sink. */
export interface BatchEvent {
  readonly migration: string;
  readonly seq: number;
  readonly cursor: Key;
  /** Rows of the source that it deals with. */
  readonly rows: number;
  /** Rows that were made of them and written, and rows that were set aside. */
  readonly written: number;
  readonly rejected: number;
  readonly bytes: number;
  /** Why it ended where it did; see {@link BatchEnd}. */
  readonly end: BatchEnd;
  /** From sending the batch to knowing that it is in. */
  readonly milliseconds: number;
  /** Rows of this checkpoint in the source that are durably dealt with, this batch included. */
  readonly checkpointRows: number;
}

/** A row was set aside; its batch is durably in. */
export interface RowRejectedEvent {
  readonly migration: string;
  readonly seq: number;
  readonly key: Key;
  readonly code: string;
  /** It may hold values of the row. */
  readonly reason: string;
}

/** Where the run stands. At most about ten a second, and one at the end. */
export interface ProgressEvent {
  readonly migration: string;
  /** Rows of the source that are dealt with, in earlier runs and in this one. */
  readonly rows: number;
  /** Those of this run. */
  readonly runRows: number;
  /** Of `rows`: those that were set aside. */
  readonly rejected: number;
  /** The source's estimate of all rows; never less than `rows`. */
  readonly totalRows: number;
  readonly completedCheckpoints: number;
  readonly totalCheckpoints: number;
  /** 0 to 100. */
  readonly percent: number;
  /** Over the last seconds of this run, not over the rows of earlier ones. */
  readonly rowsPerSecond: number;
  /** Estimated milliseconds left; null while unknown. */
  readonly remainingMs: number | null;
}

/** Something failed and will be tried again. */
export interface RetryEvent {
  readonly migration: string;
  readonly operation: string;
  readonly attempt: number;
  readonly delayMs: number;
  readonly code: string;
  readonly message: string;
}

/** How far `plan({ values: 'all' })` is. One event a page. */
export interface PlanProgressEvent {
  readonly migration: string;
  /** Rows that were looked at. */
  readonly rows: number;
  /** The source's estimate of all rows; never less than `rows`. */
  readonly totalRows: number;
}

/** How far `verify({ mode: 'full' })` is. One event a batch and a checkpoint. */
export interface VerifyProgressEvent {
  readonly migration: string;
  readonly rows: number;
  readonly checkedCheckpoints: number;
  readonly totalCheckpoints: number;
}

/** Only checkpoints that others hold are left; the run waits for their leases. */
export interface WaitEvent {
  readonly migration: string;
  readonly waitMs: number;
}

/** A listener threw. The run goes on. */
export interface ListenerErrorEvent {
  readonly event: string;
  readonly error: unknown;
}

/**
 * The events of a migrator. Listeners watch: they run synchronously, their result is not waited for, and one that
 * throws (or whose promise rejects) cannot break the run.
 */
export interface MigrationEvents {
  'run:start': RunStartEvent;
  'plan:ready': PlanEvent;
  'checkpoint:claimed': CheckpointEvent;
  'checkpoint:completed': CheckpointEvent;
  'checkpoint:failed': CheckpointFailedEvent;
  /** Another worker took the checkpoint over, or someone reset it. Its rows are theirs now. */
  'checkpoint:lost': CheckpointEvent;
  'batch:committed': BatchEvent;
  'batch:limit': BatchLimitEvent;
  'row:rejected': RowRejectedEvent;
  progress: ProgressEvent;
  retry: RetryEvent;
  wait: WaitEvent;
  'plan:progress': PlanProgressEvent;
  'verify:progress': VerifyProgressEvent;
  'run:end': RunResult;
  'listener:error': ListenerErrorEvent;
}

/** What tells the events of a migration: every `ResumableMigrator` does, those of a group too. */
export interface MigrationEventSource {
  /** Listens to an event from now on. */
  on<Name extends keyof MigrationEvents>(
    event: Name,
    listener: (payload: MigrationEvents[Name]) => unknown,
  ): unknown;
  /** Ends what {@link MigrationEventSource.on} began. */
  off<Name extends keyof MigrationEvents>(
    event: Name,
    listener: (payload: MigrationEvents[Name]) => unknown,
  ): unknown;
}
