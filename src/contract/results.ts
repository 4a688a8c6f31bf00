import type { Key, KeyRange } from './rows.ts';

/** A checkpoint that failed, and why. */
export interface CheckpointFailure {
  readonly seq: number;
  readonly range: KeyRange;
  readonly cursor: Key | null;
  readonly code: string;
  readonly message: string;
}

/** Durable progress of a migration. */
export interface Progress {
  readonly migration: string;
  readonly checkpoints: {
    /** More than the sum of the others where some in the middle of the plan were deleted: then it is never complete. */
    readonly total: number;
    readonly completed: number;
    readonly inProgress: number;
    readonly pending: number;
    readonly failed: number;
  };
  /** Rows of the source that are dealt with. */
  readonly rows: number;
  /** Rows that are durably in the sink. Other than `rows` where a transform makes more or fewer, or rows are set aside. */
  readonly written: number;
  /** Rows of the source that were set aside: `migrator.rejects()` lists them. */
  readonly rejected: number;
  /** Completed checkpoints, 0 to 100. */
  readonly percent: number;
  readonly lastCompleted: { readonly seq: number; readonly range: KeyRange } | null;
  /** Where a run goes on; null where everything is completed, or nothing is planned. */
  readonly next: { readonly seq: number; readonly range: KeyRange; readonly cursor: Key | null } | null;
  readonly failures: readonly CheckpointFailure[];
}

/**
 * Why a run paused: the host's signal, its budget, or a quota of the sink that is used up until a known time.
 */
export type PauseReason = 'signal' | 'budget' | 'quota';

/** What a run did. A rejection that follows from failed checkpoints carries the same as `error.result`. */
export interface RunResult {
  readonly migration: string;
  /** `paused`: the signal, the budget or a quota of the sink ended the run; the next goes on. `failed` is found on errors alone. */
  readonly status: 'completed' | 'paused' | 'failed';
  /** Why it paused. */
  readonly reason: PauseReason | null;
  /** When the next run can go on, where a quota of the sink ended this one; null: at once. */
  readonly resumeAt: Date | null;
  /** Rows of the source, batches and checkpoints of this run alone. */
  readonly rows: number;
  /** Rows that this run wrote, and rows of the source that it set aside. */
  readonly written: number;
  readonly rejected: number;
  readonly batches: number;
  readonly completedCheckpoints: number;
  readonly milliseconds: number;
  readonly failures: readonly CheckpointFailure[];
  /** Durable progress when the run ended, other runs' work included. */
  readonly progress: Progress;
}
