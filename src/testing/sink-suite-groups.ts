import { isMigratorError } from '../errors.ts';
import type { RejectedRow, RejectStore, TextRow } from '../contract/index.ts';
import { equal, ok, rejects } from './check.ts';
import { type SinkBench, sinkRow, sinkRows, sinkSuiteShape, type SinkTest } from './sink-fixture.ts';

const { migration } = sinkSuiteShape;

/** Rows that come from one row of the source, and batches without any. */
export function groupTests(check: SinkTest): void {
  check('rows that come from one go into a batch together or not at all', async (bench) => {
    const encoder = bench.target.encoder(3);
    ok(encoder.addAll([]), 'addAll() of no rows answered false');
    equal(encoder.rows, 0, 'rows in the encoder after addAll() of none');
    ok(encoder.addAll(sinkRows.slice(0, 2)), 'addAll() of two rows into an empty batch of three');
    equal(encoder.addAll(sinkRows.slice(2, 4)), false, 'addAll() of two rows where one more fits');
    equal(encoder.rows, 2, 'rows in the encoder after a group that does not fit');
    ok(encoder.addAll(sinkRows.slice(2, 3)), 'addAll() of one row where one more fits');
    const first = encoder.take();
    equal(first.rows, 3, 'rows of the first batch');
    ok(encoder.addAll(sinkRows.slice(3, 8)), 'addAll() of more rows than asked for into an empty batch');
    const second = encoder.take();
    equal(second.rows, 5, 'rows of the second batch');
    const start = bench.advance(sinkRow(2), { rows: 1, written: 3 });
    equal(await bench.deliver(first, start), 'committed', 'the first batch');
    const rest = bench.advance(sinkRow(7), { from: start.to, rows: 1, written: 5 });
    equal(await bench.deliver(second, rest), 'committed', 'the second batch');
    await bench.holds(sinkRows.slice(0, 8), 'the rows of both batches');
  });

  check('a group of which a row is refused leaves nothing in the batch', async (bench) => {
    const { target } = bench;
    if (target.maxRowBytes > 100_000_000) return;
    const huge: TextRow = ['5', 'x'.repeat(target.maxRowBytes + 1), null];
    const encoder = target.encoder();
    for (const group of [
      [sinkRow(3), huge],
      [huge, sinkRow(3)],
    ]) {
      const refuse = async (): Promise<boolean> => Promise.resolve(encoder.addAll(group));
      const error = await rejects(refuse, 'addAll() of a group that is too large');
      equal(isMigratorError(error) && error.code, 'ROW_TOO_LARGE', 'the code of the error');
      equal(encoder.rows, 0, 'rows in the encoder after a refused group');
    }
    ok(encoder.addAll(sinkRows.slice(0, 2)), 'addAll() after a refused group');
    equal(await bench.deliver(encoder.take(), bench.advance(sinkRow(1))), 'committed', 'the batch');
    await bench.holds(sinkRows.slice(0, 2), 'the rows after a refused group');
  });

  check('a batch without rows moves the checkpoint alone', async (bench) => {
    const advance = bench.advance(sinkRow(4), { rows: 5, written: 0 });
    const empty = bench.target.encoder().take();
    equal(await bench.deliver(empty, advance), 'committed', 'a batch without rows');
    const stored = await bench.store.read(migration, advance.lease.id);
    equal(
      [stored?.cursor, stored?.recordsProcessed, stored?.recordsWritten],
      [advance.to, 5, 0],
      'the checkpoint',
    );
    await bench.holds([], 'the rows');
  });
}

/** Rows that are set aside; a sink without a place for them has none of these. */
export function rejectTests(check: SinkTest, atomic: boolean): void {
  const checkRejects = (name: string, run: (bench: SinkBench, store: RejectStore) => Promise<void>): void =>
    check(name, async (bench) => {
      const { rejects: store } = bench.sink;
      if (!store) return;
      equal(await store.list(migration), [], 'the rejected rows before prepare()');
      await store.prepare();
      await store.prepare();
      await run(bench, store);
    });

  checkRejects('rows are set aside with a batch, as they are, and listed in pages', async (bench, store) => {
    const encoder = bench.target.encoder();
    for (const reject of rejected) ok(encoder.reject?.(reject) === true, 'a few small rejects do not fit');
    equal(encoder.rows, 0, 'rows in an encoder of rejects');
    ok(encoder.add(sinkRow(3)), 'a row does not fit beside a few rejects');
    const advance = bench.advance(sinkRow(8), { rows: 5, written: 1, rejected: 4 });
    equal(await bench.deliver(encoder.take(), advance), 'committed', 'rows and rejects');
    await bench.holds([sinkRow(3)], 'the rows beside the rejects');
    equal(await plain(store), rejected, 'the rejected rows');
    const [first] = await store.list(migration, { limit: 1 });
    const rest = await store.list(migration, { afterId: first?.id });
    equal(
      [first?.key, ...rest.map(({ key }) => key)],
      rejected.map(({ key }) => key),
      'the pages',
    );
    equal(await store.list('another'), [], 'the rejected rows of another migration');
    equal((await bench.store.read(migration, advance.lease.id))?.recordsRejected, 4, 'the count');
  });

  checkRejects('a row that is set aside again is there once, with its last reason', async (bench, store) => {
    const [one] = rejected;
    if (!one) return;
    for (const reason of ['first', 'second']) {
      const encoder = bench.target.encoder();
      encoder.reject?.({ ...one, reason });
      await bench.target.write(encoder.take());
    }
    equal(await plain(store), [{ ...one, reason: 'second' }], 'the rejected rows');
  });

  checkRejects('a row that is too large to be kept is set aside without its values', async (bench, store) => {
    const { target } = bench;
    const [one] = rejected;
    if (!one || target.maxRowBytes > 100_000_000) return;
    const encoder = target.encoder();
    const row = { id: '1', name: 'x'.repeat(2 * target.maxRowBytes), note: null };
    ok(encoder.reject?.({ ...one, row }) === true, 'a large reject does not fit into an empty batch');
    await target.write(encoder.take());
    const [stored] = await store.list(migration);
    equal(stored?.key, one.key, 'the key');
    ok(stored?.reason.startsWith(one.reason) === true, `the reason: ${stored?.reason}`);
    if (stored.row !== null) equal(stored.row, row, 'a row that was kept all the same');
  });

  checkRejects('rejected rows are forgotten one by one, by checkpoint, or all', async (bench, store) => {
    const setAside = async (): Promise<void> => {
      const encoder = bench.target.encoder();
      for (const reject of rejected) encoder.reject?.(reject);
      await bench.target.write(encoder.take());
    };
    const keys = async (): Promise<unknown> => (await store.list(migration)).map(({ key }) => key[0]);
    await setAside();
    await store.remove('another', [['1']]);
    await store.clear('another');
    equal(await keys(), ['1', '2', '["3"]', '4'], 'after another migration was cleared');
    await store.remove(migration, [['["3"]'], ['unknown']]);
    equal(await keys(), ['1', '2', '4'], 'after one was removed');
    await store.clear(migration, [2, 9]);
    equal(await keys(), ['1', '2'], 'after a checkpoint was cleared');
    await store.clear(migration);
    equal(await keys(), [], 'after all were cleared');
  });

  if (!atomic) return;
  checkRejects('a batch that is not due sets nothing aside', async (bench, store) => {
    const [one, two] = rejected;
    if (!one || !two) return;
    const batchOf = (reject: RejectedRow): ReturnType<SinkBench['batch']> => {
      const encoder = bench.target.encoder();
      encoder.reject?.(reject);
      return encoder.take();
    };
    const advance = bench.advance(sinkRow(3), { rows: 1, written: 0, rejected: 1 });
    equal(await bench.target.commit(batchOf(one), advance), 'committed', 'the first batch');
    equal(await bench.target.commit(batchOf(two), advance), 'stale', 'a replay with another row');
    equal(await bench.target.commit(batchOf({ ...one, reason: 'other' }), advance), 'stale', 'a replay');
    equal(await plain(store), [one], 'the rejected rows');
  });
}

const base = { code: 'ROW_INVALID', reason: 'it\'s "no"\n\tgood: Zürich 🚀' };
const rejected: readonly RejectedRow[] = [
  { ...base, seq: 1, key: ['1'], row: { id: '1', name: "it's", note: null } },
  { ...base, seq: 1, key: ['2'], row: { id: '2', name: '{"a": [1]}', 'a "b" \\': 'tab\t\u0001\u2028' } },
  { ...base, seq: 2, key: ['["3"]'], row: null },
  { ...base, seq: 2, key: ['4', 'eu'], row: {} },
];

/** Without what the store gives of its own. */
async function plain(store: RejectStore): Promise<RejectedRow[]> {
  const stored = await store.list(migration);
  return stored.map(({ id, createdAt, ...reject }) => {
    ok(id > 0 && !Number.isNaN(Date.parse(createdAt)), `id ${id}, created at ${createdAt}`);
    return reject;
  });
}
