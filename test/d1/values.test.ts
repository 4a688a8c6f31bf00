import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

test('values keep their digits, their bytes and their characters', async () => {
  await world.postgres(
    `CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"')`,
    `CREATE TABLE typed (id int PRIMARY KEY, big bigint, d double precision, r real, n numeric, b boolean, t text, c char(5),
      u uuid, ts timestamp, tz timestamptz, j json, jb jsonb, by bytea, m mood, day date)`,
    `INSERT INTO typed VALUES
      (1, 9223372036854775807, 0.1, 0.1, 12345678901234567890.123456789, true, E'q"u\\\\o\\te\\n\\r\\u0001', 'ab',
        '6F9619FF-8B86-D011-B42D-00C04FC964FF', '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05.5+05', '{ "a" : 1 }', '{"b":2}', '\\x00ff7f', 'it''s "ok"', '2026-02-28'),
      (2, -9223372036854775808, 1e300, 3e38, -0.000000000000000001, false, 'é😀 漢字', '', NULL, '0001-01-01', '9999-12-31 23:59:59.999999+00', 'null', '[]', '\\x', 'sad', '0001-01-01'),
      (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
  );
  await world.migrator('typed').run();
  const rows = await world.d1(
    `SELECT id, CAST(big AS TEXT) AS big, d, r, n, b, t, c, u, ts, tz, j, jb, hex(by) AS by, typeof(by) AS kind, m, day FROM typed ORDER BY id`,
  );
  expect(rows).toEqual([
    {
      id: 1,
      big: '9223372036854775807',
      d: 0.1,
      r: 0.1,
      n: '12345678901234567890.123456789',
      b: 1,
      t: 'q"u\\o\te\n\r\u0001',
      c: 'ab   ',
      u: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
      ts: '2026-01-02T03:04:05.123456',
      tz: '2026-01-01T22:04:05.5Z',
      j: '{ "a" : 1 }',
      jb: '{"b": 2}',
      by: '00FF7F',
      kind: 'blob',
      m: 'it\'s "ok"',
      day: '2026-02-28',
    },
    {
      id: 2,
      big: '-9223372036854775808',
      d: 1e300,
      r: 3e38,
      n: '-0.000000000000000001',
      b: 0,
      t: 'é😀 漢字',
      c: '     ',
      u: null,
      ts: '0001-01-01T00:00:00',
      tz: '9999-12-31T23:59:59.999999Z',
      j: 'null',
      jb: '[]',
      by: '',
      kind: 'blob',
      m: 'sad',
      day: '0001-01-01',
    },
    {
      id: 3,
      big: null,
      d: null,
      r: null,
      n: null,
      b: null,
      t: null,
      c: null,
      u: null,
      ts: null,
      tz: null,
      j: null,
      jb: null,
      by: '',
      kind: 'null',
      m: null,
      day: null,
    },
  ]);
});

test('the stored form does not depend on the settings of the server or the role', async () => {
  await world.postgres(
    'CREATE TABLE set1 (id int PRIMARY KEY, tz timestamptz, d double precision, by bytea, i interval)',
    `INSERT INTO set1 VALUES (1, '2026-07-01 12:00:00.25+00', 0.1::float8 + 0.2, '\\x0102', '1 day 02:00:00')`,
    'CREATE TABLE set2 AS SELECT * FROM set1',
    'ALTER TABLE set2 ADD PRIMARY KEY (id)',
  );
  await world.migrator('set1').run();
  for (const setting of [
    `datestyle = 'German'`,
    `timezone = 'America/New_York'`,
    `bytea_output = 'escape'`,
    `intervalstyle = 'sql_standard'`,
    'extra_float_digits = -3',
  ]) {
    await world.postgres(`ALTER ROLE postgres SET ${setting}`);
  }
  const { PostgresKeysetSource } = await import('resumable-migrator/postgres');
  const { ResumableMigrator } = await import('resumable-migrator');
  const source = new PostgresKeysetSource({ connectionString: world.stack.env.DATABASE_URL, table: 'set2' });
  await using migrator = new ResumableMigrator({ source, sink: world.rest('set2') });
  await migrator.run();
  await world.postgres('ALTER ROLE postgres RESET ALL');
  expect(await world.d1('SELECT d FROM set1')).toEqual([{ d: 0.1 + 0.2 }]);
  expect(await world.d1('SELECT d FROM set2')).toEqual([{ d: 0.1 + 0.2 }]);
  const first = await world.sinkRows('set1', 'id');
  expect(await world.sinkRows('set2', 'id')).toEqual(first);
  expect(first).toEqual([['1', '2026-07-01T12:00:00.25Z', '0.3', '\u0001\u0002', 'P1DT2H']]);
});

test('rows of almost 2,000,000 bytes are copied, however long their JSON would be', async () => {
  await world.postgres(
    'CREATE TABLE big (id int PRIMARY KEY, body text, blob bytea, note text)',
    `INSERT INTO big SELECT i, 'small', '\\x00', 'n' FROM generate_series(1, 20) AS i`,
    `INSERT INTO big VALUES (21, repeat('"', 1999000), NULL, 'quotes'), (22, NULL, decode(repeat('00ff', 990000), 'hex'), 'bytes'), (23, repeat('é', 999000), '\\x01', 'accents'), (24, 'after', '\\x02', 'end')`,
  );
  expect(await world.migrator('big').run()).toMatchObject({ status: 'completed', rows: 24 });
  const { rows } = await world.pool.query(
    `SELECT id, octet_length(body) AS body, md5(body) AS text, octet_length(blob) AS blob, note FROM big WHERE id > 20 ORDER BY id`,
  );
  expect(
    await world.d1(
      `SELECT id, length(CAST(body AS BLOB)) AS body, length(blob) AS blob, note FROM big WHERE id > 20 ORDER BY id`,
    ),
  ).toEqual(rows.map(({ id, body, blob, note }: Record<string, unknown>) => ({ id, body, blob, note })));
  expect(await world.d1(`SELECT replace(body, '"', '') = '' AS same FROM big WHERE id = 21`)).toEqual([
    { same: 1 },
  ]);
  expect(
    await world.d1(
      `SELECT hex(substr(blob, 1, 4)) AS start, hex(substr(blob, -4)) AS finish, length(replace(hex(substr(blob, 1, 400000)), '00FF', '')) AS rest FROM big WHERE id = 22`,
    ),
  ).toEqual([{ start: '00FF00FF', finish: '00FF00FF', rest: 0 }]);
});

test('a value without an exact form is refused with its key, and what was before it is kept', async () => {
  await world.postgres(
    'CREATE TABLE odd (id int PRIMARY KEY, d double precision)',
    `INSERT INTO odd SELECT i, i FROM generate_series(1, 50) AS i`,
    `INSERT INTO odd VALUES (51, 'NaN')`,
  );
  const error = await world
    .migrator('odd', { batchSize: 10 })
    .run()
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'CHECKPOINTS_FAILED',
    cause: { code: 'VALUE_REFUSED', place: { migration: 'odd', checkpoint: 1, key: ['51'] } },
  });
  expect(
    await world.d1(
      "SELECT status, records_processed, error_message FROM migration_checkpoints WHERE table_name = 'odd'",
    ),
  ).toEqual([
    {
      status: 'failed',
      records_processed: 50,
      error_message: expect.stringMatching(/^VALUE_REFUSED: .*NaN.*key 51/) as string,
    },
  ]);
  await world.postgres('UPDATE odd SET d = 51 WHERE id = 51');
  expect(await world.migrator('odd', { batchSize: 10 }).run()).toMatchObject({
    status: 'completed',
    rows: 1,
  });
});

test('a float keeps all its digits in a column of texts that was there before, and full verification sees each of them', async () => {
  await world.postgres(
    'CREATE TABLE texts (id int PRIMARY KEY, d double precision)',
    'INSERT INTO texts VALUES (1, 0.1::float8 + 0.2), (2, 1e300), (3, 3), (4, NULL)',
  );
  await world.d1('CREATE TABLE texts (id INTEGER PRIMARY KEY, d TEXT)');
  const migrator = world.migrator('texts');
  expect((await migrator.plan()).findings).toEqual([]);
  await migrator.run();
  expect(await world.d1('SELECT d FROM texts ORDER BY id')).toEqual([
    { d: '0.30000000000000004' },
    { d: '1e+300' },
    { d: '3' },
    { d: null },
  ]);
  expect((await migrator.verify({ mode: 'full' })).equal).toBe(true);
  await world.d1(`UPDATE texts SET d = '0.3' WHERE id = 1`);
  expect((await migrator.verify({ mode: 'full' })).counts.different).toBe(1);
});

test('the plan names the columns of an existing table that would change values, and types that nobody knows', async () => {
  await world.postgres(
    `CREATE TABLE lossy (id bigint PRIMARY KEY, n numeric, t text, big bigint, ok numeric, d date, u uuid, p pg_lsn)`,
    `INSERT INTO lossy VALUES (1, 12.50, '007', 9007199254740993, 12.50, '2026-01-02', gen_random_uuid(), '0/1')`,
  );
  await world.d1(
    'CREATE TABLE lossy (id INTEGER PRIMARY KEY, n DECIMAL(10,2), t INT, big REAL, ok TEXT, d DATETIME, u VARCHAR(36), p TEXT)',
  );
  const { findings } = await world.migrator('lossy').plan();
  expect(findings.map(({ severity, column }) => [severity, column])).toEqual([
    ['warning', 'n'],
    ['warning', 't'],
    ['warning', 'big'],
  ]);
  // What the plan said would happen, happens.
  await world.migrator('lossy').run();
  expect(
    await world.d1('SELECT n, t, CAST(big AS INTEGER) = 9007199254740993 AS big, ok, d FROM lossy'),
  ).toEqual([{ n: 12.5, t: 7, big: 0, ok: '12.50', d: '2026-01-02' }]);
});
