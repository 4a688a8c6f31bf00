import type { CheckpointFailure } from '../../contract/index.ts';

/** What a run did so far. */
export interface Tally {
  rows: number;
  written: number;
  rejected: number;
  batches: number;
  completed: number;
  /** Checkpoints that this run had claimed, and that were deleted. */
  gone: number;
  firstFailure: unknown;
  /** Whether each of the failures may pass by itself. */
  retryable: boolean;
  readonly failures: CheckpointFailure[];
}

/** Nothing yet. */
export function emptyTally(): Tally {
  return {
    rows: 0,
    written: 0,
    rejected: 0,
    batches: 0,
    completed: 0,
    gone: 0,
    firstFailure: null,
    retryable: true,
    failures: [],
  };
}
