import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    `CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    `CREATE COLLATION german (provider = icu, locale = 'de-DE')`,
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Names in an order that no byte order has. */
const names = `CASE i % 4 WHEN 0 THEN 'ä' WHEN 1 THEN 'Z' WHEN 2 THEN 'a' ELSE 'É' END || i`;

test.each(['"C"', 'german', 'blind', '"und-x-icu"', '"unicode"'])(
  'keys in the collation %s are paged, resumed and verified, whatever order D1 has',
  async (collation) => {
    const table = `keys_${collation.replaceAll(/\W/g, '').toLowerCase()}`;
    await world.postgres(
      `CREATE TABLE ${table} (name text COLLATE ${collation} PRIMARY KEY, v int)`,
      `INSERT INTO ${table} SELECT ${names}, i FROM generate_series(1, 1200) AS i`,
    );
    const migrator = (): ReturnType<World['migrator']> =>
      world.migrator(table, { checkpointSize: 100, batchSize: 30, pageSize: 70 });
    for (let runs = 0; (await migrator().run({ budget: { batches: 7 } })).status !== 'completed'; runs += 1) {
      expect(runs).toBeLessThan(20);
    }
    expect(await world.sinkRows(table, 'v')).toEqual(await world.sourceRows(table, 'v'));
    expect(world.stack.api.statistics().rowsChanged[table]).toBe(1200);
    expect(await migrator().verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 1200 });
    await world.d1(`DELETE FROM ${table} WHERE v = 7`);
    await world.d1(`UPDATE ${table} SET v = -1 WHERE v = 8`);
    expect((await migrator().verify({ mode: 'full' })).counts).toEqual({
      missing: 1,
      different: 1,
      extra: 0,
    });
    expect((await migrator().repair({ mode: 'full' })).after.equal).toBe(true);
  },
);

test('a key that becomes an equal one of another case is two rows in D1 until it is repaired, as the plan warned', async () => {
  await world.postgres(
    'CREATE TABLE cased (name text COLLATE blind PRIMARY KEY, v int)',
    `INSERT INTO cased SELECT 'name ' || i, i FROM generate_series(1, 50) AS i`,
  );
  const migrator = world.migrator('cased');
  expect((await migrator.plan()).findings).toMatchObject([{ code: 'KEY_COLLATION', column: 'name' }]);
  await migrator.run();
  await world.postgres(`UPDATE cased SET name = 'NAME 7' WHERE name = 'name 7'`);
  const found = await migrator.verify({ mode: 'full' });
  expect(found).toMatchObject({ missing: [{ key: ['NAME 7'] }], extra: [{ key: ['name 7'] }] });
  expect((await migrator.repair({ mode: 'full' })).after.equal).toBe(true);
});

test('another order of the keys than at planning is noticed: ranges of the old order would lose rows in the new one', async () => {
  await world.postgres(
    'CREATE TABLE reordered (name text COLLATE german PRIMARY KEY, v int)',
    `INSERT INTO reordered SELECT ${names}, i FROM generate_series(1, 300) AS i`,
  );
  const migrator = world.migrator('reordered', { checkpointSize: 50 });
  await migrator.run({ budget: { batches: 2 } });
  await world.postgres('ALTER TABLE reordered ALTER COLUMN name TYPE text COLLATE "C"');
  await expect(migrator.run()).rejects.toMatchObject({
    code: 'PLAN_MISMATCH',
    message: expect.stringContaining('keyOrder was name public.german (icu de-DE') as string,
  });
});

test('the version of the library that orders the keys belongs to the plan', async () => {
  await world.postgres(
    'CREATE TABLE versioned (name text COLLATE german PRIMARY KEY)',
    `INSERT INTO versioned SELECT ${names} FROM generate_series(1, 100) AS i`,
  );
  await world.migrator('versioned').run();
  // What an upgrade of the library would look like: the plan remembers another version.
  await world.d1(
    `UPDATE migration_checkpoints SET plan = replace(plan, 'icu de-DE ', 'icu de-DE 0.') WHERE table_name = 'versioned'`,
  );
  await expect(world.migrator('versioned').run()).rejects.toMatchObject({ code: 'PLAN_MISMATCH' });
});
