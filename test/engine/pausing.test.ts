import { expect, test } from 'vitest';
import type { RunResult } from 'resumable-migrator';
import { CrashPoints } from 'resumable-migrator/testing';
import { type MigratorOptions, World } from './world.ts';

function heldCheckpoints(world: World): number {
  return world.database.checkpoints.filter(({ status }) => status === 'in_progress').length;
}

test.each([
  { concurrency: 1, budget: { batches: 1 } },
  { concurrency: 3, budget: { batches: 1 } },
  { concurrency: 1, budget: { batches: 4 } },
  { concurrency: 2, budget: { rows: 5 } },
  { concurrency: 1, budget: { rows: 1 } },
  { concurrency: 1, budget: { milliseconds: 1 }, batchDelayMs: 3 },
])(
  'runs with the budget $budget pause, give back what they hold, and finish together: concurrency $concurrency',
  async ({ concurrency, budget, batchDelayMs }) => {
    const world = new World({ rows: 35, mode: 'insert' });
    const results: RunResult[] = [];
    for (;;) {
      const result = await world.migrator({ concurrency, batchDelayMs }).run({ budget });
      results.push(result);
      expect(heldCheckpoints(world)).toBe(0);
      expect(world.recorded()).toBe(world.table.rows.size);
      if (result.status === 'completed') break;
      expect(result).toMatchObject({ status: 'paused', reason: 'budget' });
      expect(result.batches, 'the smallest budget makes progress').toBeGreaterThan(0);
      if ('batches' in budget) expect(result.batches).toBeLessThanOrEqual(budget.batches);
    }
    expect(results.length).toBeGreaterThan(1);
    expect(results.reduce((sum, { rows }) => sum + rows, 0)).toBe(35);
    expect(results.at(-1)?.reason).toBeNull();
    expect(world.differences()).toEqual({});
  },
);

test('a budget that suffices to the last row ends as completed', async () => {
  const world = new World({ rows: 30, mode: 'insert' });
  expect(await world.migrator({ batchSize: 10 }).run({ budget: { batches: 3, rows: 30 } })).toMatchObject({
    status: 'completed',
    reason: null,
    batches: 3,
  });
});

test('a budget of time ends the waiting for the leases of others as well', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const freeze = new CrashPoints();
  const frozen = freeze.freezeAt({ effect: 'sink.commit', nth: 1 }, 'before');
  const holder = world.migrator({}, freeze).run();
  await frozen.reached;
  const result = await world.migrator().run({ budget: { milliseconds: 60 } });
  expect(result).toMatchObject({ status: 'paused', reason: 'budget', batches: 0 });
  frozen.thaw();
  expect((await holder).status).toBe('completed');
});

test('a signal that was aborted before the run begins does nothing at all', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const counting = new CrashPoints();
  const image = world.image();
  const migrator = world.migrator({ name: 'mine' }, counting);
  const ends: RunResult[] = [];
  migrator.on('run:end', (result) => ends.push(result));
  const result = await migrator.run({ signal: AbortSignal.abort() });
  expect(result).toMatchObject({
    migration: 'mine',
    status: 'paused',
    reason: 'signal',
    rows: 0,
    batches: 0,
  });
  expect(ends).toEqual([result]);
  expect(counting.effects).toEqual([]);
  expect(world.image()).toEqual(image);
});

test.each([1, 2])(
  'a signal at any effect pauses the run, and the next one finishes it: concurrency %i',
  async (concurrency) => {
    const counting = new CrashPoints();
    await new World({ rows: 25, mode: 'insert' }).migrator({ concurrency }, counting).run();
    const statuses = new Set<string>();
    for (let n = 1; n <= counting.count; n += 1) {
      for (const moment of ['before', 'after'] as const) {
        const world = new World({ rows: 25, mode: 'insert' });
        const faults = new CrashPoints();
        const freeze = faults.freezeAt(n, moment);
        const controller = new AbortController();
        const run = world.migrator({ concurrency }, faults).run({ signal: controller.signal });
        await freeze.reached;
        controller.abort();
        freeze.thaw();
        const result = await run;
        statuses.add(result.status);
        const place = `signal ${moment} effect ${n}, ${faults.effects[n - 1]}`;
        expect(result.reason, place).toBe(result.status === 'paused' ? 'signal' : null);
        expect(heldCheckpoints(world), place).toBe(0);
        expect(world.recorded(), place).toBe(world.table.rows.size);
        expect((await world.migrator().run()).status, place).toBe('completed');
        expect(world.differences(), place).toEqual({});
      }
    }
    expect([...statuses].toSorted()).toEqual(['completed', 'paused']);
  },
);

test('a batch in flight is finished and counted when the signal comes', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'sink.commit', nth: 2 }, 'after');
  const controller = new AbortController();
  const run = world.migrator({}, faults).run({ signal: controller.signal });
  await freeze.reached;
  controller.abort();
  freeze.thaw();
  expect(await run).toMatchObject({
    status: 'paused',
    reason: 'signal',
    rows: 8,
    batches: 2,
    progress: { rows: 8 },
  });
  expect(world.database.checkpoints[0]).toMatchObject({ status: 'pending', cursor: ['2'] });
});

test('a signal ends the waiting for the leases of others', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'sink.commit', nth: 1 }, 'before');
  const holder = world.migrator({}, faults).run();
  await freeze.reached;
  const controller = new AbortController();
  const migrator = world.migrator();
  migrator.on('wait', () => controller.abort());
  expect(await migrator.run({ signal: controller.signal })).toMatchObject({
    status: 'paused',
    reason: 'signal',
  });
  freeze.thaw();
  await holder;
});

test('a write that outlasts the grace time is abandoned, and its checkpoint decides later', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const controller = new AbortController();
  const sink = world.sink();
  const prepare = sink.prepare.bind(sink);
  // The write takes effect, and its answer never comes: the call ends with the signal alone.
  sink.prepare = async (...args) => {
    const target = await prepare(...args);
    const commit = target.commit.bind(target);
    target.commit = async (batch, advance, context) => {
      await commit(batch, advance);
      controller.abort();
      return await new Promise((_resolve, reject) => {
        context?.signal?.addEventListener('abort', () => reject(context.signal?.reason as Error));
      });
    };
    return target;
  };
  const migrator = world.migrator({ graceMs: 20 }, undefined, sink);
  const result = await migrator.run({ signal: controller.signal });
  expect(result).toMatchObject({ status: 'paused', reason: 'signal', rows: 0 });
  expect(world.recorded()).toBe(4);
  world.passTime();
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});

test('a validation that never answers does not keep a run from ending', { timeout: 10_000 }, async () => {
  const world = new World({ rows: 30, mode: 'insert' });
  const stop = new AbortController();
  const validate = (value: unknown): { value: unknown } | Promise<{ value: unknown }> => {
    if (Number((value as { readonly id: bigint }).id) !== 8) return { value };
    stop.abort();
    return new Promise(() => undefined);
  };
  const never = { '~standard': { version: 1, vendor: 'test', validate } } as const;
  const migrator = world.migrator({ validate: never as unknown as MigratorOptions['validate'] });
  expect(await migrator.run({ signal: stop.signal })).toMatchObject({ status: 'paused', reason: 'signal' });
  expect(heldCheckpoints(world)).toBe(0);
  expect(await world.migrator().run()).toMatchObject({ status: 'completed' });
  expect(world.differences()).toEqual({});
});
