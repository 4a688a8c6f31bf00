import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Rows with a value of every shape in them, copied. */
async function copied(table: string): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (id bigint PRIMARY KEY, n numeric, d double precision, t text, b bytea, f boolean, at timestamptz, j json)`,
    `INSERT INTO ${table} SELECT i, i / 7.0, sin(i), 'text "' || i || '" é😀', decode(md5(i::text), 'hex'), i % 2 = 0,
      '2026-01-01'::timestamptz + i * interval '1.000001 s', ('{"i": ' || i || '}')::json FROM generate_series(1, 5000) AS i`,
    `INSERT INTO ${table} (id) SELECT i FROM generate_series(5001, 5050) AS i`,
  );
  await world.migrator(table, { checkpointSize: 700 }).run();
}

test('every single change of a value is found, in its row and column, and nothing else', async () => {
  await copied('every');
  const migrator = world.migrator('every', { checkpointSize: 700 });
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    equal: true,
    rows: 5050,
    checkedCheckpoints: 8,
  });
  const changes: [column: string, value: string, id: number][] = [
    ['n', `n || '0'`, 11],
    ['d', 'd * (1 + 3e-16)', 2222],
    ['t', 'upper(t)', 33],
    ['t', `t || ' '`, 34],
    ['b', `CAST(substr(b, 1, 15) || x'00' AS BLOB)`, 44],
    ['b', 'hex(b)', 45],
    ['f', '1 - f', 55],
    ['at', `replace(at, 'Z', '+00:00')`, 66],
    ['j', `replace(j, ' ', '')`, 77],
    ['d', 'NULL', 88],
    ['t', `''`, 5010],
    ['f', '0', 5011],
  ];
  for (const [column, value, id] of changes)
    await world.d1(`UPDATE every SET ${column} = ${value} WHERE id = ${id}`);
  const found = await migrator.verify({ mode: 'full' });
  expect(found.counts).toEqual({ missing: 0, different: changes.length, extra: 0 });
  const byId = (a: readonly [string, ...unknown[]], b: readonly [string, ...unknown[]]): number =>
    Number(a[0]) - Number(b[0]);
  expect(found.different.map(({ key, columns }) => [key[0] ?? '', columns] as const).toSorted(byId)).toEqual(
    changes.map(([column, , id]) => [String(id), [column]] as const).toSorted(byId),
  );
  const repaired = await migrator.repair({ mode: 'full' });
  expect(repaired).toMatchObject({ rows: changes.length, after: { equal: true } });
});

test('a row that is lost, one too many inside the plan, one outside it, and two that are swapped are named and mended', async () => {
  await copied('rows');
  await world.d1('DELETE FROM rows WHERE id IN (1, 700, 5050)');
  await world.postgres('DELETE FROM rows WHERE id = 2500');
  await world.d1('INSERT INTO rows (id, t) VALUES (-5, NULL), (99999, NULL)');
  const [ten] = await world.d1('SELECT t FROM rows WHERE id = 10');
  await world.d1('UPDATE rows SET t = (SELECT t FROM rows WHERE id = 20) WHERE id = 10');
  await world.d1(`UPDATE rows SET t = '${String(ten?.['t'])}' WHERE id = 20`);
  const migrator = world.migrator('rows', { checkpointSize: 700 });
  const found = await migrator.verify({ mode: 'full' });
  expect(found).toMatchObject({ equal: false, counts: { missing: 3, different: 2, extra: 3 } });
  expect(found.missing.map(({ key }) => key[0]).toSorted((a = '', b = '') => a.localeCompare(b))).toEqual([
    '1',
    '5050',
    '700',
  ]);
  expect(found.different.map(({ key, columns }) => [key[0], ...columns])).toEqual([
    ['10', 't'],
    ['20', 't'],
  ]);
  expect(found.extra.map(({ key }) => key[0]).toSorted((a = '', b = '') => a.localeCompare(b))).toEqual([
    '-5',
    '2500',
    '99999',
  ]);
  expect(await migrator.repair({ mode: 'full' })).toMatchObject({
    after: { equal: true, rows: 5049, sinkRows: 5049 },
  });
  expect((await migrator.verify()).equal).toBe(true);
  expect(await world.d1('SELECT count(*) AS n FROM rows')).toEqual([{ n: 5049 }]);
});

test('text keys in the order of a language are compared, and rows that only D1 has are found', async () => {
  await world.postgres(
    `CREATE COLLATION IF NOT EXISTS german (provider = icu, locale = 'de-DE')`,
    'CREATE TABLE names (name text COLLATE german PRIMARY KEY, v int)',
    `INSERT INTO names SELECT chr(64 + i % 26) || CASE i % 2 WHEN 0 THEN 'ä' ELSE 'Z' END || i, i FROM generate_series(1, 900) AS i`,
  );
  const migrator = world.migrator('names', { checkpointSize: 100 });
  await migrator.run();
  expect((await migrator.verify({ mode: 'full' })).equal).toBe(true);
  await world.d1(`INSERT INTO names VALUES ('Only here', 1)`);
  await world.d1(`DELETE FROM names WHERE v = 5`);
  await world.d1(`UPDATE names SET v = -1 WHERE v = 6`);
  const found = await migrator.verify({ mode: 'full' });
  expect(found.counts).toEqual({ missing: 1, different: 1, extra: 1 });
  expect(found.extra).toEqual([{ seq: null, key: ['Only here'] }]);
  expect((await migrator.repair({ mode: 'full' })).after.equal).toBe(true);
});

test("a column's own collation or type in D1 does not hide a difference", async () => {
  await world.postgres(
    'CREATE TABLE loose (id int PRIMARY KEY, a text, b int)',
    `INSERT INTO loose VALUES (1, 'Abc', 5), (2, 'x', 6)`,
  );
  await world.d1('CREATE TABLE loose (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b TEXT)');
  const migrator = world.migrator('loose');
  await migrator.run();
  expect((await migrator.verify({ mode: 'full' })).equal).toBe(true);
  await world.d1(`UPDATE loose SET a = 'aBC' WHERE id = 1`);
  expect((await migrator.verify({ mode: 'full' })).different).toEqual([
    { seq: 1, key: ['1'], columns: ['a'] },
  ]);
});

test('large rows are compared as well', async () => {
  await world.postgres(
    'CREATE TABLE heavy (id int PRIMARY KEY, t text, b bytea)',
    `INSERT INTO heavy VALUES (1, 'a', NULL), (2, repeat('"', 1990000), NULL), (3, NULL, decode(repeat('00ff', 990000), 'hex')), (4, 'd', '\\x00')`,
  );
  const migrator = world.migrator('heavy');
  await migrator.run();
  expect((await migrator.verify({ mode: 'full' })).equal).toBe(true);
  await world.d1(`UPDATE heavy SET t = substr(t, 1, 1989999) || 'x' WHERE id = 2`);
  expect((await migrator.verify({ mode: 'full' })).different).toMatchObject([{ key: ['2'], columns: ['t'] }]);
});

test('tables of 100 columns, as many as D1 takes, are copied and compared', async () => {
  const names = Array.from({ length: 99 }, (_, index) => `c${index}`);
  await world.postgres(
    `CREATE TABLE wide (id int PRIMARY KEY, ${names.map((name) => `${name} text`).join(', ')})`,
    `INSERT INTO wide SELECT i, ${names.map((name) => `'${name} ' || i`).join(', ')} FROM generate_series(1, 300) AS i`,
  );
  const migrator = world.migrator('wide');
  await migrator.run();
  expect((await migrator.verify({ mode: 'full' })).equal).toBe(true);
  await world.d1(`UPDATE wide SET c0 = 'x', c98 = NULL WHERE id = 7`);
  await world.d1('DELETE FROM wide WHERE id = 8');
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    missing: [{ key: ['8'] }],
    different: [{ key: ['7'], columns: ['c0', 'c98'] }],
  });
  expect((await migrator.repair({ mode: 'full' })).after.equal).toBe(true);
});

test('verifying writes nothing on either side', async () => {
  const before = await world.d1Contents();
  await world.migrator('every', { checkpointSize: 700 }).verify({ mode: 'full' });
  await world.migrator('every', { checkpointSize: 700 }).verify();
  expect(await world.d1Contents()).toEqual(before);
});

test('decimals that are stored as doubles are compared as doubles, however large they are', async () => {
  await world.postgres(
    'CREATE TABLE doubles (id int PRIMARY KEY, n numeric)',
    `INSERT INTO doubles VALUES (1, 1152921504606846976), (2, -9007199254740993), (3, 1e15), (4, 12345678901234567890123), (5, 0.1), (6, 5)`,
  );
  const migrator = new ResumableMigrator({
    source: world.source('doubles'),
    sink: world.rest('doubles', { store: { n: 'real' } }),
  });
  await migrator.run();
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 6 });
  expect(await world.d1(`SELECT DISTINCT typeof(n) AS t FROM doubles`)).toEqual([{ t: 'real' }]);
  await world.d1('UPDATE doubles SET n = n * 1.0000000000000003 WHERE id = 1');
  expect((await migrator.verify({ mode: 'full' })).different).toMatchObject([{ key: ['1'] }]);
});
