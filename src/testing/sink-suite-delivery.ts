import type { Advance } from '../contract/index.ts';
import { equal } from './check.ts';
import { claimOne, leaseOf, storedOf } from './plans.ts';
import { type SinkBench, sinkRow, sinkRows, sinkSuiteShape, type SinkTest } from './sink-fixture.ts';

const { migration } = sinkSuiteShape;

/** Rows and checkpoint in one transaction: what is not due is written on neither side. */
export function exactlyOnceTests(check: SinkTest, mode: 'upsert' | 'insert'): void {
  check('a batch that was committed is not written again', async (bench) => {
    const batch = bench.batch(sinkRows.slice(0, 4));
    const advance = bench.advance(sinkRow(3), { rows: 4 });
    equal(await bench.target.commit(batch, advance), 'committed', 'the first commit()');
    await staysStale(bench, advance, 4, 'the replay of a commit');
  });

  check('a batch that was committed as the last one is not written again', async (bench) => {
    const batch = bench.batch(sinkRows.slice(0, 4));
    const advance = bench.advance(sinkRow(3), { rows: 4, complete: true });
    equal(await bench.target.commit(batch, advance), 'committed', 'the first commit()');
    await staysStale(bench, advance, 4, 'the replay of the last commit');
    const further = bench.advance(sinkRow(8), { from: [sinkRow(3)[0] ?? ''] });
    await staysStale(bench, further, 4, 'a commit after the checkpoint was completed');
  });

  check('one batch that is committed several times at once is written once', async (bench) => {
    const batch = bench.batch(sinkRows.slice(0, 4));
    const advance = bench.advance(sinkRow(3), { rows: 4 });
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => bench.target.commit(batch, advance)));
    equal(outcomes.toSorted(), ['committed', 'stale', 'stale', 'stale'], 'the outcomes');
    await bench.holds(sinkRows.slice(0, 4), 'the rows');
    equal(
      (await bench.store.read(migration, advance.lease.id))?.recordsProcessed,
      4,
      'rows that were counted',
    );
  });

  check(
    'a worker whose checkpoint was claimed by another writes neither rows nor checkpoint',
    async (bench) => {
      const { store, checkpoint } = bench;
      const stale = bench.advance(sinkRow(8));
      equal(await store.release(leaseOf(migration, checkpoint), { status: 'pending' }), true, 'release()');
      await staysStale(bench, stale, 0, 'a commit after the checkpoint was given back');
      const heir = await claimOne(store, migration, 'heir');
      await staysStale(bench, stale, 0, 'a commit with the fence token of before');
      const advance = { ...stale, lease: leaseOf(migration, heir) };
      equal(
        await bench.target.commit(bench.batch(sinkRows.slice(0, 9)), advance),
        'committed',
        'the new owner',
      );
      await staysStale(bench, stale, 9, 'a commit of the former owner after one of the new owner');
      await store.reopen(migration, [checkpoint.id]);
      await staysStale(
        bench,
        { ...advance, from: advance.to },
        9,
        'a commit after the checkpoint was reopened',
      );
      await store.clear(migration);
      await staysStale(bench, advance, 9, 'a commit after the checkpoints were forgotten');
    },
  );

  check(
    'a commit from where the checkpoint does not stand writes neither rows nor checkpoint',
    async (bench) => {
      const fromElsewhere = bench.advance(sinkRow(8), { from: [sinkRow(2)[0] ?? ''] });
      await staysStale(bench, fromElsewhere, 0, 'a commit that assumes rows which are not in');
      const first = bench.advance(sinkRow(4), { rows: 5 });
      equal(
        await bench.target.commit(bench.batch(sinkRows.slice(0, 5)), first),
        'committed',
        'the first commit()',
      );
      await staysStale(
        bench,
        bench.advance(sinkRow(8)),
        5,
        'a commit from the start of a checkpoint that has moved',
      );
      await staysStale(bench, fromElsewhere, 5, 'a commit from the middle of what is in');
    },
  );

  if (mode === 'upsert') return;
  check('a row without a key is added once by each commit that is due', async (bench) => {
    const row = sinkRow(4);
    const first = bench.advance(sinkRow(2));
    const second = bench.advance(sinkRow(4), { from: [sinkRow(2)[0] ?? ''] });
    equal(await bench.target.commit(bench.batch([row]), first), 'committed', 'the first commit()');
    equal(await bench.target.commit(bench.batch([row]), second), 'committed', 'the second commit()');
    equal(await bench.target.commit(bench.batch([row]), second), 'stale', 'the replay');
    await bench.holds([row, row], 'the rows of two commits and a replay');
  });
}

/** Rows first, then the checkpoint: what arrives twice must not be seen twice. */
export function atLeastOnceTests(check: SinkTest): void {
  check('a batch that arrives again after a lost checkpoint changes nothing', async (bench) => {
    const batch = bench.batch(sinkRows.slice(0, 4));
    const advance = bench.advance(sinkRow(3), { rows: 4 });
    await bench.target.write(batch);
    // The process died here, before the checkpoint moved; the next one sends the same rows.
    equal(await bench.deliver(batch, advance), 'committed', 'the second delivery');
    equal(await bench.deliver(batch, advance), 'stale', 'a replay');
    await bench.holds(sinkRows.slice(0, 4), 'the rows after three deliveries');
    equal(
      (await bench.store.read(migration, advance.lease.id))?.recordsProcessed,
      4,
      'rows that were counted',
    );
  });
}

/** Sends rows that must not arrive: other ones than those that are in, so that even an upsert would show. */
async function staysStale(bench: SinkBench, advance: Advance, rowsIn: number, what: string): Promise<void> {
  const before = await storedOf(bench.store, migration);
  const intruders = bench.batch([
    ['123456', 'must not', 'arrive'],
    [sinkRow(0)[0] ?? '', 'must not', 'change'],
  ]);
  equal(await bench.target.commit(intruders, advance), 'stale', what);
  await bench.holds(sinkRows.slice(0, rowsIn), `the rows after ${what}`);
  equal(await storedOf(bench.store, migration), before, `the checkpoint after ${what}`);
}
