import { expect, test } from 'vitest';
import { isMigratorError } from 'resumable-migrator';
import { rejection, World } from './world.ts';

function drop(world: World, id: number): void {
  if (!world.table.rows.delete(JSON.stringify([String(id)]))) throw new Error(`there is no row ${id}`);
}

test('a complete copy verifies as equal, and verifying changes nothing', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run();
  const image = world.image();
  expect(await world.migrator().verify()).toEqual({
    migration: 'memory',
    mode: 'count',
    equal: true,
    sourceRows: 35,
    sinkRows: 35,
    rejectedRows: 0,
    checkedCheckpoints: 4,
    uncheckedCheckpoints: 0,
    differences: [],
  });
  expect(await world.migrator().repair()).toMatchObject({
    run: null,
    before: { equal: true },
    after: { equal: true },
  });
  expect(world.image()).toEqual(image);
});

test('rows that are missing are found in their checkpoint, and repair copies that one again', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run();
  drop(world, 7);
  drop(world, 9);
  drop(world, 29);
  const differences = [
    { seq: 2, range: { upper: ['14'] }, sourceRows: 10, sinkRows: 8 },
    { seq: 4, range: { upper: ['29'] }, sourceRows: 5, sinkRows: 4 },
  ];
  expect(await world.migrator().verify()).toMatchObject({ equal: false, sinkRows: 32, differences });
  const migrator = world.migrator();
  const claimed: number[] = [];
  migrator.on('checkpoint:claimed', ({ seq }) => claimed.push(seq));
  const repaired = await migrator.repair();
  expect(repaired).toMatchObject({ before: { differences }, run: { rows: 15 }, after: { equal: true } });
  expect(claimed).toEqual([2, 4]);
  expect(world.differences()).toEqual({});
  expect(world.recorded()).toBe(35);
});

test('rows that came into a range that was copied already are found and mended', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  world.rows.splice(10, 3);
  await world.migrator().run();
  world.rows.push(['5', 'late'], ['6', 'late']);
  expect(await world.migrator().verify()).toMatchObject({
    equal: false,
    differences: [{ seq: 2, sourceRows: 12, sinkRows: 10 }],
  });
  await world.migrator().repair();
  expect(world.differences()).toEqual({});
});

test('rows that only the sink has are reported, and repair leaves them there', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run();
  world.rows.splice(12, 1);
  world.table.rows.set('["4000"]', ['4000', 'outside of every checkpoint']);
  const differences = [{ seq: 2, sourceRows: 9, sinkRows: 10 }];
  expect(await world.migrator().verify()).toMatchObject({
    equal: false,
    sourceRows: 34,
    sinkRows: 36,
    differences,
  });
  expect((await world.migrator().repair()).after).toMatchObject({ equal: false, sinkRows: 36, differences });
  expect(world.differences()).toEqual({ '["7","name 12"]': 1, '["4000","outside of every checkpoint"]': 1 });
});

test('a copy that is not finished is not equal, and says how much was not compared', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run({ budget: { batches: 4 } });
  const verified = {
    equal: false,
    checkedCheckpoints: 1,
    uncheckedCheckpoints: 3,
    differences: [],
    sinkRows: 14,
  };
  expect(await world.migrator().verify()).toMatchObject(verified);
});

test.each(['upsert', 'insert'] as const)(
  'repairing a copy that is not finished finishes it: %s',
  async (mode) => {
    const world = new World({ rows: 35, mode });
    await world.migrator().run({ budget: { batches: 4 } });
    expect(await world.migrator().repair()).toMatchObject({ run: { rows: 21 }, after: { equal: true } });
    expect(world.differences()).toEqual({});
  },
);

test('rows without a key are not copied again, because that would double the others', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  await world.migrator().run();
  const [first] = world.table.rows.keys();
  world.table.rows.delete(first ?? '');
  const image = world.image();
  const error = await rejection(world.migrator().repair());
  if (!isMigratorError(error)) throw error;
  expect(error.code).toBe('VERIFY_UNSUPPORTED');
  expect(world.image()).toEqual(image);
});

test('what was never copied cannot be verified', async () => {
  const error = await rejection(new World({ rows: 35, mode: 'upsert' }).migrator().verify());
  expect(error).toMatchObject({ code: 'PLAN_MISSING' });
});
