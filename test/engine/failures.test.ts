import { expect, test } from 'vitest';
import { isMigratorError, MigratorError, type RetryEvent, type TextRow } from 'resumable-migrator';
import { CrashPoints, type EffectName } from 'resumable-migrator/testing';
import { rejection, someRows, World } from './world.ts';

const busy = new MigratorError('SINK_OVERLOADED', 'Too busy.', { help: 'Wait.', retryable: true });
const broken = new MigratorError('SINK_FAILED', 'no such thing: "x"', { help: 'Look at x.' });

/** Fails `effect` for each of these calls. */
function failing(effect: EffectName, calls: readonly number[], error: unknown): CrashPoints {
  const faults = new CrashPoints();
  for (const nth of calls) faults.failAt({ effect, nth }, 'before', error);
  return faults;
}

test.each([
  'source.describe',
  'source.readPage',
  'sink.prepare',
  'store.claim',
  'sink.commit',
  'store.append',
] as const)('a retryable error of %s is tried again after a delay, and the run succeeds', async (effect) => {
  const world = new World({ rows: 10, mode: 'insert' });
  const migrator = world.migrator({}, failing(effect, [1, 2, 3], busy));
  const retries: RetryEvent[] = [];
  migrator.on('retry', (retry) => retries.push(retry));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 10 });
  expect(retries.map(({ attempt, code, message }) => [attempt, code, message])).toEqual(
    [1, 2, 3].map((attempt) => [attempt, 'SINK_OVERLOADED', 'Too busy.']),
  );
  expect(world.differences()).toEqual({});
});

test('delays grow up to their limit, are random, and are never shorter than the other side asks for', async () => {
  const delays = async (retryAfterMs?: number): Promise<number[]> => {
    const error = new MigratorError('SINK_RATE_LIMITED', 'Slow down.', {
      help: 'Wait.',
      retryable: true,
      retryAfterMs,
    });
    const retry = { retries: 5, baseMs: 2, maxMs: 8 };
    const migrator = new World({ rows: 1, mode: 'insert' }).migrator(
      { retry },
      failing('sink.commit', [1, 2, 3, 4, 5], error),
    );
    const found: number[] = [];
    migrator.on('retry', ({ delayMs }) => found.push(delayMs));
    await migrator.run();
    return found;
  };
  const ceilings = [2, 4, 8, 8, 8];
  for (const [index, delayMs] of (await delays()).entries())
    expect(delayMs).toBeLessThanOrEqual(ceilings[index] ?? 0);
  for (const delayMs of await delays(20)) expect(delayMs).toBe(20);
});

test('a checkpoint whose retries are used up fails, the others are copied, and the next run tries it again', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  // The second write of the second checkpoint, and its three retries.
  const migrator = world.migrator({}, failing('sink.commit', [5, 6, 7, 8], busy));
  const failed: unknown[] = [];
  migrator.on('checkpoint:failed', (failure) => failed.push(failure));
  const error = await rejection(migrator.run());
  if (!isMigratorError(error)) throw error;
  expect(error.code).toBe('CHECKPOINTS_FAILED');
  expect(error.message).toContain('1 checkpoint failed');
  expect(error.message).toContain('Too busy.');
  expect(error.help).toContain('run again');
  expect(error.retryable, 'the sink may be less busy later').toBe(true);
  const failure = { seq: 2, cursor: ['8'], code: 'SINK_OVERLOADED' };
  expect(error.result).toMatchObject({
    status: 'failed',
    reason: null,
    rows: 29,
    completedCheckpoints: 3,
    failures: [failure],
    progress: { rows: 29, checkpoints: { total: 4, completed: 3, failed: 1 }, failures: [failure] },
  });
  expect(failed).toMatchObject([failure]);
  expect(world.database.checkpoints[1]?.errorMessage).toMatch(/^SINK_OVERLOADED: .*checkpoint 2/);

  const next = world.migrator();
  const claimed: number[] = [];
  next.on('checkpoint:claimed', ({ seq }) => claimed.push(seq));
  expect(await next.run()).toMatchObject({ status: 'completed', rows: 6, completedCheckpoints: 1 });
  expect(claimed).toEqual([2]);
  expect(world.differences()).toEqual({});
  expect((await next.status()).failures).toEqual([]);
});

test('a checkpoint at which a run fails again, as another has failed at it meanwhile, is one failure', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const faults = failing('source.readPage', [1, 4], broken);
  const migrator = world.migrator({}, faults);
  const failed: number[] = [];
  migrator.on('checkpoint:failed', ({ seq }) => failed.push(seq));
  // As if another run had tried, and failed last.
  migrator.once('checkpoint:completed', () => {
    const [first] = world.database.checkpoints;
    if (first) first.owner = 'another';
  });
  expect(await rejection(migrator.run())).toMatchObject({
    code: 'CHECKPOINTS_FAILED',
    summary: expect.stringMatching(/^1 checkpoint failed/),
    result: { failures: [{ seq: 1 }], progress: { checkpoints: { completed: 3, failed: 1 } } },
  });
  expect(failed).toEqual([1, 1]);
});

test('an error that is not retryable fails its checkpoint at once', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const faults = failing('source.readPage', [1], broken);
  const migrator = world.migrator({}, faults);
  const retries: unknown[] = [];
  migrator.on('retry', (retry) => retries.push(retry));
  const error = await rejection(migrator.run());
  expect(error).toMatchObject({
    code: 'CHECKPOINTS_FAILED',
    retryable: false,
    result: { completedCheckpoints: 3 },
  });
  expect(retries).toEqual([]);
  const progress = await world.migrator().status();
  expect(progress.failures).toMatchObject([{ seq: 1, code: 'SINK_FAILED' }]);
  expect(progress.failures[0]?.message).toContain('no such thing: "x"');
});

test('a run in which one failure may pass and another may not is not to be tried again as it is', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const faults = failing('sink.commit', [1, 2, 3, 4], busy);
  faults.failAt({ effect: 'source.readPage', nth: 7 }, 'before', broken);
  const migrator = world.migrator({ concurrency: 1 }, faults);
  const error = await rejection(migrator.run());
  if (!isMigratorError(error)) throw error;
  expect(error.result?.failures.map(({ code }) => code)).toEqual(['SINK_OVERLOADED', 'SINK_FAILED']);
  expect(error.retryable).toBe(false);
});

test.each([
  new MigratorError('SINK_CREDENTIALS', 'No.', { help: 'Renew the token.' }),
  new MigratorError('SINK_QUOTA_EXHAUSTED', 'Full.', { help: 'Wait for tomorrow.' }),
  new TypeError('x is not a function'),
])('an error that no checkpoint can survive stops the run at once: %s', async (fatal) => {
  const world = new World({ rows: 95, mode: 'insert' });
  const faults = failing('sink.commit', [4], fatal);
  const migrator = world.migrator({}, faults);
  const ends: unknown[] = [];
  migrator.on('run:end', (result) => ends.push(result));
  const error = await rejection(migrator.run());
  if (isMigratorError(fatal)) {
    expect(error).toMatchObject({
      code: fatal.code,
      help: fatal.help,
      result: { status: 'failed', rows: 10 },
    });
  } else {
    expect(error).toBe(fatal);
  }
  expect(ends).toMatchObject([{ status: 'failed', rows: 10, completedCheckpoints: 1 }]);
  expect(faults.effects.filter((effect) => effect === 'sink.commit')).toHaveLength(4);
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});

test('an error before the first checkpoint carries a summary too', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const migrator = world.migrator({}, failing('sink.prepare', [1], broken));
  const ends: unknown[] = [];
  migrator.on('run:end', (result) => ends.push(result));
  expect(await rejection(migrator.run())).toMatchObject({
    code: 'SINK_FAILED',
    result: { status: 'failed', rows: 0 },
  });
  expect(ends).toMatchObject([{ status: 'failed' }]);
});

test.each([
  ['cannot be reached', broken, undefined],
  [
    'wants to be asked later than the budget lasts',
    new MigratorError('SINK_RATE_LIMITED', 'Slow down.', {
      help: 'Wait.',
      retryable: true,
      retryAfterMs: 600_000,
    }),
    { milliseconds: 60_000 },
  ],
] as const)(
  'a checkpoint that failed is told where the store %s at the end of the run',
  async (_what, error, budget) => {
    const world = new World({ rows: 35, mode: 'insert' });
    const faults = failing('source.readPage', [1], broken).failAt(
      { effect: 'store.summarize', nth: 1 },
      'before',
      error,
    );
    expect(await rejection(world.migrator({}, faults).run({ budget }))).toMatchObject({
      code: 'CHECKPOINTS_FAILED',
      result: { status: 'failed', reason: null, rows: 25, failures: [{ seq: 1, code: 'SINK_FAILED' }] },
    });
  },
);

const effects = [
  'source.describe',
  'source.readPage',
  'store.append',
  'store.claim',
  'store.summarize',
  'sink.commit',
] as const;
test.each(effects.flatMap((effect) => [null, 0, 'boom'].map((value) => ({ effect, value }))))(
  'a run whose $effect rejects with $value rejects with the same, and is not completed',
  { timeout: 10_000 },
  async ({ effect, value }) => {
    const world = new World({ rows: 25, mode: 'insert' });
    const fault = failing(effect, [1], value);
    const migrator = world.migrator({}, fault);
    const ends: unknown[] = [];
    migrator.on('run:end', ({ status }) => ends.push(status));
    const answer = await migrator.run().then(
      () => 'resolved',
      (error: unknown) => ({ error }),
    );
    expect(answer).toEqual({ error: value });
    expect(ends).toEqual(['failed']);
    world.passTime();
    expect(await world.migrator().run()).toMatchObject({ status: 'completed' });
    expect(world.differences()).toEqual({});
  },
);

test('a store that cannot record a failure stops the run', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const faults = failing('source.readPage', [1], broken).failAt(
    { effect: 'store.release', nth: 1 },
    'before',
    broken,
  );
  const error = await rejection(world.migrator({}, faults).run());
  expect(error).toMatchObject({ code: 'SINK_FAILED', result: { completedCheckpoints: 0 } });
  world.passTime();
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});

test('a sink that takes no batch although the checkpoint stands where it begins is not asked for ever', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const sink = world.sink();
  const prepare = sink.prepare.bind(sink);
  let asked = 0;
  sink.prepare = async (...args) => {
    const target = await prepare(...args);
    const commit = target.commit.bind(target);
    target.commit = async (...call) => {
      const [, { from }] = call;
      // Of the second checkpoint no second batch.
      if (from?.[0] !== '8') return await commit(...call);
      asked += 1;
      if (asked > 20) throw broken;
      return 'stale';
    };
    return target;
  };
  const migrator = world.migrator({ retry: { retries: 3, baseMs: 1 } }, undefined, sink);
  const retries: string[] = [];
  migrator.on('retry', ({ code }) => retries.push(code));
  expect(await rejection(migrator.run())).toMatchObject({
    code: 'CHECKPOINTS_FAILED',
    retryable: false,
    result: { rows: 19, failures: [{ seq: 2, cursor: ['8'], code: 'SINK_PROTOCOL' }] },
  });
  expect(asked).toBe(4);
  expect(retries).toEqual(['SINK_PROTOCOL', 'SINK_PROTOCOL', 'SINK_PROTOCOL']);
  expect(await world.migrator().run()).toMatchObject({ status: 'completed' });
  expect(world.differences()).toEqual({});
});

test('a sink that cannot take so many rows at once gets half as many, for the rest of the run', async () => {
  const world = new World({ rows: 60, mode: 'insert' });
  const tooMuch = new MigratorError('SINK_OVERLOADED', 'Too much at once.', { help: 'Less.', shrink: true });
  const migrator = world.migrator(
    { checkpointSize: 30, batchSize: 16, pageSize: 100 },
    failing('sink.commit', [2, 3], tooMuch),
  );
  const sizes: number[] = [];
  migrator.on('batch:committed', ({ rows }) => sizes.push(rows));
  await migrator.run();
  // The second batch held the remaining 14 rows: then 7, then 4.
  expect(sizes).toEqual([16, 4, 4, 4, 2, 4, 4, 4, 4, 4, 4, 4, 2]);
  expect(world.differences()).toEqual({});
});

test('once the sink has taken some batches, larger ones are tried again', async () => {
  const world = new World({ rows: 300, mode: 'insert' });
  const tooMuch = new MigratorError('SINK_OVERLOADED', 'Too much at once.', { help: 'Less.', shrink: true });
  const migrator = world.migrator(
    { checkpointSize: 300, batchSize: 16, pageSize: 100 },
    failing('sink.commit', [1, 2], tooMuch),
  );
  const sizes: number[] = [];
  migrator.on('batch:committed', ({ rows }) => sizes.push(rows));
  await migrator.run();
  // From 16 to 4; after 20 batches of 4 rows 8 are tried, and after 20 of those as many as the host asks for.
  expect(sizes.indexOf(8)).toBeGreaterThanOrEqual(20);
  expect(sizes.indexOf(8)).toBeLessThanOrEqual(22);
  expect(sizes.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 4));
  expect(Math.max(...sizes)).toBe(16);
  expect(world.differences()).toEqual({});
});

test('a single row that the sink cannot take is named by its key', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const tooMuch = new MigratorError('SINK_OVERLOADED', 'Too much at once.', { help: 'Less.', shrink: true });
  const calls = Array.from({ length: 20 }, (_, index) => index + 2);
  const error = await rejection(world.migrator({}, failing('sink.commit', calls, tooMuch)).run());
  expect(error).toMatchObject({
    code: 'CHECKPOINTS_FAILED',
    cause: { code: 'SINK_OVERLOADED', place: { key: ['-1'] } },
  });
  expect(world.recorded()).toBe(4);
});

test('a row that is too large fails its checkpoint with its key, and what came before it is in', async () => {
  const rows: TextRow[] = someRows(25);
  rows[14] = ['9', 'x'.repeat(101)];
  const world = new World({ rows, mode: 'insert', maxRowBytes: 100 });
  const error = await rejection(world.migrator().run());
  const place = { migration: 'memory', checkpoint: 2, key: ['9'] };
  expect(error).toMatchObject({ code: 'CHECKPOINTS_FAILED', cause: { code: 'ROW_TOO_LARGE', place } });
  expect(error).toMatchObject({ result: { completedCheckpoints: 2 } });
  world.rows[14] = ['9', 'shorter now'];
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});
