import type { Checkpoint, ClaimOutcome } from '../contract/index.ts';
import { equal, ok, present } from './check.ts';
import { advanceOf, changesNothing, claimOne, leaseOf, longLeaseMs, planOf } from './plans.ts';
import type { CheckpointStoreFixture, StoreTest } from './store-fixture.ts';

const m = 'claims';

/** The part of the suite that is about who may write: claims and fence tokens. */
export function storeClaimTests(check: StoreTest): void {
  claimTests(check);
  fenceTests(check);
}

function claimTests(check: StoreTest): void {
  check('checkpoints are claimed in the order of the plan, and then others hold them', async ({ store }) => {
    await planOf(store, m, 3);
    const claimed: Checkpoint[] = [];
    for (let index = 0; index < 3; index += 1) claimed.push(await claimOne(store, m, `owner ${index}`));
    equal(
      claimed.map(({ seq }) => seq),
      [1, 2, 3],
      'the order of the claims',
    );
    for (const checkpoint of claimed) {
      equal(checkpoint.status, 'in_progress', 'the status of a claimed checkpoint');
      equal(await store.read(m, checkpoint.id), checkpoint, 'the stored checkpoint after its claim');
    }
    const busy = await store.claim(m, { owner: 'late', leaseMs: longLeaseMs });
    ok(busy.kind === 'busy', `claim() answered "${busy.kind}" while others hold everything`);
    ok(
      busy.waitMs > 0 && busy.waitMs <= longLeaseMs,
      `waitMs is ${busy.waitMs} under a lease of ${longLeaseMs} ms`,
    );
  });

  check(
    'a claim of several takes the first that are free, and no more than it asks for',
    async ({ store }) => {
      await planOf(store, m, 6);
      // The first is free for another reason than the rest.
      const failed = await claimOne(store, m, 'other');
      await store.release(leaseOf(m, failed), { status: 'failed', errorMessage: 'no' });
      const claim = async (most: number): Promise<readonly Checkpoint[]> => {
        const claimed = await store.claim(m, { owner: 'owner', leaseMs: longLeaseMs, most });
        return claimed.kind === 'claimed' ? [claimed.checkpoint, ...(claimed.more ?? [])] : [];
      };
      const seen = new Set<number>();
      let next = 1;
      for (const most of [1, 3, 5]) {
        const claimed = await claim(most);
        // A store may take fewer, but not none.
        ok(
          claimed.length > 0 && claimed.length <= most,
          `${claimed.length} were claimed of ${most} at the most`,
        );
        for (const checkpoint of claimed) {
          equal(checkpoint.seq, next, 'the order of what was claimed');
          equal(await store.read(m, checkpoint.id), checkpoint, 'the stored checkpoint after its claim');
          equal(checkpoint.status, 'in_progress', 'the status of a claimed checkpoint');
          ok(!seen.has(checkpoint.id), `checkpoint ${checkpoint.seq} was claimed twice`);
          seen.add(checkpoint.id);
          next += 1;
        }
      }
      const stored = await store.list(m, { status: 'in_progress' });
      equal(
        stored.map(({ seq }) => seq),
        Array.from({ length: next - 1 }, (_, index) => index + 1),
        'what is in progress: nothing that no claim told of',
      );
    },
  );

  check('claims at the same time never give one checkpoint to two owners', async ({ store }) => {
    await planOf(store, m, 5);
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        store.claim(m, { owner: `owner ${index}`, leaseMs: longLeaseMs }),
      ),
    );
    const ids = claims.flatMap((claim) => (claim.kind === 'claimed' ? [claim.checkpoint.id] : []));
    equal(ids.length, 5, 'claims that were granted for five checkpoints');
    equal(new Set(ids).size, 5, 'checkpoints that were claimed');
    equal(claims.filter(({ kind }) => kind === 'busy').length, 3, 'claims that found the others busy');
  });

  check(
    'where everything is completed, or nothing is planned, nothing is left to claim',
    async ({ store }) => {
      const claim = async (): Promise<ClaimOutcome> =>
        await store.claim(m, { owner: 'owner', leaseMs: longLeaseMs });
      equal(await claim(), { kind: 'none' }, 'claim() without a plan');
      await planOf(store, m, 1);
      await store.release(leaseOf(m, await claimOne(store, m)), { status: 'completed' });
      equal(await claim(), { kind: 'none' }, 'claim() of a completed plan');
    },
  );

  check('what an owner failed at is claimed by another owner, not by the same', async ({ store }) => {
    await planOf(store, m, 1);
    const checkpoint = await claimOne(store, m, 'first');
    await store.advance(advanceOf(m, checkpoint, ['4']));
    const released = await store.release(leaseOf(m, checkpoint), { status: 'failed', errorMessage: 'no' });
    equal(released, true, 'release() as failed');
    equal((await store.read(m, checkpoint.id))?.status, 'failed', 'the status');
    const again = await store.claim(m, { owner: 'first', leaseMs: longLeaseMs });
    equal(again, { kind: 'none' }, 'claim() by the owner that failed');
    const other = await claimOne(store, m, 'second');
    equal(
      [other.id, other.cursor, other.recordsProcessed],
      [checkpoint.id, ['4'], 3],
      'the claim of another owner',
    );
  });

  check('what was given back as pending is claimed again, and goes on from its cursor', async ({ store }) => {
    await planOf(store, m, 2);
    const checkpoint = await claimOne(store, m);
    await store.advance(advanceOf(m, checkpoint, ['4'], { rows: 4 }));
    equal(await store.release(leaseOf(m, checkpoint), { status: 'pending' }), true, 'release() as pending');
    equal((await store.read(m, checkpoint.id))?.status, 'pending', 'the status');
    const again = await claimOne(store, m);
    equal([again.seq, again.cursor, again.recordsProcessed], [1, ['4'], 4], 'the second claim');
  });

  check('reopened checkpoints start again, and a worker on one of them has lost it', async ({ store }) => {
    await planOf(store, m, 3);
    const [one, two, three] = [await claimOne(store, m), await claimOne(store, m), await claimOne(store, m)];
    await store.advance(advanceOf(m, one, ['10'], { complete: true }));
    await store.advance(advanceOf(m, two, ['15']));
    await store.release(leaseOf(m, three), { status: 'failed', errorMessage: 'no' });
    const untouched = await store.read(m, three.id);
    await store.reopen(m, [one.id, two.id]);
    for (const { id } of [one, two]) {
      const stored = present(await store.read(m, id), 'the checkpoint is gone');
      const { status, cursor, recordsProcessed, recordsWritten, recordsRejected } = stored;
      equal([status, cursor], ['pending', null], 'a reopened checkpoint');
      equal([recordsProcessed, recordsWritten, recordsRejected], [0, 0, 0], 'its counts');
    }
    equal(await store.read(m, three.id), untouched, 'a checkpoint that was not named');
    const late = advanceOf(m, two, ['18'], { from: ['15'] });
    equal(await store.advance(late), 'stale', 'advance() of a worker whose checkpoint was reopened');
    equal((await claimOne(store, m)).id, one.id, 'the next claim');
    await claimOne(store, m);
    const unmoved = advanceOf(m, two, ['18']);
    equal(await store.advance(unmoved), 'stale', 'advance() from the start, with the lease of before');
  });
}

function fenceTests(check: StoreTest): void {
  check('the fence token is another one after each claim', async ({ store }) => {
    await planOf(store, m, 1);
    const tokens = new Set<number>();
    for (let index = 0; index < 4; index += 1) {
      const checkpoint = await claimOne(store, m, `owner ${index}`);
      tokens.add(checkpoint.fenceToken);
      await store.release(leaseOf(m, checkpoint), { status: 'pending' });
    }
    equal(tokens.size, 4, 'different tokens of four claims');
  });

  check('an advance moves the cursor and counts; its replay writes nothing', async ({ store }) => {
    await planOf(store, m, 1);
    const checkpoint = await claimOne(store, m);
    const first = advanceOf(m, checkpoint, ['4'], { rows: 4, written: 6, rejected: 1 });
    equal(await store.advance(first), 'committed', 'the first advance()');
    const counts = { recordsProcessed: 4, recordsWritten: 6, recordsRejected: 1 };
    const moved = { ...checkpoint, cursor: ['4'], ...counts };
    equal(await store.read(m, checkpoint.id), moved, 'the checkpoint after an advance');
    await changesNothing(
      store,
      m,
      async () => equal(await store.advance(first), 'stale', 'the same advance() again'),
      'a replay',
    );
    const second = advanceOf(m, moved, ['9'], { rows: 5 });
    equal(await store.advance(second), 'committed', 'the second advance()');
    const after = { ...moved, cursor: ['9'], recordsProcessed: 9, recordsWritten: 11 };
    equal(await store.read(m, checkpoint.id), after, 'the checkpoint after two advances');
  });

  check('of one advance that is sent several times at once exactly one writes', async ({ store }) => {
    await planOf(store, m, 1);
    const advance = advanceOf(m, await claimOne(store, m), ['4'], { rows: 4 });
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => store.advance(advance)));
    equal(outcomes.filter((outcome) => outcome === 'committed').length, 1, 'advances that wrote');
    equal((await store.read(m, advance.lease.id))?.recordsProcessed, 4, 'rows that were counted');
  });

  check('a wrong token, a wrong cursor and an unknown checkpoint write nothing', async ({ store }) => {
    await planOf(store, m, 2);
    const first = await claimOne(store, m);
    await store.advance(advanceOf(m, first, ['4']));
    const checkpoint = { ...first, cursor: ['4'] };
    const waiting = present(
      (await store.list(m, { status: 'pending' }))[0],
      'the second checkpoint is pending',
    );
    const strangers = [
      { ...checkpoint, fenceToken: checkpoint.fenceToken + 1 },
      { ...checkpoint, fenceToken: checkpoint.fenceToken - 1 },
      { ...checkpoint, id: 987_654 },
      waiting,
    ];
    const call = async (): Promise<void> => {
      for (const stranger of strangers) {
        const lease = leaseOf(m, stranger);
        equal(await store.advance(advanceOf(m, stranger, ['8'])), 'stale', 'advance() with a wrong lease');
        equal(await store.renew(lease, longLeaseMs), false, 'renew() with a wrong lease');
        for (const status of ['pending', 'completed'] as const) {
          equal(await store.release(lease, { status }), false, `release() as ${status} with a wrong lease`);
        }
        const failed = { status: 'failed', errorMessage: 'no' } as const;
        equal(await store.release(lease, failed), false, 'release() as failed with a wrong lease');
      }
      for (const from of [null, ['3'], ['40']]) {
        const advance = advanceOf(m, checkpoint, ['8'], { from });
        equal(
          await store.advance(advance),
          'stale',
          `advance() from ${JSON.stringify(from)} instead of ["4"]`,
        );
      }
    };
    await changesNothing(store, m, call, 'a call without the right to it');
    equal(
      await store.advance(advanceOf(m, checkpoint, ['8'])),
      'committed',
      'advance() with the right lease',
    );
  });

  check('an advance can complete the checkpoint, and after that nothing moves it', async ({ store }) => {
    await planOf(store, m, 1);
    const checkpoint = await claimOne(store, m);
    const last = advanceOf(m, checkpoint, ['7'], { rows: 7, complete: true });
    equal(await store.advance(last), 'committed', 'advance() with complete');
    const counts = { recordsProcessed: 7, recordsWritten: 7 };
    const completed = { ...checkpoint, status: 'completed', cursor: ['7'], ...counts };
    equal(await store.read(m, checkpoint.id), completed, 'the completed checkpoint');
    await changesNothing(
      store,
      m,
      () => refused(store, { ...checkpoint, cursor: ['7'] }),
      'a call after the end',
    );
  });

  check('a checkpoint that was given back cannot be written by its former owner', async ({ store }) => {
    await planOf(store, m, 1);
    for (const outcome of [
      { status: 'pending' },
      { status: 'failed', errorMessage: 'no' },
      { status: 'completed' },
    ] as const) {
      const checkpoint = await claimOne(store, m, outcome.status);
      equal(await store.release(leaseOf(m, checkpoint), outcome), true, `release() as ${outcome.status}`);
      await changesNothing(
        store,
        m,
        () => refused(store, checkpoint),
        `a call after the release as ${outcome.status}`,
      );
    }
  });
}

/** Every write of a worker that has no right to the checkpoint any more is refused. */
export async function refused(store: CheckpointStoreFixture['store'], checkpoint: Checkpoint): Promise<void> {
  const lease = leaseOf(m, checkpoint);
  equal(await store.advance(advanceOf(m, checkpoint, ['8'])), 'stale', 'advance()');
  equal(await store.renew(lease, longLeaseMs), false, 'renew()');
  equal(await store.release(lease, { status: 'pending' }), false, 'release() as pending');
  equal(await store.release(lease, { status: 'completed' }), false, 'release() as completed');
  equal(await store.release(lease, { status: 'failed', errorMessage: 'late' }), false, 'release() as failed');
}
