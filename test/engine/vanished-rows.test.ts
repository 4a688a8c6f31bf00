import { expect, test } from 'vitest';
import { CrashPoints } from 'resumable-migrator/testing';
import { World } from './world.ts';

// Rows may be deleted in the source between the plan and the copy: their checkpoints have nothing left to write.

/** A planned copy that stands in the middle of its first checkpoint; the rest of it and the second are gone. */
async function started(): Promise<World> {
  const world = new World({ rows: 35, mode: 'insert' });
  await world.migrator().run({ budget: { batches: 1 } });
  world.rows.splice(4, 16);
  return world;
}

test('checkpoints without rows, or without further rows, are completed', async () => {
  const world = await started();
  const migrator = world.migrator();
  const completed: unknown[] = [];
  migrator.on('checkpoint:completed', ({ seq, cursor, rows }) => completed.push([seq, cursor, rows]));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 15, completedCheckpoints: 4 });
  expect(completed).toEqual([
    [1, ['-2'], 4],
    [2, null, 0],
    [3, ['24'], 10],
    [4, ['29'], 5],
  ]);
  expect(world.differences()).toEqual({});
});

test.each(['crash', 'lost answer'] as const)('a %s at any effect of such a run is resumed', async (fault) => {
  const counting = new CrashPoints();
  await (await started()).migrator({}, counting).run();
  expect(counting.effects.filter((effect) => effect === 'store.release')).toHaveLength(2);
  for (let n = 1; n <= counting.count; n += 1) {
    for (const moment of ['before', 'after'] as const) {
      const world = await started();
      const faults = new CrashPoints();
      if (fault === 'crash') faults.at(n, moment);
      else faults.failAt(n, moment);
      const migrator = world.migrator({ leaseMs: 100 }, faults);
      migrator.on('wait', () => world.passTime());
      const first = await migrator.run().catch(() => null);
      expect(first?.status).toBe(fault === 'crash' ? undefined : 'completed');
      world.passTime();
      expect((await world.migrator().run()).status).toBe('completed');
      expect(world.differences(), `${fault} ${moment} effect ${n}`).toEqual({});
      expect(world.recorded()).toBe(19);
    }
  }
});

test('a process that lost a checkpoint without rows does not complete it for the new owner', async () => {
  const world = await started();
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'store.release', nth: 1 }, 'before');
  const frozen = world.migrator({}, faults);
  const lost: number[] = [];
  frozen.on('checkpoint:lost', ({ seq }) => lost.push(seq));
  const run = frozen.run();
  await freeze.reached;
  world.passTime();
  await world.migrator().run();
  freeze.thaw();
  await run;
  expect(lost).toEqual([1]);
  expect(world.differences()).toEqual({});
});
