import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    'CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, "Secret" text, city text)',
    `INSERT INTO people SELECT i, 'name ' || i, 'secret', NULLIF('city ' || i % 7, 'city 0') FROM generate_series(1, 500) AS i`,
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

test('columns are left out and renamed, the key too, and the copy is verified and goes on under the new names', async () => {
  const migrator = new ResumableMigrator({
    source: world.source('people', { columns: { id: 'person', name: 'full name', city: true } }),
    sink: world.rest('persons'),
    checkpointSize: 100,
  });
  await migrator.run({ budget: { batches: 2 } });
  await migrator.run();
  const expected = await world.sourceRows('(SELECT id, name, city FROM people) AS p', 'id');
  expect(await world.sinkRows('persons', 'person')).toEqual(expected);
  expect((await world.d1(`SELECT name FROM pragma_table_info('persons')`)).map(({ name }) => name)).toEqual([
    'person',
    'full name',
    'city',
  ]);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 500 });
  await world.d1(`UPDATE persons SET "full name" = 'x' WHERE person = 77`);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    different: [{ key: ['77'], columns: ['full name'] }],
  });
  expect((await migrator.repair({ mode: 'full' })).after.equal).toBe(true);
});

test('a plan made with other names is refused, also where two columns change places', async () => {
  const migrator = (columns: Record<string, string | true>): ResumableMigrator<object, object> =>
    new ResumableMigrator({
      name: 'swapped',
      source: world.source('people', { columns }),
      sink: world.rest('swapped'),
    });
  await migrator({ id: true, name: 'a', city: 'b' }).run();
  await expect(migrator({ id: true, city: 'a', name: 'b' }).run()).rejects.toMatchObject({
    code: 'PLAN_MISMATCH',
  });
});

test.each([
  ['two columns of one name', { id: true, name: 'x', city: 'x' }, 'INVALID_OPTION'],
  ['a column with the name of a key that stays behind', { name: 'id' }, 'INVALID_OPTION'],
  ['an empty name', { id: true, name: '' }, 'INVALID_OPTION'],
  ['no column', {}, 'INVALID_OPTION'],
  ['an unknown column', { id: true, nam: 'x' }, 'SOURCE_COLUMN_NOT_FOUND'],
] as const)('%s is refused, and nothing is written', async (_what, columns, code) => {
  const before = await world.d1Contents();
  const make = async (): Promise<unknown> =>
    await new ResumableMigrator({
      source: world.source('people', { columns }),
      sink: world.rest('refused'),
    }).run();
  await expect(make()).rejects.toMatchObject({ code });
  expect(await world.d1Contents()).toEqual(before);
});
