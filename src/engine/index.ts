/**
 * The engine: plans, claims, copies, paces, retries, verifies. It knows no driver and no SQL, and runs wherever
 * JavaScript does.
 *
 * @module
 */
export type { ColumnsFit, ResumableMigratorOptions } from './migrator-options.ts';
export {
  type Budget,
  checkBudget,
  type EngineOptions,
  resolveOptions,
  type TuningOptions,
} from './options.ts';
export {
  arrange,
  askEach,
  asMigratorError,
  checkGroupOptions,
  type GroupMember,
  type GroupOrder,
  pausedGroup,
  runGroup,
} from './group/group.ts';
export {
  type GroupPlan,
  type GroupProgress,
  type GroupRepair,
  type GroupVerification,
  type GroupVerifyOptions,
  planTotals,
  progressOf,
  type TablePlan,
} from './group/group-results.ts';
export { describeMember, provisionalName, refuseTwins } from './group/group-members.ts';
export type { RejectPolicy, RowOptions } from './rows/transform-options.ts';
export { emptyProgress, readProgress } from './progress.ts';
export { type RetryPolicy, withRetries } from './retry.ts';
export { runMigration, type RunOptions } from './run.ts';
export type { FullVerification, RowFinding } from './verifying/findings.ts';
export type { CountDifference, CountVerification } from './verifying/verify.ts';
export type { RepairResult, VerifyOptions, VerifyResult } from './verifying/repair.ts';
