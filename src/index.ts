/**
 * Moves large tables so that the move can be killed at any instant and goes on where it stopped: nothing lost,
 * nothing twice.
 *
 * @module
 */
export { ResumableMigrator } from './migrator.ts';
export {
  type GroupPlan,
  type GroupProgress,
  type GroupRepair,
  type GroupRunOptions,
  type GroupVerification,
  type GroupVerifyOptions,
  MigrationGroup,
  type MigrationGroupOptions,
  type TablePlan,
} from './group.ts';
export type {
  Budget,
  ColumnsFit,
  CountDifference,
  CountVerification,
  FullVerification,
  GroupOrder,
  RejectPolicy,
  RepairResult,
  ResumableMigratorOptions,
  RetryPolicy,
  RowFinding,
  RunOptions,
  TuningOptions,
  VerifyOptions,
  VerifyResult,
} from './engine/index.ts';
export { renderPlan } from './render.ts';
export {
  errorCodes,
  type ErrorPlace,
  type GroupResult,
  isMigratorError,
  MigratorError,
  type MigratorErrorCode,
  type MigratorErrorFacts,
  type TableResult,
} from './errors.ts';
export type * from './contract/index.ts';
