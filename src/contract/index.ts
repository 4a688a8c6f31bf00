/**
 * The contract between the engine and its adapters: types only, nothing runs here.
 *
 * The words, as every file of this project uses them:
 *
 * - **migration**: one source table (or view, or filtered part of one) copied to one sink table. Its name is the
 *   value of `table_name` in the checkpoint table.
 * - **plan**: the ordered checkpoints that cover the key space.
 * - **checkpoint**: a key range; the unit that is claimed, tracked and retried.
 * - **key**: the ordered unique columns that page through the source.
 * - **cursor**: the last key durably written inside a checkpoint.
 * - **page**: the rows that one source query returns.
 * - **batch**: the rows that one sink call writes.
 * - **lease**: a worker's right to a checkpoint, for a time.
 * - **fence token**: the number that makes a stale worker's write do nothing.
 * - **run**: one call of `run()`.
 *
 * @module
 */
export type {
  ByteRows,
  CallContext,
  ColumnDescriptor,
  Key,
  KeyBound,
  KeyRange,
  LogicalType,
  TextRow,
} from './rows.ts';
export type { Page, PageRequest, RangeRequest, RangeStrategy, Source, SourceDescription } from './source.ts';
export type { Finding, Severity } from './findings.ts';
export type { RejectedRow, RejectFilter, RejectStore, StoredReject } from './rejects.ts';
export type {
  DecodedRow,
  DecodedValue,
  OnlyColumns,
  OptionalColumn,
  ResultColumn,
  ResultRow,
  ResultValue,
  RowSchema,
  RowSchemaIssue,
  RowSchemaResult,
  RowTransform,
} from './transform.ts';
export type {
  CheckSchema,
  ColumnSchema,
  Expression,
  ForeignKeyAction,
  ForeignKeySchema,
  FunctionName,
  IndexPart,
  IndexSchema,
  Operator,
  OtherSchema,
  SchemaExpression,
  TableSchema,
} from './schema.ts';
export type {
  BatchEncoder,
  CommitOutcome,
  Comparison,
  Delivery,
  EncodedBatch,
  RowShape,
  Sink,
  SinkEstimate,
  SinkPrice,
  SinkTarget,
  SinkVerifier,
  Workload,
} from './sink.ts';
export type {
  Advance,
  AppendRequest,
  Checkpoint,
  CheckpointFilter,
  CheckpointStatus,
  CheckpointStore,
  ClaimOutcome,
  ClaimRequest,
  Fingerprint,
  Lease,
  PlanSettings,
  ReleaseOutcome,
  StoreSummary,
  StoredPlan,
} from './checkpoint-store.ts';
export type {
  BatchEvent,
  BatchEnd,
  BatchLimitEvent,
  BatchLimitReason,
  CheckpointEvent,
  CheckpointFailedEvent,
  ListenerErrorEvent,
  MigrationEvents,
  MigrationEventSource,
  PlanEvent,
  PlanProgressEvent,
  ProgressEvent,
  RetryEvent,
  RowRejectedEvent,
  RunStartEvent,
  VerifyProgressEvent,
  WaitEvent,
} from './events.ts';
export type { PlanOptions, PlanPreview, ValueChoice } from './plan.ts';
export type { CheckpointFailure, PauseReason, Progress, RunResult } from './results.ts';
