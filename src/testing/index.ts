/**
 * For authors of adapters: suites that check an adapter against the contract, with any test runner, and a crash
 * injector.
 *
 * @module
 */
export { CrashPoints } from './crash-points.ts';
export {
  CrashError,
  type EffectName,
  type EffectPoint,
  FaultInjector,
  type Freeze,
  lostAnswer,
  type Moment,
} from './faults.ts';
export { sinkSuite } from './sink-suite.ts';
export { type SinkFixture, sinkSuiteShape, type SinkSuiteOptions } from './sink-fixture.ts';
export { type SourceFixture, sourceSuite, type SourceSuiteOptions } from './source-suite.ts';
export { checkpointStoreSuite, type CheckpointStoreSuiteOptions } from './store-suite.ts';
export type { CheckpointStoreFixture } from './store-fixture.ts';
export type { Disposer, TestFunction } from './suite.ts';
