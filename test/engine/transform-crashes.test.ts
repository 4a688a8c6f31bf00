import { expect, test } from 'vitest';
import { CrashError, CrashPoints, type Moment } from 'resumable-migrator/testing';
import {
  countsOf,
  expectedOf,
  expectedRejects,
  rejectsOf,
  splittingOptions,
  splittingWorld,
} from './splitting.ts';
import { rejection, World, type WorldOptions } from './world.ts';

// As in crash-points.test.ts, with rows that are skipped, become several, or are set aside on their way.

const kinds = [
  { name: 'upsert, exactly once', mode: 'upsert', atomic: true },
  { name: 'append, exactly once', mode: 'insert', atomic: true },
  { name: 'upsert, at least once', mode: 'upsert', atomic: false },
] as const;
const cases = kinds.flatMap((kind) => [1, 2].map((concurrency) => ({ ...kind, concurrency })));
const moments: readonly Moment[] = ['before', 'after'];

function expectWhole(world: World, place: string): void {
  const rejects = expectedRejects(world.rows);
  const expected = expectedOf(world.rows);
  expect(world.differences(expected), place).toEqual({});
  expect(rejectsOf(world), place).toEqual(rejects);
  expect(countsOf(world), place).toEqual({
    processed: world.rows.length,
    written: expected.length,
    rejected: rejects.length,
  });
}

test.each(cases)(
  'a run with a transform that dies at any effect is resumed exactly: $name, concurrency $concurrency',
  async ({ mode, atomic, concurrency }) => {
    const options: WorldOptions = { ...splittingWorld, rows: 60, mode, atomic };
    const tuning = { ...splittingOptions, concurrency };
    const counting = new CrashPoints();
    const whole = new World(options);
    await whole.migrator(tuning, counting).run();
    expectWhole(whole, 'without a crash');
    for (let n = 1; n <= counting.count; n += 1) {
      for (const moment of moments) {
        const world = new World(options);
        const crash = new CrashPoints().at(n, moment);
        expect(await rejection(world.migrator(tuning, crash).run())).toBeInstanceOf(CrashError);
        world.passTime();
        const result = await world.migrator(tuning).run();
        expect(result.status).toBe('completed');
        expectWhole(world, `crash ${moment} effect ${n}`);
      }
    }
    console.log(`${mode}, atomic ${atomic}, concurrency ${concurrency}: ${counting.count * 2} crash points`);
  },
);

test('rejected rows that a crash leaves out would be noticed', async () => {
  const world = new World({ ...splittingWorld, rows: 60, mode: 'upsert' });
  await world.migrator(splittingOptions).run();
  world.database.rejects.pop();
  expect(() => expectWhole(world, 'one reject less')).toThrow('one reject less');
});
