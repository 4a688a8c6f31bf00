/**
 * Moves large tables so that the move can be killed at any instant and goes on where it stopped: nothing lost,
 * nothing twice.
 *
 * @module
 */
export { ResumableMigrator } from './migrator.ts';
export { type GroupRunOptions, MigrationGroup, type MigrationGroupOptions } from './group.ts';
export type {
  Budget,
  ColumnsFit,
  CountDifference,
  CountVerification,
  FullVerification,
  GroupOrder,
  GroupPlan,
  GroupProgress,
  GroupRepair,
  GroupVerification,
  GroupVerifyOptions,
  RejectPolicy,
  RepairResult,
  ResumableMigratorOptions,
  RetryPolicy,
  RowFinding,
  RunOptions,
  TablePlan,
  TuningOptions,
  VerifyOptions,
  VerifyResult,
} from './engine/index.ts';
export {
  type ErrorPlace,
  type GroupResult,
  isMigratorError,
  MigratorError,
  type MigratorErrorCode,
  type MigratorErrorFacts,
  type TableResult,
} from './errors.ts';
export type * from './contract/index.ts';
