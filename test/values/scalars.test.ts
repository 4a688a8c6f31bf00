import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';
import { scalars, scalarTypes } from './scalars.ts';
import { differences, fill } from './table.ts';

let world: World;
let rows: number;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(...scalarTypes);
  rows = await fill(world, 'scalars', scalars);
  await using migrator = new ResumableMigrator({
    source: world.source('scalars'),
    sink: world.rest('scalars'),
  });
  const result = await migrator.run();
  if (result.rows !== rows) throw new Error(`${result.rows} rows of ${rows}`);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

test(`10,000 values of each of ${scalars.length} types, and their edges, are what PostgreSQL says`, async () => {
  expect(await differences(world, 'scalars', scalars, rows)).toEqual([]);
});

test('one changed bit, a changed type and a lost null are noticed', async () => {
  const changes: readonly (readonly [column: string, change: string])[] = [
    ['float8 near 1', `"float8 near 1" = "float8 near 1" * (1 + pow(2.0, -52))`],
    ['int8', `"int8" = "int8" + 1`],
    ['bytea', `"bytea" = CAST("bytea" || x'00' AS BLOB)`],
    ['text', `"text" = "text" || char(0x301)`],
    ['jsonb', `"jsonb" = "jsonb" || ' '`],
    ['numeric', `"numeric" = "numeric" || '0'`],
    ['uuid', `"uuid" = CAST("uuid" AS BLOB)`],
    ['bool', `"bool" = 1 - "bool"`],
  ];
  for (const [index, [, change]] of changes.entries()) {
    await world.d1(`UPDATE scalars SET ${change} WHERE id = ${4_001 + index}`);
  }
  await world.d1(`UPDATE scalars SET "mood" = '' WHERE id = ${rows}`);
  const found = await differences(world, 'scalars', scalars, rows);
  const seen = found.map(({ id, column }) => `${column} ${id}`);
  const changed = changes.map(([column], index) => `${column} ${4_001 + index}`);
  expect(new Set(seen)).toEqual(new Set([...changed, `mood ${rows}`]));
});

test('a pool and a Kysely instance read the same texts', async () => {
  const db = new Kysely<Record<string, Record<string, unknown>>>({
    dialect: new PostgresDialect({ pool: world.pool }),
  });
  const overPool = world.source('scalars');
  const overKysely = new PostgresKeysetSource({ db, table: 'scalars' });
  expect(await overKysely.describe()).toEqual(await overPool.describe());
  const everything = { lower: null, upper: [String(rows)], limit: rows };
  const [expected, found] = [await overPool.readPage(everything), await overKysely.readPage(everything)];
  expect(found.rows.length).toBe(rows);
  const wrong = found.rows.flatMap((row, place) =>
    row.flatMap((value, index) =>
      value === expected.rows[place]?.[index]
        ? []
        : [[scalars[index - 1]?.name, value, expected.rows[place]?.[index]]],
    ),
  );
  expect(wrong.slice(0, 5)).toEqual([]);
});
