import { expect, test } from 'vitest';
import { MemoryCheckpointStore, MemoryDatabase, MemorySink, MemorySource } from 'resumable-migrator/memory';
import { CrashError, CrashPoints, lostAnswer, sinkSuiteShape } from 'resumable-migrator/testing';

const column = { name: 'id', type: 'integer', nativeType: 'int8', nullable: false } as const;

function storeOn(database: MemoryDatabase): MemoryCheckpointStore {
  return new MemoryCheckpointStore({ database });
}

const append = {
  settings: { fingerprint: {}, checkpointSize: 1, integerKey: true },
  afterSeq: 0,
  ranges: [{ lower: null, upper: ['1'] }],
};

test('effects are counted by name, and without a fault they pass through', async () => {
  const crash = new CrashPoints();
  const store = crash.wrapStore(storeOn(new MemoryDatabase()));
  await store.prepare();
  expect(await store.append('m', append)).toBe(true);
  expect((await store.readPlan('m'))?.checkpoints).toBe(1);
  expect(crash.effects).toEqual(['store.prepare', 'store.append', 'store.readPlan']);
  expect(crash.count).toBe(3);
  expect(crash.crashed).toBe(false);
});

test.each([
  { when: 'before' as const, written: 0 },
  { when: 'after' as const, written: 1 },
])(
  'a process that crashes $when an effect leaves $written plans, and does nothing more',
  async ({ when, written }) => {
    const database = new MemoryDatabase();
    const crash = new CrashPoints().at({ effect: 'store.append', nth: 1 }, when);
    const store = crash.wrapStore(storeOn(database));
    const error = await store.append('m', append).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CrashError);
    expect(String(error)).toContain(`${when} store.append number 1`);
    expect(crash.crashed).toBe(true);
    expect(database.checkpoints).toHaveLength(written);
    await expect(store.clear('m')).rejects.toBe(error);
    await expect(crash.wrapStore(storeOn(database)).readPlan('m')).rejects.toBe(error);
    expect(database.checkpoints).toHaveLength(written);
    expect(crash.count).toBe(1);
  },
);

test('calls in flight take effect when the process crashes, and it does not hear of them', async () => {
  const database = new MemoryDatabase();
  const crash = new CrashPoints().at({ effect: 'store.readPlan', nth: 1 }, 'before');
  const store = crash.wrapStore(storeOn(database));
  const outcomes = await Promise.allSettled([store.append('m', append), store.readPlan('m')]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(database.checkpoints).toHaveLength(1);
});

test('a failure is reported once, and the process lives on', async () => {
  const database = new MemoryDatabase();
  const error = lostAnswer();
  const crash = new CrashPoints().failAt(2, 'after', error).failAt(3, 'before');
  const store = crash.wrapStore(storeOn(database));
  await store.prepare();
  await expect(store.append('m', append)).rejects.toBe(error);
  await expect(store.readPlan('m')).rejects.toMatchObject({ retryable: true, ambiguous: true });
  expect((await store.readPlan('m'))?.checkpoints).toBe(1);
});

test('a frozen process begins nothing and hears nothing until it thaws', async () => {
  const database = new MemoryDatabase();
  const crash = new CrashPoints();
  const freeze = crash.freezeAt({ effect: 'store.append', nth: 1 }, 'before');
  const store = crash.wrapStore(storeOn(database));
  const calls = [store.append('m', append), store.readPlan('m')];
  await freeze.reached;
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(database.checkpoints).toHaveLength(0);
  freeze.thaw();
  expect(await calls[0]).toBe(true);
  await calls[1];
});

test('a sink recognises its own store behind wrappers, also behind those of two processes', async () => {
  const database = new MemoryDatabase();
  database.createTable('t', ['id', 'name', 'note'], []);
  const sink = new MemorySink({ database, table: 't' });
  const [one, two] = [new CrashPoints(), new CrashPoints()];
  const wrapped = two.wrapSink(one.wrapSink(sink));
  const target = await wrapped.prepare(sinkSuiteShape);
  expect(target.delivery(wrapped.checkpoints)).toBe('exactly-once');
  expect(target.delivery(one.wrapStore(sink.checkpoints))).toBe('exactly-once');
  expect(target.delivery(one.wrapStore(storeOn(new MemoryDatabase())))).toBe('at-least-once');
  expect(one.wrapStore(sink.checkpoints)).toBe(one.wrapStore(sink.checkpoints));
});

test('each portion of ranges is an effect, and a source without a search for large rows has none when wrapped', async () => {
  const crash = new CrashPoints().at({ effect: 'source.ranges', nth: 3 }, 'before');
  const rows = ['1', '2', '3', '4'].map((id) => [id]);
  const source = crash.wrapSource(new MemorySource({ columns: [column], key: ['id'], rows }));
  expect(source.findOversizedRow).toBeUndefined();
  const ends: unknown[] = [];
  const read = async (): Promise<void> => {
    for await (const ranges of source.ranges({ size: 1, after: null }))
      ends.push(...ranges.map(({ upper }) => upper));
  };
  await expect(read()).rejects.toBeInstanceOf(CrashError);
  expect(ends).toEqual([['1'], ['2']]);
});
