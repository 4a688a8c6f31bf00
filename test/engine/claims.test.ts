import { expect, test } from 'vitest';
import { MigratorError } from 'resumable-migrator';
import { CrashPoints } from 'resumable-migrator/testing';
import { heldWrites, settled } from './held-writes.ts';
import { World } from './world.ts';

/** Checkpoints that a run holds at the most before there is room for them. */
const mostAhead = 8;

function claims(faults: CrashPoints): number {
  return faults.effects.filter((effect) => effect === 'store.claim').length;
}

function inProgress(world: World): readonly { readonly seq: number; readonly leaseUntil: number }[] {
  return world.database.checkpoints.filter(({ status }) => status === 'in_progress');
}

test('what is left is claimed at once where it is less than may be copied at a time', async () => {
  for (const left of [1, 2, 3]) {
    const world = new World({ rows: 50, mode: 'insert' });
    await world.migrator().run({ budget: { rows: 50 - left * 10 } });
    expect(world.database.checkpoints.filter(({ status }) => status !== 'completed')).toHaveLength(left);
    const faults = new CrashPoints();
    const { sink, waiting, open } = heldWrites(world);
    const run = world.migrator({ concurrency: 4 }, faults, sink).run();
    await settled();
    expect(waiting()).toBe(left);
    expect(claims(faults)).toBe(1);
    open();
    expect(await run).toMatchObject({ status: 'completed' });
    // Nobody else has any of it, so nobody is asked whether there is more.
    expect(claims(faults)).toBe(1);
    expect(world.differences()).toEqual({});
  }
});

test('as many are claimed with one request as there is room for', async () => {
  const world = new World({ rows: 400, mode: 'insert' });
  const faults = new CrashPoints();
  const { sink, waiting, open } = heldWrites(world);
  const run = world.migrator({ concurrency: 4, checkpointSize: 50 }, faults, sink).run();
  await settled();
  expect(waiting()).toBe(4);
  expect(claims(faults)).toBe(1);
  expect(inProgress(world).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  open();
  expect(await run).toMatchObject({ status: 'completed' });
  expect(world.differences()).toEqual({});
});

test.each([
  [1, 1, 0],
  [2, 4, mostAhead],
  [4, 8, mostAhead],
])('with concurrency %i up to %i are copied, and %i more are held', async (concurrency, most, more) => {
  const world = new World({ rows: 300, mode: 'insert' });
  const faults = new CrashPoints();
  const migrator = world.migrator({ concurrency }, faults);
  let now = 0;
  let copied = 0;
  let held = 0;
  let least = Infinity;
  migrator.on('checkpoint:claimed', () => {
    now += 1;
    copied = Math.max(copied, now);
    held = Math.max(held, inProgress(world).length - now);
  });
  migrator.on('batch:committed', () => {
    const pending = world.database.checkpoints.filter(({ status }) => status === 'pending').length;
    least = Math.min(least, pending - Math.max(0, inProgress(world).length - now));
  });
  migrator.on('checkpoint:completed', () => (now -= 1));
  expect(await migrator.run()).toMatchObject({ status: 'completed', completedCheckpoints: 30 });
  expect(copied).toBeLessThanOrEqual(most);
  expect(copied).toBeGreaterThanOrEqual(concurrency);
  expect(held).toBeLessThanOrEqual(more);
  expect(held > 0).toBe(more > 0);
  // Others find as many as are held ahead; one that was claimed for a place may not have come there yet.
  expect(least).toBeGreaterThanOrEqual(-concurrency);
  // Each would be a request of the API.
  if (more > 0) expect(claims(faults)).toBeLessThanOrEqual(12);
  expect(world.differences()).toEqual({});
});

test('claims that take longer than a checkpoint bring several all the same', async () => {
  const world = new World({ rows: 300, mode: 'insert' });
  const faults = new CrashPoints();
  const sink = world.sink();
  const { checkpoints } = sink;
  const claim = checkpoints.claim.bind(checkpoints);
  // As where they wait behind writes of megabytes.
  checkpoints.claim = async (...args) => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return await claim(...args);
  };
  const run = world.migrator({ concurrency: 4 }, faults, sink).run();
  expect(await run).toMatchObject({ status: 'completed', completedCheckpoints: 30 });
  expect(claims(faults)).toBeLessThanOrEqual(12);
  expect(world.differences()).toEqual({});
});

test('none is claimed before there is room for it where leases are short beside what a checkpoint takes', async () => {
  const world = new World({ rows: 300, mode: 'insert' });
  const faults = new CrashPoints();
  let [now, copied, held] = [0, 0, 0];
  const migrator = world.migrator({ leaseMs: 100, batchDelayMs: 150, concurrency: 2 }, faults);
  migrator.on('checkpoint:claimed', () => {
    now += 1;
    copied += 1;
  });
  migrator.on('batch:committed', () => (held = Math.max(held, inProgress(world).length - now)));
  migrator.on('checkpoint:completed', () => (now -= 1));
  // The leases of this world end where its clock is moved alone.
  expect(await migrator.run()).toMatchObject({ status: 'completed' });
  expect(held).toBe(0);
  expect(claims(faults)).toBeGreaterThanOrEqual(copied - 1);
});

test('what is held ahead is renewed while writes take long, so that no other run takes it', async () => {
  const world = new World({ rows: 300, mode: 'insert' });
  const leaseMs = 200;
  const began = performance.now();
  world.database.now = () => performance.now();
  // Three batches a checkpoint: some are done, and others ahead.
  const { sink, open } = heldWrites(world, 12);
  const migrator = world.migrator({ leaseMs, concurrency: 2 }, undefined, sink);
  const run = migrator.run();
  await expect.poll(() => inProgress(world).length, { timeout: 5_000 }).toBeGreaterThan(3);
  const held = new Set(inProgress(world).map(({ seq }) => seq));
  await new Promise((resolve) => setTimeout(resolve, leaseMs * 2.5));
  expect(performance.now() - began).toBeGreaterThan(leaseMs * 2);
  const other = world.migrator({ leaseMs });
  const taken: number[] = [];
  other.on('checkpoint:claimed', ({ seq }) => taken.push(seq));
  await other.run({ budget: { batches: 6 } });
  expect(taken.length).toBeGreaterThan(0);
  expect(taken.filter((seq) => held.has(seq))).toEqual([]);
  open();
  expect(await run).toMatchObject({ status: 'completed' });
  expect(world.differences()).toEqual({});
});

test('a renewal that waits for its answer is not asked for again, and the next one follows it', async () => {
  const world = new World({ rows: 300, mode: 'insert' });
  const leaseMs = 100;
  const { sink, open } = heldWrites(world);
  const { checkpoints } = sink;
  const renew = checkpoints.renew.bind(checkpoints);
  const answers = Promise.withResolvers<void>();
  const asked = new Map<number, number>();
  checkpoints.renew = async (lease, ...rest) => {
    asked.set(lease.id, (asked.get(lease.id) ?? 0) + 1);
    await answers.promise;
    return await renew(lease, ...rest);
  };
  const most = (): number => Math.max(0, ...asked.values());
  const run = world.migrator({ leaseMs, concurrency: 2 }, undefined, sink).run();
  await expect.poll(most).toBe(1);
  // As where the API's quota is nearly used up.
  await new Promise((resolve) => setTimeout(resolve, leaseMs * 5));
  expect(most()).toBe(1);
  answers.resolve();
  await expect.poll(most).toBeGreaterThan(1);
  open();
  expect(await run).toMatchObject({ status: 'completed' });
  expect(world.differences()).toEqual({});
});

test('what is held ahead is given back where the run ends early', async () => {
  const world = new World({ rows: 300, mode: 'insert' });
  const faults = new CrashPoints();
  const stop = new AbortController();
  const migrator = world.migrator({ concurrency: 2 }, faults);
  let held = 0;
  migrator.on('checkpoint:completed', () => {
    held = inProgress(world).length;
    if (held > 4) stop.abort();
  });
  expect(await migrator.run({ signal: stop.signal })).toMatchObject({ status: 'paused' });
  expect(held).toBeGreaterThan(4);
  expect(inProgress(world)).toEqual([]);
  // Nobody has to wait for a lease.
  expect(await world.migrator().run()).toMatchObject({ status: 'completed' });
  expect(world.differences()).toEqual({});
});

test('what is opened again while the last checkpoints are copied is copied by the same run', async () => {
  const world = new World({ rows: 50, mode: 'upsert' });
  const faults = new CrashPoints();
  const { sink, waiting, open } = heldWrites(world, 12);
  const run = world.migrator({}, faults, sink).run();
  await settled();
  expect(waiting()).toBe(1);
  const [first] = world.database.checkpoints;
  expect(first).toMatchObject({ status: 'completed' });
  await sink.checkpoints.reopen('memory', [first?.id ?? 0]);
  open();
  expect(await run).toMatchObject({ status: 'completed', completedCheckpoints: 6 });
  expect(claims(faults)).toBeGreaterThan(5);
  expect(world.differences()).toEqual({});
});

test('a run that failed at a checkpoint asks whether another one is free', async () => {
  const world = new World({ rows: 50, mode: 'upsert' });
  const faults = new CrashPoints();
  const source = world.source();
  const readPage = source.readPage.bind(source);
  source.readPage = async (request, context) => {
    if (request.upper[0] === '14')
      throw new MigratorError('VALUE_REFUSED', 'This page cannot be read.', { help: 'None.' });
    return await readPage(request, context);
  };
  world.source = () => source;
  const migrator = world.migrator({ retry: { retries: 0 } }, faults);
  await expect(migrator.run()).rejects.toMatchObject({ code: 'CHECKPOINTS_FAILED' });
  // The last one finds nothing.
  expect(claims(faults)).toBe(6);
});
