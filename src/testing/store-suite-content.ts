import type { CheckpointStore } from '../contract/index.ts';
import { equal, present, rejects } from './check.ts';
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
  textSettings,
} from './plans.ts';
import type { StoreTest } from './store-fixture.ts';
import { abortedSignal } from './suite.ts';

const m = 'content';

/** The part of the suite that is about what is stored: keys, texts, counts and lists. */
export function storeContentTests(check: StoreTest): void {
  check(
    'integer keys beyond 2^53, negative ones and the ends of int64 come back exactly',
    async ({ store }) => {
      const ends = ['-9007199254740993', '-1', '0', '9007199254740993', '9223372036854775807'].map((key) => [
        key,
      ]);
      const ranges = rangesUpTo(...ends);
      await store.append(m, { settings: integerSettings, afterSeq: 0, ranges });
      const listed = await store.list(m);
      for (const [index, range] of ranges.entries()) {
        const checkpoint = await claimOne(store, m);
        equalRange(present(listed[index], 'no checkpoint').range, range, true, 'a listed range');
        equalRange(checkpoint.range, range, true, 'a claimed range');
        equal(
          await store.advance(advanceOf(m, checkpoint, range.upper)),
          'committed',
          'advance() to the end',
        );
        equal((await store.read(m, checkpoint.id))?.cursor, range.upper, 'the cursor');
        const replay = await store.advance(advanceOf(m, checkpoint, range.upper));
        equal(replay, 'stale', 'advance() from where the checkpoint does not stand any more');
      }
      equal((await store.readPlan(m))?.end, ['9223372036854775807'], 'the end of the plan');
    },
  );

  check('text keys and composite keys come back exactly', async ({ store }) => {
    const keys = [
      [''],
      [' leading and trailing '],
      ['["123"]'],
      ['{"a":null}'],
      ['null'],
      ['it\'s "quoted" -- ; \\ %_'],
      ['two\nlines\ttab\r'],
      ['Zürich 東京 🚀 e\u0301'],
      ['007'],
      ['x'.repeat(3_000)],
    ];
    const composite = keys.map((key, index) => [String(index - 5), ...key, '9007199254740993']);
    for (const [migration, ends] of [
      ['text', keys],
      ['composite', composite],
    ] as const) {
      const ranges = rangesUpTo(...ends);
      await store.append(migration, { settings: textSettings, afterSeq: 0, ranges });
      const listed = await store.list(migration);
      equal(
        listed.map(({ range }) => range),
        ranges,
        `the ranges of ${migration} keys`,
      );
      for (const range of ranges) {
        const checkpoint = await claimOne(store, migration);
        equal(checkpoint.range, range, 'a claimed range');
        const moved = await store.advance(advanceOf(migration, checkpoint, range.upper));
        equal(moved, 'committed', `advance() to ${JSON.stringify(range.upper).slice(0, 80)}`);
        const stored = present(await store.read(migration, checkpoint.id), 'the checkpoint is gone');
        equal(stored.cursor, range.upper, 'the cursor');
        const next = advanceOf(migration, stored, range.upper, { complete: true });
        equal(
          await store.advance(next),
          'committed',
          `advance() from ${JSON.stringify(stored.cursor).slice(0, 80)}`,
        );
      }
      equal((await store.readPlan(migration))?.end, ends.at(-1), 'the end of the plan');
    }
  });

  check('an error message with quotes, newlines and other scripts is stored as it is', async ({ store }) => {
    await planOf(store, m, 1);
    const errorMessage = `SINK_FAILED: it's "bad";\n\tDROP TABLE x; -- %s $1 ?1 \\ Ünïcödé 東京 🚀 ${'long '.repeat(200)}`;
    const checkpoint = await claimOne(store, m);
    const released = await store.release(leaseOf(m, checkpoint), { status: 'failed', errorMessage });
    equal(released, true, 'release() as failed');
    equal((await store.read(m, checkpoint.id))?.errorMessage, errorMessage, 'the stored message');
    equal((await store.list(m, { status: 'failed' }))[0]?.errorMessage, errorMessage, 'the listed message');
  });

  check('a summary counts every status and names the last completed and the next', async ({ store }) => {
    const empty = {
      pending: 0,
      inProgress: 0,
      completed: 0,
      failed: 0,
      recordsProcessed: 0,
      recordsWritten: 0,
      recordsRejected: 0,
      lastCompleted: null,
      next: null,
    };
    equal(await store.summarize(m), empty, 'the summary of a migration without checkpoints');
    await planOf(store, m, 6);
    const held = [];
    for (let index = 0; index < 5; index += 1) held.push(await claimOne(store, m));
    const [first, second, third, fourth] = held.map((checkpoint) => ({
      checkpoint,
      lease: leaseOf(m, checkpoint),
    }));
    if (!first || !second || !third || !fourth) throw new Error('five checkpoints were claimed');
    await store.advance(
      advanceOf(m, first.checkpoint, ['10'], { rows: 7, written: 9, rejected: 2, complete: true }),
    );
    await store.release(second.lease, { status: 'failed', errorMessage: 'no' });
    await store.advance(advanceOf(m, third.checkpoint, ['30'], { rows: 5, complete: true }));
    await store.advance(advanceOf(m, fourth.checkpoint, ['35'], { rows: 2 }));
    const { lastCompleted, next, ...counts } = await store.summarize(m);
    const records = { recordsProcessed: 14, recordsWritten: 16, recordsRejected: 2 };
    equal(counts, { pending: 1, inProgress: 2, completed: 2, failed: 1, ...records }, 'the counts');
    equal(
      lastCompleted,
      await store.read(m, third.checkpoint.id),
      'the completed checkpoint with the highest number',
    );
    equal(next, await store.read(m, second.checkpoint.id), 'the first checkpoint that is not completed');
  });

  check('a list can be limited to a status, to a number and to what comes after', async ({ store }) => {
    await planOf(store, m, 5);
    const first = await claimOne(store, m);
    await store.advance(advanceOf(m, first, ['10'], { complete: true }));
    const seqs = async (filter?: Parameters<CheckpointStore['list']>[1]): Promise<number[]> =>
      (await store.list(m, filter)).map(({ seq }) => seq);
    equal(await seqs(), [1, 2, 3, 4, 5], 'everything');
    equal(await seqs({ status: 'pending' }), [2, 3, 4, 5], 'pending ones');
    equal(await seqs({ status: 'completed' }), [1], 'completed ones');
    equal(await seqs({ status: 'failed' }), [], 'failed ones');
    equal(await seqs({ limit: 2 }), [1, 2], 'two');
    equal(await seqs({ afterSeq: 3 }), [4, 5], 'after 3');
    equal(await seqs({ status: 'pending', afterSeq: 2, limit: 2 }), [3, 4], 'two pending ones after 2');
  });

  check('a call with an aborted signal is rejected and writes nothing', async ({ store }) => {
    await planOf(store, m, 2);
    const checkpoint = await claimOne(store, m);
    const context = { signal: abortedSignal() };
    await changesNothing(
      store,
      m,
      async () => {
        const claim = { owner: 'late', leaseMs: longLeaseMs };
        await rejects(() => store.claim(m, claim, context), 'claim() with an aborted signal');
        await rejects(
          () => store.advance(advanceOf(m, checkpoint, ['5']), context),
          'advance() with an aborted signal',
        );
        await rejects(() => store.readPlan(m, context), 'readPlan() with an aborted signal');
        await rejects(() => store.clear(m, context), 'clear() with an aborted signal');
      },
      'a call with an aborted signal',
    );
  });
}
