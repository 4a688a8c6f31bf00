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
export type { GroupMember } from './group/group.ts';
export type { GroupParts, GroupTable } from './group/group-calls.ts';
export { type GroupOrder, resolveGroupOptions } from './group/group-options.ts';
export type {
  GroupPlan,
  GroupProgress,
  GroupRepair,
  GroupVerification,
  GroupVerifyOptions,
  TablePlan,
} from './group/group-results.ts';
export { listCheckpoints, type Lister, listRejects } from './listing.ts';
export type { RejectPolicy, RowOptions } from './rows/transform-options.ts';
export { emptyProgress, readProgress } from './progress.ts';
export { retryEvent, type RetryPolicy, withRetries } from './retry.ts';
export { runMigration, type RunOptions } from './run.ts';
export type { FullVerification, RowFinding } from './verifying/findings.ts';
export type { CountDifference, CountVerification } from './verifying/verify.ts';
export type { RepairResult, VerifyOptions, VerifyResult } from './verifying/repair.ts';
