import type { Finding } from './findings.ts';
import type { Progress } from './results.ts';
import type { CallContext, ColumnDescriptor, KeyRange } from './rows.ts';
import type { Delivery, SinkEstimate } from './sink.ts';
import type { RangeStrategy } from './source.ts';

/** Which values a plan looks at: some pages spread over the keys, all of them, or none. */
export type ValueChoice = 'sample' | 'all' | 'none';

/** Options of `plan()`. */
export interface PlanOptions extends CallContext {
  /**
   * Counts the source's rows instead of estimating them, and all checkpoints, however long it takes. Default false.
   */
  readonly exactCount?: boolean | undefined;
  /**
   * Which values are tried for a form in the sink. `sample`: some pages spread over the keys, for a few seconds at
   * most. `all`: every row, which reads the whole table and makes rows and bytes exact; `plan:progress` tells how far
   * it is. `none`: no value. Default `sample`.
   */
  readonly values?: ValueChoice | undefined;
}

/** What a run would do. */
export interface PlanPreview {
  readonly migration: string;
  readonly source: string;
  readonly sink: string;
  readonly delivery: Delivery;
  /** `upsert`: a row that is in the sink already is overwritten. `insert`: rows are only added. */
  readonly mode: 'upsert' | 'insert';
  /** What should be known before copying, errors first. With one of severity `error` a run is refused, or fails. */
  readonly findings: readonly Finding[];
  readonly columns: readonly ColumnDescriptor[];
  readonly key: readonly ColumnDescriptor[];
  /** How the keys are cut into checkpoints, and why so; null where the source has one way only. */
  readonly strategy: RangeStrategy | null;
  readonly checkpointSize: number;
  readonly totalRows: number;
  /** False: `totalRows` is an estimate. */
  readonly totalRowsExact: boolean;
  /** Bytes of text of all rows, in UTF-8. */
  readonly totalBytes: number;
  /** False: `totalBytes` is an estimate. */
  readonly totalBytesExact: boolean;
  /** The values that were tried for a form in the sink. */
  readonly values: { readonly choice: ValueChoice; readonly rows: number };
  /** Checkpoints that the plan will have: those that are stored, and the new ones. */
  readonly checkpoints: number;
  /** Checkpoints that a run would add to the plan. */
  readonly newCheckpoints: number;
  /** False: the end was not reached in time, and the new checkpoints are an estimate. */
  readonly newCheckpointsExact: boolean;
  /** The ends of the new checkpoints; null where there are none, or where they are an estimate. */
  readonly newRange: KeyRange | null;
  /** What a run would take to copy what is not copied yet. `storedBytes` are those of all rows. */
  readonly estimate: SinkEstimate;
  /** The statements that a run would make the sink's table with; none where it is there already. */
  readonly statements: readonly string[];
  /** What earlier runs have done. */
  readonly progress: Progress;
}
