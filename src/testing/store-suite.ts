import { equal, ok, present } from './check.ts';
import {
  advanceOf,
  changesNothing,
  claimOne,
  equalRange,
  integerSettings,
  leaseOf,
  longLeaseMs,
  planOf,
  rangesUpTo,
  storedOf,
} from './plans.ts';
import { storeClaimTests } from './store-suite-claims.ts';
import { storeLeaseTests } from './store-suite-leases.ts';
import { storeContentTests } from './store-suite-content.ts';
import type { CheckpointStoreFixture, StoreTest } from './store-fixture.ts';
import { type TestFunction, withFixture } from './suite.ts';

/** The options of {@link checkpointStoreSuite}. */
export interface CheckpointStoreSuiteOptions {
  readonly test: TestFunction;
  /** Makes a store in which nothing is stored, and on which `prepare()` was not called yet. Called for each test. */
  create(): Promise<CheckpointStoreFixture>;
}

const m = 'public.orders "2024"';

/**
 * Checks a `CheckpointStore` against the contract: guarded plans, claims that are never shared, fence tokens,
 * leases, and texts that come back as they went in.
 *
 * @example
 * ```ts
 * import { describe, test } from 'vitest';
 *
 * describe('MyStore', () => {
 *   checkpointStoreSuite({ test, create: async () => ({ store: new MyStore(await newDatabase()) }) });
 * });
 * ```
 */
export function checkpointStoreSuite({ test, create }: CheckpointStoreSuiteOptions): void {
  const prepared = async (): Promise<CheckpointStoreFixture> => {
    const fixture = await create();
    await fixture.store.prepare();
    return fixture;
  };
  const check = withFixture(test, prepared);
  planTests(check, withFixture(test, create));
  storeClaimTests(check);
  storeLeaseTests(check);
  storeContentTests(check);
  migrationTests(check);
}

function planTests(check: StoreTest, checkUnprepared: StoreTest): void {
  checkUnprepared('reading the plan of a store that was never prepared answers null', async ({ store }) => {
    equal(await store.readPlan(m), null, 'readPlan() before prepare()');
    await store.prepare();
    await store.prepare();
    equal(await store.readPlan(m), null, 'readPlan() of a store without checkpoints');
    equal(await store.list(m), [], 'list() of a store without checkpoints');
  });

  check('an appended plan comes back with its settings, its length and its end', async ({ store }) => {
    const ranges = await planOf(store, m, 3);
    const plan = { settings: integerSettings, checkpoints: 3, lastSeq: 3, end: ['30'] };
    equal(await store.readPlan(m), plan, 'readPlan() after append()');
    const listed = await store.list(m);
    equal(
      listed.map(({ seq }) => seq),
      [1, 2, 3],
      'the order of the checkpoints',
    );
    for (const [index, range] of ranges.entries()) {
      const {
        range: stored,
        status,
        cursor,
        recordsProcessed,
        errorMessage,
      } = present(listed[index], 'no checkpoint');
      equalRange(stored, range, true, `the range of checkpoint ${index + 1}`);
      const fresh = { status: 'pending', cursor: null, recordsProcessed: 0, errorMessage: null };
      equal(
        { status, cursor, recordsProcessed, errorMessage },
        fresh,
        `checkpoint ${index + 1} of a new plan`,
      );
    }
  });

  check('a plan grows at its end, and numbers go on without a gap', async ({ store }) => {
    await planOf(store, m, 2);
    const later = rangesUpTo(['20'], ['30'], ['40']).slice(1);
    ok(
      await store.append(m, { settings: integerSettings, afterSeq: 2, ranges: later }),
      'append() answered false',
    );
    equal(
      (await store.list(m)).map(({ seq }) => seq),
      [1, 2, 3, 4],
      'the numbers of the longer plan',
    );
    const plan = { settings: integerSettings, checkpoints: 4, lastSeq: 4, end: ['40'] };
    equal(await store.readPlan(m), plan, 'readPlan() of the longer plan');
  });

  check('a planner that knows an older end writes nothing', async ({ store }) => {
    await planOf(store, m, 2);
    const request = {
      settings: { ...integerSettings, checkpointSize: 99 },
      ranges: rangesUpTo(['7'], ['8'], ['9']),
    };
    await changesNothing(
      store,
      m,
      async () => {
        for (const afterSeq of [0, 1, 3]) {
          equal(
            await store.append(m, { ...request, afterSeq }),
            false,
            `append() after ${afterSeq} to a plan of 2`,
          );
        }
      },
      'a refused append()',
    );
  });

  check('of planners that append at the same time exactly one writes', async ({ store }) => {
    const append = (size: number): Promise<boolean> =>
      store.append(m, {
        settings: { ...integerSettings, checkpointSize: size },
        afterSeq: 0,
        ranges: rangesUpTo(...Array.from({ length: size }, (_, index) => [String(index)])),
      });
    const written = await Promise.all([2, 3, 4, 5].map(append));
    equal(written.filter(Boolean).length, 1, 'the number of planners that wrote');
    const size = written.indexOf(true) + 2;
    const plan = present(await store.readPlan(m), 'there is no plan');
    const found = [plan.checkpoints, plan.lastSeq, plan.settings?.checkpointSize];
    equal(found, [size, size, size], "the plan is the winner's alone");
  });

  check(
    'a portion of 1,200 ranges is written whole, and a list holds 1,000 unless asked otherwise',
    async ({ store }) => {
      await planOf(store, m, 1_200);
      equal((await store.readPlan(m))?.checkpoints, 1_200, 'checkpoints in the plan');
      equal((await store.list(m)).length, 1_000, 'checkpoints in a list without a limit');
      equal((await store.list(m, { afterSeq: 1_000 })).length, 200, 'checkpoints after the first 1,000');
    },
  );

  check('settings are given to a plan that has none, and to no other', async ({ store, forgetSettings }) => {
    const other = { ...integerSettings, checkpointSize: 99 };
    equal(await store.adopt(m, other), false, 'adopt() where there is no plan');
    equal(await store.readPlan(m), null, 'readPlan() after adopt() without a plan');
    await planOf(store, m, 2);
    equal(await store.adopt(m, other), false, 'adopt() of a plan with settings');
    equal((await store.readPlan(m))?.settings, integerSettings, 'the settings after a refused adopt()');
    if (!forgetSettings) return;
    await forgetSettings(m);
    equal((await store.readPlan(m))?.settings, null, 'the settings of a plan without any');
    equal(await store.adopt(m, other), true, 'adopt() of a plan without settings');
    equal((await store.readPlan(m))?.settings, other, 'the adopted settings');
    equal(await store.adopt(m, integerSettings), false, 'adopt() a second time');
    equal((await store.readPlan(m))?.settings, other, 'the settings after a second adopt()');
  });
}

function migrationTests(check: StoreTest): void {
  check('two migrations in one store do not see each other', async ({ store }) => {
    const other = "other's";
    await planOf(store, m, 2);
    const ofM = await store.list(m);
    await planOf(store, other, 3);
    const ofOther = await store.list(other);
    equal(
      new Set([...ofM, ...ofOther].map(({ id }) => id)).size,
      5,
      'ids that are unique over all migrations',
    );
    equal((await store.readPlan(m))?.checkpoints, 2, 'checkpoints of the one');
    equal(
      await store.read(m, present(ofOther[0], 'no checkpoint').id),
      null,
      "read() of another migration's checkpoint",
    );
    const before = await storedOf(store, m);
    for (let index = 0; index < 3; index += 1) await claimOne(store, other);
    equal(
      await store.claim(other, { owner: 'x', leaseMs: longLeaseMs }).then(({ kind }) => kind),
      'busy',
      'the other',
    );
    equal(await storedOf(store, m), before, 'the one, after claims of the other');
    equal((await store.summarize(m)).pending, 2, 'pending checkpoints of the one');
  });

  check('clearing forgets this migration and no other', async ({ store }) => {
    await planOf(store, m, 2);
    await planOf(store, 'other', 2);
    const held = await claimOne(store, m);
    const before = await storedOf(store, 'other');
    await store.clear(m);
    equal(await store.readPlan(m), null, 'readPlan() after clear()');
    equal(await store.list(m), [], 'list() after clear()');
    equal(await storedOf(store, 'other'), before, 'the other migration');
    await planOf(store, m, 2);
    const fresh = await storedOf(store, m);
    equal(
      await store.advance(advanceOf(m, held, ['5'])),
      'stale',
      'advance() with a lease on the former plan',
    );
    equal(await store.renew(leaseOf(m, held), longLeaseMs), false, 'renew() with a lease on the former plan');
    equal(await storedOf(store, m), fresh, 'the new plan');
  });
}
