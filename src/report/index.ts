/**
 * What a migrator tells, as text and as pages for people. Apart from the rest, so that a program that shows nothing does
 * not carry it.
 *
 * @module
 */
export { errorCodes } from '../error-codes.ts';
export type { StripCell } from './checkpoint-strip.ts';
export { renderReport, type ReportOptions } from './html/page.ts';
export { renderPlan } from './plan.ts';
export { renderStatus, type StatusOptions, type StatusStyle } from './status.ts';
export { renderSummary } from './summary.ts';
export type {
  MigrationRecord,
  RecordedDifference,
  RecordedError,
  RecordedFailure,
  RecordedLimit,
  RecordedRetry,
  RecordedRun,
  RecordedTotals,
  RecordedVerification,
} from './record.ts';
export { type RecordedMigrator, type RecordOptions, recordRun, type RunRecorder } from './recorder.ts';
export type { TimeSeries, TimeSlot } from './time-series.ts';
