import { expect, test } from 'vitest';
import { CrashError, CrashPoints, type Moment } from 'resumable-migrator/testing';
import { rejection, World, type WorldOptions } from './world.ts';

// Every effect of a small run is a place to die at. None of them may lose a row or write one twice, whether the
// effect took place or not.

const kinds = [
  { name: 'upsert, exactly once', mode: 'upsert', atomic: true },
  { name: 'append, exactly once', mode: 'insert', atomic: true },
  { name: 'upsert, at least once', mode: 'upsert', atomic: false },
] as const;
const moments: readonly Moment[] = ['before', 'after'];

const cases = kinds.flatMap((kind) => [1, 2].map((concurrency) => ({ ...kind, concurrency })));

async function countEffects(options: WorldOptions, concurrency: number): Promise<number> {
  const world = new World(options);
  const counting = new CrashPoints();
  const result = await world.migrator({ concurrency }, counting).run();
  expect(result.status).toBe('completed');
  expect(world.differences()).toEqual({});
  return counting.count;
}

/** Lets a process die; it must notice. */
async function die(world: World, concurrency: number, crash: CrashPoints): Promise<void> {
  const error = await rejection(world.migrator({ concurrency }, crash).run());
  expect(error).toBeInstanceOf(CrashError);
  world.passTime();
}

test.each(cases)(
  'a run that dies at any effect is resumed without a loss or a double: $name, concurrency $concurrency',
  async ({ mode, atomic, concurrency }) => {
    const options = { rows: 60, mode, atomic };
    const effects = await countEffects(options, concurrency);
    expect(await countEffects(options, concurrency), 'the run is deterministic').toBe(effects);
    for (let n = 1; n <= effects; n += 1) {
      for (const moment of moments) {
        const world = new World(options);
        await die(world, concurrency, new CrashPoints().at(n, moment));
        const result = await world.migrator({ concurrency }).run();
        expect(world.differences(), `crash ${moment} effect ${n}`).toEqual({});
        expect(result.status).toBe('completed');
        expect(world.recorded(), `rows recorded after a crash ${moment} effect ${n}`).toBe(60);
      }
    }
    console.log(`${mode}, atomic ${atomic}, concurrency ${concurrency}: ${effects * 2} crash points`);
  },
);

test.each(cases)(
  'a run that dies, and whose successor dies as well, is resumed: every pair, $name, concurrency $concurrency',
  async ({ mode, atomic, concurrency }) => {
    const options = { rows: 13, mode, atomic };
    const tuning = { concurrency, checkpointSize: 6, batchSize: 3, pageSize: 4 };
    const counting = new CrashPoints();
    await new World(options).migrator(tuning, counting).run();
    let pairs = 0;
    for (let first = 1; first <= counting.count; first += 1) {
      for (const moments2 of moments.flatMap((a) => moments.map((b) => [a, b] as const))) {
        // The second process has fewer effects the later the first one died: go on until it survives.
        for (let second = 1, survived = false; !survived; second += 1) {
          const world = new World(options);
          const place = `crashes ${moments2[0]} effect ${first} and ${moments2[1]} effect ${second}`;
          await rejection(world.migrator(tuning, new CrashPoints().at(first, moments2[0])).run());
          world.passTime();
          const crash = new CrashPoints().at(second, moments2[1]);
          const outcome = await world
            .migrator(tuning, crash)
            .run()
            .catch((error: unknown) => error);
          survived = !crash.crashed;
          if (crash.crashed) {
            pairs += 1;
            expect(outcome, place).toBeInstanceOf(CrashError);
            world.passTime();
            await world.migrator(tuning).run();
          }
          expect(world.differences(), place).toEqual({});
          expect(world.recorded(), place).toBe(13);
        }
      }
    }
    console.log(`${mode}, atomic ${atomic}, concurrency ${concurrency}: ${pairs} pairs of crashes`);
  },
);

test('a crash leaves checkpoints in progress, which another process takes over when their leases end', async () => {
  const world = new World({ rows: 60, mode: 'insert' });
  const crash = new CrashPoints().at({ effect: 'sink.commit', nth: 2 }, 'after');
  const leaseMs = 200; // the wait for the end of a lease is real, even where the database's clock is not
  await rejection(world.migrator({ leaseMs }, crash).run());
  expect(await world.migrator().status()).toMatchObject({
    rows: 8,
    checkpoints: { total: 6, inProgress: 1, pending: 5 },
    next: { seq: 1, cursor: ['2'] },
  });
  const claims: unknown[] = [];
  const waits: number[] = [];
  const successor = world.migrator({ leaseMs });
  successor.on('checkpoint:claimed', ({ seq, cursor, rows }) => claims.push([seq, cursor, rows]));
  successor.on('wait', ({ waitMs }) => {
    waits.push(waitMs);
    world.passTime();
  });
  await successor.run();
  expect(waits).toHaveLength(1);
  expect(claims).toEqual([
    [2, null, 0],
    [3, null, 0],
    [4, null, 0],
    [5, null, 0],
    [6, null, 0],
    [1, ['2'], 8],
  ]);
  expect(world.differences()).toEqual({});
});
