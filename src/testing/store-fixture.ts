import type { CheckpointStore } from '../contract/index.ts';
import type { Disposer } from './suite.ts';

/** A store to check, empty, and what the suite needs besides its methods. */
export interface CheckpointStoreFixture extends Disposer {
  readonly store: CheckpointStore;
  /** Lets the store's clock pass. Without it the suite takes leases of a fraction of a second, and waits. */
  passTime?(milliseconds: number): Promise<void>;
  /**
   * Takes the settings away from a stored plan, so that it looks as the checkpoints of an older program do. Without
   * it, the suite checks only that `adopt()` leaves settings alone.
   */
  forgetSettings?(migration: string): Promise<void>;
}

/** Registers a test that is given a fixture of its own. */
export type StoreTest = (name: string, run: (fixture: CheckpointStoreFixture) => Promise<void>) => void;
