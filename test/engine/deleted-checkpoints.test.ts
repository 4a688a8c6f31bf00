import { expect, test } from 'vitest';
import type { MemorySink } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { rejection, World } from './world.ts';

/** What a run says whose checkpoints were deleted under it. */
const incomplete = (gone: string): object => ({
  code: 'PLAN_INCOMPLETE',
  retryable: false,
  summary: expect.stringMatching(
    new RegExp(`^${gone} checkpoints that this run knew are not in the store any more: .*reset\\(\\)`),
  ),
  help: expect.stringMatching(/^Run again: .*planned and copied anew/),
  place: { migration: 'memory' },
  result: { status: 'failed', reason: null },
});

/** A sink that makes something after the copy, and counts how often. */
function finishing(world: World): { readonly sink: MemorySink; readonly finished: () => number } {
  const sink = world.sink();
  const prepare = sink.prepare.bind(sink);
  let finished = 0;
  sink.prepare = async (...args) =>
    Object.assign(await prepare(...args), { finish: () => Promise.resolve(void (finished += 1)) });
  return { sink, finished: () => finished };
}

/** A migrator that adds to every name which version made it. */
const versioned = (version: string): object => ({
  transform: {
    version,
    map: (row: Record<string, unknown>) => ({ ...row, name: `${String(row['name'])} by ${version}` }),
  },
});

/** How many rows of the sink each version made. */
function versions(world: World): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const row of world.table.rows.values()) {
    const version = row[1]?.split(' by ')[1] ?? '';
    counts[version] = (counts[version] ?? 0) + 1;
  }
  return counts;
}

test.each([
  ['while it writes', { effect: 'sink.commit', nth: 2 }],
  ['while it copies its last checkpoint', { effect: 'sink.commit', nth: 9 }],
  ['between two of its checkpoints', { effect: 'store.claim', nth: 2 }],
  ['before its first claim', { effect: 'store.claim', nth: 1 }],
  ['before its last look at the checkpoints', { effect: 'store.summarize', nth: 1 }],
] as const)(
  'a run whose migration is reset %s is not completed: it says so, and the next one copies everything',
  async (_when, point) => {
    const world = new World({ rows: 30, mode: 'upsert' });
    const faults = new CrashPoints();
    const freeze = faults.freezeAt(point, 'before');
    const { sink, finished } = finishing(world);
    const run = rejection(world.migrator({}, faults, sink).run());
    await freeze.reached;
    await world.migrator().reset();
    freeze.thaw();
    expect(await run).toMatchObject(incomplete('3 of 3'));
    expect(finished()).toBe(0);
    expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 30 });
    expect(world.differences()).toEqual({});
  },
);

test('a run that found its plan in the store notices as well that it is reset', async () => {
  const world = new World({ rows: 30, mode: 'upsert' });
  await world.migrator().run({ budget: { batches: 3 } });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'store.claim', nth: 1 }, 'before');
  const run = rejection(world.migrator({}, faults).run());
  await freeze.reached;
  await world.migrator().reset();
  freeze.thaw();
  expect(await run).toMatchObject(incomplete('3 of 3'));
});

test.each([
  ['the pending ones', 1, 4, '4 of 5'],
  ['some in the middle', 2, 2, '2 of 5'],
  ['the last', 4, 1, '1 of 5'],
])(
  'a run of which %s are deleted is not completed, whatever is complete of the others',
  async (_which, first, count, gone) => {
    const world = new World({ rows: 50, mode: 'upsert' });
    const { sink, finished } = finishing(world);
    const migrator = world.migrator({}, undefined, sink);
    migrator.once('checkpoint:completed', () => world.database.checkpoints.splice(first, count));
    const error = await rejection(migrator.run());
    expect(error).toMatchObject(incomplete(gone));
    expect(error).toMatchObject({ result: { progress: { checkpoints: { completed: 5 - count } } } });
    expect(finished()).toBe(0);
  },
);

test('a run whose checkpoint without rows is deleted does not complete it, and copies nothing else', async () => {
  const world = new World({ rows: 30, mode: 'upsert' });
  await world.migrator().run({ budget: { batches: 1 } });
  world.rows.splice(4, 6);
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'store.release', nth: 1 }, 'before');
  const run = rejection(world.migrator({}, faults).run());
  await freeze.reached;
  await world.migrator().reset();
  // It has planned all, and completed the first.
  await world.migrator().run({ budget: { batches: 3 } });
  const checkpoints = structuredClone(world.database.checkpoints);
  expect(checkpoints.map(({ status }) => status)).toEqual(['completed', 'pending', 'pending']);
  freeze.thaw();
  expect(await run).toMatchObject(incomplete('1 of 3'));
  expect(world.database.checkpoints).toEqual(checkpoints);
});

test.each([
  // What the old one could take next: a checkpoint that it has never held, and one that it has.
  ['while it writes', { effect: 'sink.commit', nth: 2 }, 3, 4],
  ['between two of its checkpoints', { effect: 'store.claim', nth: 2 }, 1, 10],
] as const)(
  'a run whose migration is reset and planned anew %s copies nothing into the plan of the other',
  async (_when, point, batches, rows) => {
    const world = new World({ rows: 30, mode: 'upsert' });
    const faults = new CrashPoints();
    const freeze = faults.freezeAt(point, 'before');
    const run = rejection(world.migrator(versioned('1'), faults).run());
    await freeze.reached;
    expect(versions(world)).toEqual({ 1: rows });
    await world.migrator().reset();
    await world.migrator(versioned('2')).run({ budget: { batches } });
    const written = versions(world);
    const states = world.database.checkpoints.map(({ status }) => status);
    freeze.thaw();
    expect(await run).toMatchObject(incomplete('1 of 3'));
    expect(versions(world)).toEqual(written);
    expect(world.database.checkpoints.map(({ status }) => status)).toEqual(states);
    expect(await world.migrator(versioned('2')).run()).toMatchObject({ status: 'completed' });
    expect(versions(world)).toEqual({ 2: 30 });
  },
);

test('a run beside which another lengthens the plan and copies what came is completed', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'store.summarize', nth: 1 }, 'before');
  const run = world.migrator({}, faults).run();
  await freeze.reached;
  world.rows.push(['1000', 'late'], ['1001', 'later']);
  expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 2 });
  freeze.thaw();
  expect(await run).toMatchObject({ status: 'completed', rows: 25, progress: { checkpoints: { total: 4 } } });
  expect(world.differences()).toEqual({});
});

test('a run that is stopped says that it is paused, also where checkpoints were deleted', async () => {
  const world = new World({ rows: 50, mode: 'upsert' });
  const migrator = world.migrator();
  const stopped = new AbortController();
  migrator.once('checkpoint:completed', () => {
    world.database.checkpoints.splice(1, 4);
    stopped.abort();
  });
  expect(await migrator.run({ signal: stopped.signal })).toMatchObject({
    status: 'paused',
    reason: 'signal',
  });
});

test('status() counts the checkpoints that are missing in the middle, and so does not take the copy for complete', async () => {
  const world = new World({ rows: 50, mode: 'upsert' });
  await world.migrator().run();
  world.database.checkpoints.splice(1, 2);
  expect(await world.migrator().status()).toMatchObject({
    checkpoints: { total: 5, completed: 3, pending: 0 },
    percent: 60,
  });
  expect(await rejection(world.migrator().run())).toMatchObject({ code: 'PLAN_INCOMPLETE' });
});
