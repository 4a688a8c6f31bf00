/**
 * Moves large tables so that the move can be killed at any instant and goes on where it stopped: nothing lost,
 * nothing twice.
 *
 * @module
 */
export { type ColumnsFit, ResumableMigrator, type ResumableMigratorOptions } from './migrator.ts';
export {
  type GroupProgress,
  type GroupVerification,
  type GroupVerifyOptions,
  MigrationGroup,
  type MigrationGroupOptions,
} from './group.ts';
export type {
  Budget,
  CountDifference,
  CountVerification,
  FullVerification,
  GroupOrder,
  RepairResult,
  RetryPolicy,
  RowFinding,
  RunOptions,
  TuningOptions,
  VerifyOptions,
  VerifyResult,
} from './engine/index.ts';
export type { GroupPlan, TablePlan } from './group-plan.ts';
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
