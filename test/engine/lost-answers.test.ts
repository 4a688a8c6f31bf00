import { expect, test } from 'vitest';
import { isMigratorError, MigratorError } from 'resumable-migrator';
import { CrashPoints, type EffectName, lostAnswer } from 'resumable-migrator/testing';
import { rejection, World } from './world.ts';

// An answer that never came says nothing about whether the call took effect. The stored checkpoint says it.

const kinds = [
  { name: 'upsert, exactly once', mode: 'upsert', atomic: true },
  { name: 'append, exactly once', mode: 'insert', atomic: true },
  { name: 'upsert, at least once', mode: 'upsert', atomic: false },
] as const;

test.each(kinds)(
  'a lost answer at any effect costs no row and doubles none: $name',
  async ({ mode, atomic }) => {
    const counting = new CrashPoints();
    await new World({ rows: 25, mode, atomic }).migrator({}, counting).run();
    for (let n = 1; n <= counting.count; n += 1) {
      for (const moment of ['before', 'after'] as const) {
        const world = new World({ rows: 25, mode, atomic });
        const faults = new CrashPoints().failAt(n, moment);
        const migrator = world.migrator({ leaseMs: 100 }, faults);
        // A claim whose answer was lost is held by nobody, until its lease ends.
        migrator.on('wait', () => world.passTime());
        const result = await migrator.run();
        const place = `answer lost ${moment} effect ${n}, ${faults.effects[n - 1]}`;
        expect(result.status, place).toBe('completed');
        expect(world.differences(), place).toEqual({});
        expect(world.recorded(), place).toBe(25);
      }
    }
    console.log(`${mode}, atomic ${atomic}: ${counting.count * 2} lost answers`);
  },
);

test.each(kinds)('every ninth answer may be lost: $name', async ({ mode, atomic }) => {
  const world = new World({ rows: 25, mode, atomic });
  const faults = new CrashPoints();
  for (let n = 9; n < 400; n += 9) faults.failAt(n, n % 2 === 0 ? 'before' : 'after');
  const migrator = world.migrator({ leaseMs: 100, retry: { retries: 10, baseMs: 0, maxMs: 0 } }, faults);
  migrator.on('wait', () => world.passTime());
  await migrator.run();
  expect(world.differences()).toEqual({});
});

test('a commit that took effect is not sent again: the checkpoint is read instead', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints().failAt({ effect: 'sink.commit', nth: 2 }, 'after');
  const migrator = world.migrator({}, faults);
  const batches: unknown[] = [];
  migrator.on('batch:committed', ({ cursor, rows, checkpointRows }) =>
    batches.push([cursor, rows, checkpointRows]),
  );
  const result = await migrator.run();
  expect(batches).toEqual([
    [['-2'], 4, 4],
    [['2'], 4, 8],
    [['4'], 2, 10],
  ]);
  expect(result).toMatchObject({ rows: 10, batches: 3 });
  expect(faults.effects.filter((effect) => effect === 'sink.commit')).toHaveLength(3);
});

test('a commit that did not take effect is sent again', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints().failAt({ effect: 'sink.commit', nth: 2 }, 'before');
  const result = await world.migrator({}, faults).run();
  expect(result).toMatchObject({ rows: 10, batches: 3 });
  expect(faults.effects.filter((effect) => effect === 'sink.commit')).toHaveLength(4);
  expect(world.differences()).toEqual({});
});

test.each([0, 2])('the last of %i retries may be the one that took effect', async (retries) => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints();
  for (let nth = 1; nth <= retries; nth += 1) faults.failAt({ effect: 'sink.commit', nth }, 'before');
  faults.failAt({ effect: 'sink.commit', nth: retries + 1 }, 'after');
  const result = await world
    .migrator({ batchSize: 10, pageSize: 10, retry: { retries, baseMs: 0 } }, faults)
    .run();
  expect(result.status).toBe('completed');
  expect(world.differences()).toEqual({});
});

test('a write that never arrives is given up after its retries, although the checkpoint can be read', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints();
  for (let nth = 1; nth <= 20; nth += 1) faults.failAt({ effect: 'sink.commit', nth }, 'before');
  const error = await rejection(world.migrator({}, faults).run());
  expect(error).toMatchObject({ code: 'CHECKPOINTS_FAILED', cause: { code: 'SINK_UNREACHABLE' } });
  expect(faults.effects.filter((effect) => effect === 'sink.commit')).toHaveLength(4);
  expect(world.table.rows.size).toBe(0);
});

test('an answer that stays lost fails the checkpoint with the error of the write', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints();
  const down: readonly EffectName[] = ['sink.commit', 'store.read'];
  for (const effect of down) for (let nth = 1; nth < 20; nth += 1) faults.failAt({ effect, nth }, 'before');
  faults.failAt({ effect: 'sink.commit', nth: 1 }, 'before', lostAnswer().with({ help: 'the write' }));
  const error = await rejection(world.migrator({ retry: { retries: 0 } }, faults).run());
  expect(isMigratorError(error) && error.code).toBe('CHECKPOINTS_FAILED');
  expect(error).toMatchObject({ cause: { code: 'SINK_UNREACHABLE' } });
  world.passTime();
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});

test('an ambiguous error that is not retryable is looked up all the same', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const error = new MigratorError('SINK_PROTOCOL', 'A page of HTML.', { help: 'None.', ambiguous: true });
  for (const moment of ['before', 'after'] as const) {
    const faults = new CrashPoints().failAt({ effect: 'sink.commit', nth: 1 }, moment, error);
    await world.migrator({}, faults).run();
    expect(world.differences()).toEqual({});
  }
});
