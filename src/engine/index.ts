/**
 * The engine: plans, claims, copies, paces, retries, verifies. It knows no driver and no SQL, and runs wherever
 * JavaScript does.
 *
 * @module
 */
export {
  type Budget,
  checkBudget,
  type EngineOptions,
  resolveOptions,
  type TuningOptions,
} from './options.ts';
export { prepare, previewRanges } from './plan.ts';
export { emptyProgress, readProgress } from './progress.ts';
export { type RetryPolicy, withRetries } from './retry.ts';
export { runMigration, type RunOptions } from './run.ts';
export { type CountDifference, reopenDifferences, verifyCounts, type VerifyResult } from './verify.ts';
