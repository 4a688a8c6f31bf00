import type { Checkpoint } from '../contract/index.ts';
import { equal, ok } from './check.ts';
import { advanceOf, changesNothing, claimOne, leaseOf, longLeaseMs, planOf } from './plans.ts';
import type { CheckpointStoreFixture, StoreTest } from './store-fixture.ts';
import { refused } from './store-suite-claims.ts';

const m = 'claims';

/** Short enough to wait for, long enough to be held through a few calls. */
const shortLeaseMs = 300;

/** The part of the suite that is about leases: how long they hold, and who gets what they held. */
export function storeLeaseTests(check: StoreTest): void {
  check('a lease that ends is taken over, and its former owner writes nothing more', async (fixture) => {
    const { store } = fixture;
    await planOf(store, m, 1);
    const dead = await claimOne(store, m, 'dead', shortLeaseMs);
    await store.advance(advanceOf(m, dead, ['4'], { leaseMs: shortLeaseMs }));
    const taken = await takeOver(fixture);
    equal(
      [taken.id, taken.cursor, taken.recordsProcessed],
      [dead.id, ['4'], 3],
      'the checkpoint that was taken over',
    );
    ok(taken.fenceToken !== dead.fenceToken, 'the fence token is the same after a takeover');
    await changesNothing(store, m, () => refused(store, { ...dead, cursor: ['4'] }), 'the former owner');
    const next = advanceOf(m, taken, ['8']);
    equal(await store.advance(next), 'committed', 'advance() of the new owner');
  });

  check('renewing a lease keeps others away', async (fixture) => {
    const { store } = fixture;
    await planOf(store, m, 1);
    const checkpoint = await claimOne(store, m, 'owner', shortLeaseMs);
    equal(await store.renew(leaseOf(m, checkpoint), longLeaseMs), true, 'renew()');
    await pass(fixture, shortLeaseMs * 2);
    const other = await store.claim(m, { owner: 'other', leaseMs: longLeaseMs });
    equal(other.kind, 'busy', 'claim() of another owner under a renewed lease');
    equal(
      (await store.read(m, checkpoint.id))?.fenceToken,
      checkpoint.fenceToken,
      'the fence token after renew()',
    );
  });

  check('an advance renews the lease', async (fixture) => {
    const { store } = fixture;
    await planOf(store, m, 1);
    const checkpoint = await claimOne(store, m, 'owner', shortLeaseMs);
    await store.advance(advanceOf(m, checkpoint, ['4'], { leaseMs: longLeaseMs }));
    await pass(fixture, shortLeaseMs * 2);
    const other = await store.claim(m, { owner: 'other', leaseMs: longLeaseMs });
    equal(other.kind, 'busy', 'claim() of another owner after an advance');
  });

  check('of claims that find an ended lease at the same time exactly one gets it', async (fixture) => {
    const { store } = fixture;
    await planOf(store, m, 1);
    await claimOne(store, m, 'dead', shortLeaseMs);
    await pass(fixture, shortLeaseMs * 4);
    const claims = await Promise.all(
      ['a', 'b', 'c', 'd'].map((owner) => store.claim(m, { owner, leaseMs: longLeaseMs })),
    );
    const kinds = claims.map(({ kind }) => kind).toSorted();
    equal(kinds, ['busy', 'busy', 'busy', 'claimed'], 'four claims of one ended lease');
  });
}

/** Claims until the lease of the one checkpoint has ended; a store's clock may be coarse. */
async function takeOver(fixture: CheckpointStoreFixture): Promise<Checkpoint> {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const claim = await fixture.store.claim(m, { owner: 'heir', leaseMs: longLeaseMs });
    if (claim.kind === 'claimed') return claim.checkpoint;
    equal(claim.kind, 'busy', 'claim() while the lease of another runs');
    await pass(fixture, shortLeaseMs / 2);
  }
  throw new Error(`a lease of ${shortLeaseMs} ms did not end`);
}

async function pass(fixture: CheckpointStoreFixture, milliseconds: number): Promise<void> {
  if (fixture.passTime) return await fixture.passTime(milliseconds);
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
