import { MigratorError, type RepairResult, type RowSchema, type VerifyResult } from 'resumable-migrator';
import { MemoryCheckpointStore, type MemorySink, MemorySource } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { rejection, World } from './world.ts';

// What verify() and repair() do where a call fails, is too much for the sink, or is not to go on.

const full = { mode: 'full' } as const;
const identity = (id: number): string => JSON.stringify([String(id)]);

/** A complete copy of 35 rows with one row lost, one changed and one too many. */
async function damaged(): Promise<World> {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run();
  world.table.rows.delete(identity(7));
  world.table.rows.set(identity(9), ['9', 'changed']);
  world.table.rows.set(identity(1000), ['1000', 'outside']);
  return world;
}

/** More rows than a result lists, copied. */
async function large(): Promise<World> {
  const rows = Array.from({ length: 1_200 }, (_, index) => [String(index), `name ${index}`]);
  const world = new World({ rows, mode: 'upsert' });
  await world.migrator(wide).run();
  return world;
}
const wide = { batchSize: 1_000, pageSize: 1_000, checkpointSize: 1_200 };

/** A sink that compares no more than so many rows at once. Notes how many each call had. */
function weakSink(
  world: World,
  most: number,
  facts: { readonly retryable?: boolean },
): [MemorySink, number[]] {
  const sink = world.sink();
  const asked: number[] = [];
  const prepare = sink.prepare.bind(sink);
  vi.spyOn(sink, 'prepare').mockImplementation(async (...args) => {
    const target = await prepare(...args);
    const { verifier } = target;
    if (!verifier) throw new Error('the sink has a key');
    const compare = verifier.compare.bind(verifier);
    vi.spyOn(verifier, 'compare').mockImplementation(async (batch, ...others) => {
      asked.push(batch.rows);
      if (batch.rows <= most) return await compare(batch, ...others);
      throw new MigratorError('SINK_OVERLOADED', 'CPU time limit', { help: 'Less.', shrink: true, ...facts });
    });
    return target;
  });
  return [sink, asked];
}

/** Aborts while a method of an adapter is called for the nth time, before it does anything. */
function abortedDuring<Adapter extends object>(
  adapter: Adapter,
  method: keyof Adapter & string,
  nth: number,
): AbortController {
  const controller = new AbortController();
  const spied = adapter as Record<string, (...args: unknown[]) => unknown>;
  const original = spied[method];
  let calls = 0;
  const spy = vi.spyOn(spied, method).mockImplementation(function (this: unknown, ...args) {
    calls += 1;
    if (calls === nth) controller.abort(new Error('the host wants to stop'));
    return original?.apply(this, args);
  });
  onTestFinished(() => spy.mockRestore());
  return controller;
}

test.each([
  ['verify', {}],
  ['verify', full],
  ['repair', {}],
  ['repair', full],
] as const)('%s() tries a call that failed in passing again, whichever it was: %o', async (method, mode) => {
  const counting = new CrashPoints();
  const call = async (
    world: World,
    faults: CrashPoints,
  ): Promise<[VerifyResult | RepairResult, string[]]> => {
    const migrator = world.migrator({ onReject: 'set-aside', leaseMs: 100 }, faults);
    const retried: string[] = [];
    migrator.on('retry', ({ code }) => retried.push(code));
    // A claim whose answer is lost is held by nobody.
    migrator.on('wait', () => world.passTime());
    const options = mode as { readonly mode?: 'count' };
    return [await (method === 'verify' ? migrator.verify(options) : migrator.repair(options)), retried];
  };
  const [expected] = await call(await damaged(), counting);
  expect(counting.count).toBeGreaterThan(10);
  const limited = new MigratorError('SINK_RATE_LIMITED', 'Slow down.', {
    help: 'Wait.',
    retryable: true,
    retryAfterMs: 1,
  });
  for (let n = 1; n <= counting.count; n += 1) {
    for (const [moment, error] of [['before', limited], ['after']] as const) {
      const world = await damaged();
      const faults = new CrashPoints().failAt(n, moment, error);
      const [found, retried] = await call(world, faults);
      const what = `${counting.effects[n - 1]}, effect ${n}, ${moment}`;
      if ('after' in found && 'after' in expected) expect(found.after, what).toEqual(expected.after);
      else expect(found, what).toEqual(expected);
      if (method === 'repair' && mode === full) expect(world.differences(), what).toEqual({});
      // What a run writes it asks for again; the others say that they try again.
      if (method === 'verify') expect(retried, what).toHaveLength(1);
    }
  }
});

test('waits that the other side asks for use up no retry of a verification', async () => {
  const world = await damaged();
  const faults = new CrashPoints();
  const error = new MigratorError('SINK_RATE_LIMITED', 'Slow down.', {
    help: 'Wait.',
    retryable: true,
    retryAfterMs: 1,
  });
  for (let nth = 1; nth <= 10; nth += 1) faults.failAt({ effect: 'sink.countRows', nth }, 'before', error);
  const migrator = world.migrator({ retry: { retries: 0, baseMs: 1 } }, faults);
  expect(await migrator.verify()).toMatchObject({ sinkRows: 35 });
});

test('a wait that is longer than the budget pauses a comparison in full', async () => {
  const world = await damaged();
  const error = new MigratorError('SINK_RATE_LIMITED', 'Slow down.', {
    help: 'Wait.',
    retryable: true,
    retryAfterMs: 600_000,
  });
  const faults = new CrashPoints().failAt({ effect: 'sink.compare', nth: 4 }, 'before', error);
  const found = await world.migrator({}, faults).verify({ ...full, budget: { milliseconds: 300_000 } });
  expect(found).toMatchObject({ status: 'paused', resumeFrom: 2, rows: 10 });
});

test('rows that the sink changes whenever they are written end a repair, however many they are', async () => {
  const world = await large();
  const { rows } = world.table;
  const set = rows.set.bind(rows);
  const controller = new AbortController();
  let sets = 0;
  rows.set = (key, [id = null, name]) => {
    // A repair that does not end by itself is ended, and has mended more.
    if ((sets += 1) > 5_000) controller.abort();
    return set(key, [id, name?.toUpperCase() ?? null]);
  };
  for (const [key, row] of rows) rows.set(key, row);
  const { rows: mended, after } = await world.migrator(wide).repair({ ...full, signal: controller.signal });
  expect(mended).toBe(1_200);
  expect(after).toMatchObject({ equal: false, counts: { missing: 0, different: 1_200, extra: 0 } });
});

test('however many rows differ, a repair compares twice', async () => {
  const world = await large();
  const pages = async (method: 'verify' | 'repair'): Promise<number> => {
    const faults = new CrashPoints();
    await world.migrator(wide, faults)[method](full);
    return faults.effects.filter((effect) => effect === 'source.readPage').length;
  };
  const compared = await pages('verify');
  world.table.rows.clear();
  expect(await pages('repair')).toBe(compared * 2);
  expect(world.differences()).toEqual({});
});

test('more rows than a result lists are mended, and told as they stood before', async () => {
  const world = await large();
  const { rows } = world.table;
  // Lost and changed within the plan, and too many behind it.
  for (let id = 0; id < 1_100; id += 1) rows.delete(identity(id));
  for (let id = 1_150; id < 1_200; id += 1) rows.set(identity(id), [String(id), 'changed']);
  for (let id = 5_000; id < 6_010; id += 1) rows.set(identity(id), [String(id), 'outside']);
  const counts = { missing: 1_100, different: 50, extra: 1_010 };
  const found = await world.migrator(wide).verify(full);
  expect(found).toMatchObject({ counts, sourceRows: 1_200, sinkRows: 1_110 });
  const { before, rows: mended, after } = await world.migrator(wide).repair(full);
  expect(before).toEqual(found);
  expect(before.missing).toHaveLength(1_000);
  expect(mended).toBe(1_100 + 50 + 1_010);
  expect(after).toMatchObject({ equal: true, sinkRows: 1_200 });
  expect(world.differences()).toEqual({});
});

test('a budget bounds a repair as a whole: what was found is mended, and compared again within what is left', async () => {
  const world = await damaged();
  const compared: number[] = [];
  const repair = async (budget: { readonly rows?: number; readonly batches?: number }, from?: number) => {
    const migrator = world.migrator();
    compared.length = 0;
    migrator.on('verify:progress', ({ rows }) => compared.push(rows));
    return await migrator.repair({ ...full, from, budget });
  };
  const first = await repair({ rows: 20 });
  expect(first).toMatchObject({
    before: { status: 'paused', resumeFrom: 3, rows: 20, counts: { missing: 1, different: 1, extra: 0 } },
    rows: 2,
    after: { status: 'paused', resumeFrom: 1, equal: false, rows: 0 },
  });
  // Nothing was found there, so there is nothing to compare again.
  const second = await repair({ rows: 10 }, first.before.resumeFrom ?? undefined);
  expect(second.before).toMatchObject({ status: 'paused', resumeFrom: 4 });
  expect(second.after).toBe(second.before);
  // All of it, and half of it once more.
  const third = await repair({ rows: 50 });
  expect(third).toMatchObject({
    before: { status: 'completed', counts: { extra: 1 } },
    rows: 1,
    after: { status: 'paused', resumeFrom: 2, rows: 10 },
  });
  expect(await repair({})).toMatchObject({ rows: 0, after: { equal: true } });
});

test('a run that a repair needs takes its part of the budget, and no more', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run({ budget: { rows: 10 } });
  const rows = world.recorded();
  const { before, run, after } = await world.migrator().repair({ ...full, budget: { rows: 20 } });
  expect(before).toMatchObject({ status: 'completed', checkedCheckpoints: 1, rows: 10 });
  expect(run).toMatchObject({ status: 'paused', reason: 'budget' });
  expect(world.recorded() - rows).toBe(run?.rows);
  // Between two batches of at most four rows.
  expect(run?.rows).toBeGreaterThanOrEqual(10);
  expect(run?.rows).toBeLessThan(14);
  expect(after).toMatchObject({ status: 'paused', rows: 0 });
  expect((await world.migrator().repair(full)).after).toMatchObject({ equal: true, rows: 35 });
});

test.each([
  ['the sink says that it passes', { retryable: true }],
  ['the statement is too long', {}],
])('a batch that is too much for the sink is compared in smaller ones: %s', async (_, facts) => {
  const world = await damaged();
  const [sink, asked] = weakSink(world, 2, facts);
  const migrator = world.migrator({ batchSize: 10, pageSize: 10 }, undefined, sink);
  const progress: number[] = [];
  migrator.on('verify:progress', ({ rows }) => progress.push(rows));
  expect(await migrator.verify(full)).toMatchObject({
    status: 'completed',
    rows: 35,
    counts: { missing: 1, different: 1, extra: 1 },
    missing: [{ seq: 2, key: ['7'] }],
    different: [{ seq: 2, key: ['9'], columns: ['name'] }],
    extra: [{ seq: null, key: ['1000'] }],
  });
  expect(progress.at(-1)).toBe(35);
  expect(asked.slice(0, 3)).toEqual([10, 5, 3]);
  expect(Math.max(...asked.slice(3))).toBeLessThanOrEqual(4);
});

test('what was compared before the batch that was too much is not compared again', async () => {
  const world = await damaged();
  const tooMuch = new MigratorError('SINK_FAILED', 'statement too long', { help: 'Less.', shrink: true });
  const faults = new CrashPoints().failAt({ effect: 'sink.compare', nth: 2 }, 'before', tooMuch);
  expect(await world.migrator({}, faults).verify(full)).toMatchObject({ rows: 35, expectedRows: 35 });
});

test('the rows that are made of others are compared in smaller batches as well', async () => {
  const transform = { version: '1', map: (row: object) => ({ ...row }) };
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator({ transform }).run();
  world.table.rows.delete(identity(7));
  const [sink] = weakSink(world, 2, { retryable: true });
  expect(
    await world.migrator({ transform, batchSize: 10, pageSize: 10 }, undefined, sink).verify(full),
  ).toMatchObject({ rows: 35, missing: [{ seq: 2, key: ['7'] }], counts: { missing: 1, different: 0 } });
});

test('a single row that is too much for the sink ends a verification, which names its checkpoint', async () => {
  const world = await damaged();
  const [sink, asked] = weakSink(world, 0, {});
  const error = await rejection(world.migrator({}, undefined, sink).verify(full));
  expect(error).toMatchObject({ code: 'SINK_OVERLOADED', place: { checkpoint: 1 } });
  expect(asked).toEqual([4, 2, 1]);
});

test.each([
  ['the source is described', MemorySource.prototype, 'describe', 1, { resumeFrom: 1, rows: 0 }],
  [
    'the first checkpoints are listed',
    MemoryCheckpointStore.prototype,
    'list',
    1,
    { resumeFrom: 1, rows: 0 },
  ],
  ['rows are read', MemorySource.prototype, 'readPage', 3, { resumeFrom: 2, rows: 10 }],
  ['the tables are counted', MemorySource.prototype, 'countRows', 1, { resumeFrom: null, rows: 35 }],
] as const)(
  'a signal that comes while %s pauses a comparison in full, with all that was found until then',
  async (_, adapter, method, nth, expected) => {
    const world = await damaged();
    const { signal } = abortedDuring(adapter as object, method as never, nth);
    const found = await world.migrator().verify({ ...full, signal });
    expect(found).toMatchObject({
      status: 'paused',
      equal: false,
      sourceRows: null,
      sinkRows: null,
      ...expected,
    });
    expect(found.missing.map(({ key }) => key[0])).toEqual(expected.rows === 35 ? ['7'] : []);
    if (found.resumeFrom === null) return;
    const rest = await world.migrator().verify({ ...full, from: found.resumeFrom });
    expect(rest).toMatchObject({ rows: 35 - expected.rows, missing: [{ key: ['7'] }] });
  },
);

test('a comparison by counts that is stopped rejects with the reason of the signal', async () => {
  const world = await damaged();
  const { signal } = abortedDuring(MemorySource.prototype, 'countRows', 2);
  expect(await rejection(world.migrator().verify({ signal }))).toBe(signal.reason);
});

test('a signal ends a repair in full between two calls, and it says what it has mended', async () => {
  const world = await damaged();
  const { signal } = abortedDuring(MemorySource.prototype, 'describe', 2);
  expect(await world.migrator().repair({ ...full, signal })).toMatchObject({
    before: { status: 'completed', counts: { missing: 1, different: 1, extra: 1 } },
    run: null,
    rows: 3,
    after: { migration: 'memory', status: 'paused', resumeFrom: 1, rows: 0 },
  });
});

test('a signal ends a repair in full while it mends, and the next one goes on at what was not compared to its end', async () => {
  const world = await damaged();
  // The first reads what differs once more before it is reported.
  const { signal } = abortedDuring(MemorySource.prototype, 'readRows', 2);
  const { before, rows, after } = await world.migrator().repair({ ...full, signal });
  expect(before).toMatchObject({ status: 'paused', resumeFrom: 2, rows: 10, counts: { missing: 0 } });
  expect(rows).toBe(0);
  expect(after).toBe(before);
  const next = await world.migrator().repair({ ...full, from: before.resumeFrom ?? undefined });
  expect(next).toMatchObject({ before: { counts: { missing: 1, different: 1 } }, after: { rows: 25 } });
  expect((await world.migrator().repair(full)).after.equal).toBe(true);
  expect(world.differences()).toEqual({});
});

test.each(['while it compares', 'while it looks again', 'while it mends'] as const)(
  'a validation that never answers does not keep a repair from stopping: %s',
  async (when) => {
    const world = await damaged();
    const controller = new AbortController();
    const waits = when === 'while it compares' ? 1 : when === 'while it looks again' ? 2 : 3;
    let asked = 0;
    const validate: RowSchema<Record<string, unknown>> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => {
          const row = value as Record<string, unknown>;
          if (row['id'] !== 9n || (asked += 1) < waits) return { value: row };
          // Only once it waits for the answer the host stops.
          setImmediate(() => controller.abort());
          return new Promise(() => undefined);
        },
      },
    };
    const { signal } = controller;
    const { after } = await world.migrator({ validate }).repair({ ...full, signal });
    expect(after).toMatchObject({ status: 'paused', equal: false });
    expect(asked).toBe(waits);
  },
);
