import type { BatchEncoder, CheckpointStore, SinkTarget } from '../../contract/index.ts';
import type { PageReader } from '../paging.ts';
import type { RowPipeline } from '../rows/pipeline.ts';
import type { BatchLimit } from './batch-limit.ts';

/** What the copy of one checkpoint needs from its run. */
export interface CopyJob extends PageReader {
  readonly migration: string;
  readonly target: SinkTarget;
  readonly store: CheckpointStore;
  readonly delivery: 'exactly-once' | 'at-least-once';
  readonly leaseMs: number;
  readonly batchDelayMs: number;
  /** Rows a batch at the most, as the host asks; without it, what fits. */
  readonly batchSize: number | undefined;
  /** What rows go through; null: nothing, they are written as they were read. */
  readonly pipeline: RowPipeline | null;
  /** True: a row that cannot be copied is set aside. */
  readonly setAside: boolean;
  readonly batchLimit: BatchLimit;
  /** Encoders that no checkpoint uses at the moment. */
  readonly encoders: BatchEncoder[];
  /** Does something as one of so many that may be in flight at a time. */
  readonly inFlight: <T>(write: () => Promise<T>) => Promise<T>;
  /** Ends a batch in flight: the grace time is over. */
  readonly abort: AbortSignal;
  /** Asks to start one more batch. False: the run is to end. */
  admit(rows: number): boolean;
}
