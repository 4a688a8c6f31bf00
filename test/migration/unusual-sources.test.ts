import {
  Kysely,
  CamelCasePlugin,
  ParseJSONResultsPlugin,
  PostgresDialect,
  type RawBuilder,
  sql,
} from 'kysely';
import { ResumableMigrator } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { poolOf } from '../support/pool.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

async function keysInD1(table: string, key = 'id'): Promise<unknown[]> {
  return (await world.d1(`SELECT ${key} AS key FROM ${table} ORDER BY ${key}`)).map((row) => row['key']);
}

describe('parameters of `where` mean the same for counting and for reading', () => {
  const bytes = Buffer.from([0x80]);
  const instant = new Date('2026-03-01T00:00:00.000Z');
  const filters: [string, RawBuilder<unknown>, number[]][] = [
    ['a null', sql`tenant IS NOT DISTINCT FROM ${null}::text`, [1, 3, 5]],
    ['bytes', sql`hash >= ${bytes}`, [5, 6]],
    ['an instant', sql`at < ${instant}`, [1, 2, 3]],
    ['a list', sql`id = ANY(${[2, 5]}::int[])`, [2, 5]],
    ['a list of texts', sql`note = ANY(${['a"b', 'c\\d', 'x, y', 'NULL']}::text[])`, [1, 2, 3, 4]],
    ['an object', sql`${{ a: 1 }}::jsonb @> '{"a":1}' AND id > ${4}`, [5, 6]],
    ['a boolean and a bigint', sql`${true}::boolean AND id = ${6n}`, [6]],
  ];

  beforeAll(async () => {
    await world.postgres(
      'CREATE TABLE filtered (id int PRIMARY KEY, tenant text, hash bytea, at timestamptz, note text)',
      `INSERT INTO filtered VALUES
        (1, NULL, '\\x0001', '2026-01-01Z', 'a"b'), (2, 'null', '\\x0100', '2026-02-01Z', 'c\\d'), (3, NULL, '\\x01fe', '2026-02-28Z', 'x, y'),
        (4, 'a', '\\x01ff', '2026-03-01Z', 'NULL'), (5, NULL, '\\xef', '2026-04-01Z', NULL), (6, 'b', '\\xff', '2026-05-01Z', '{}')`,
    );
  });

  test.each(filters)('%s', async (name, where, ids) => {
    const migrator = world.migrator('filtered', { name, source: { where } });
    const plan = await migrator.plan({ exactCount: true });
    expect(plan.totalRows).toBe(ids.length);
    await world.d1('DROP TABLE IF EXISTS filtered');
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: ids.length });
    expect(await keysInD1('filtered')).toEqual(ids);
  });

  test('a run with another instant, or with null for a text of that name, is another plan', async () => {
    const run = (name: string, where: RawBuilder<unknown>) =>
      world.migrator('filtered', { name, source: { where } }).run({ budget: { rows: 1 } });
    await run('instants', sql`at < ${instant}`);
    const later = new Date(instant.getTime() + 1);
    await expect(run('instants', sql`at < ${later}`)).rejects.toMatchObject({ code: 'PLAN_MISMATCH' });
    await run('nulls', sql`tenant IS DISTINCT FROM ${null}::text`);
    const text = sql`tenant IS DISTINCT FROM ${'null'}::text`;
    await expect(run('nulls', text)).rejects.toMatchObject({ code: 'PLAN_MISMATCH' });
  });
});

describe('a column that PostgreSQL says is not null, and has nulls', () => {
  beforeAll(async () => {
    await world.postgres(
      'CREATE TABLE unvalidated (k int UNIQUE, v text)',
      "INSERT INTO unvalidated VALUES (1, 'a'), (NULL, 'lost'), (2, NULL)",
      'ALTER TABLE unvalidated ADD CONSTRAINT k_there NOT NULL k NOT VALID, ADD CONSTRAINT v_there NOT NULL v NOT VALID',
      'CREATE DOMAIN there AS int NOT NULL',
      'CREATE TABLE of_domain (k there UNIQUE, v text)',
      "INSERT INTO of_domain VALUES (1, 'a')",
      "INSERT INTO of_domain (k, v) VALUES ((SELECT k FROM of_domain WHERE false), 'lost')",
    );
  });

  test.each(['unvalidated', 'of_domain'])('is no key: %s', async (table) => {
    const run = world.migrator(table, { source: { key: ['k'] } }).run();
    await expect(run).rejects.toMatchObject({ code: 'SOURCE_KEY_NULLABLE' });
  });

  test('travels with its nulls', async () => {
    await world.postgres(
      'ALTER TABLE unvalidated ADD COLUMN id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
    );
    expect(await world.migrator('unvalidated').run()).toMatchObject({ status: 'completed', rows: 3 });
    expect(await world.sinkRows('unvalidated', 'id')).toEqual(await world.sourceRows('unvalidated', 'id'));
  });

  test('is a key once the constraint is validated', async () => {
    await world.postgres(
      'DELETE FROM unvalidated WHERE k IS NULL',
      'ALTER TABLE unvalidated VALIDATE CONSTRAINT k_there',
    );
    const options = { name: 'validated', source: { key: ['k'], columns: ['k'] } };
    expect((await world.migrator('unvalidated', options).plan()).totalRows).toBe(2);
  });
});

describe('a pool of the host', () => {
  test('may have settings that would change a key on its way back', async () => {
    await world.postgres(
      'CREATE TABLE of_lists (id text[] PRIMARY KEY, note text)',
      "INSERT INTO of_lists SELECT ARRAY[NULL, 'n' || g], 'ä' || g FROM generate_series(1, 9) AS g",
    );
    const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL });
    pool.on(
      'connect',
      (client) => void client.query("SET array_nulls = off; SET client_encoding = 'LATIN1'"),
    );
    const source = new PostgresKeysetSource({ pool, table: 'of_lists' });
    const migrator = new ResumableMigrator({ source, sink: world.rest('of_lists'), pageSize: 2 });
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 9 });
    const rows = await world.d1('SELECT note FROM of_lists ORDER BY note');
    expect(rows.map(({ note }) => note)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `ä${n}`));
    await pool.end();
  });

  test.each(['uuid', 'date', 'bytea', 'bigint'])(
    'may read values in binary form: keys of type %s',
    async (type) => {
      const table = `binary_${type}`;
      const value = {
        uuid: 'gen_random_uuid()',
        date: "DATE '2026-01-01' + g",
        bytea: "decode(lpad(to_hex(g * 1000), 8, '0'), 'hex')",
        bigint: 'g::bigint * 1000000007',
      }[type];
      await world.postgres(
        `CREATE TABLE ${table} (id ${type} PRIMARY KEY, v int)`,
        `INSERT INTO ${table} SELECT ${value}, g FROM generate_series(1, 25) AS g`,
      );
      const binary = { connectionString: world.stack.env.DATABASE_URL, binary: true };
      const pool = poolOf(binary);
      const source = new PostgresKeysetSource({ pool, table });
      const migrator = new ResumableMigrator({ source, sink: world.rest(table), checkpointSize: 10 });
      expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 25 });
      expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 25 });
      await pool.end();
    },
  );

  test('whose driver gives no texts is refused', async () => {
    await world.postgres('CREATE TABLE typed (id int PRIMARY KEY)', 'INSERT INTO typed VALUES (1)');
    const pool = {
      connect: async () => {
        const client = await world.pool.connect();
        const query = async ({ text, values }: { text: string; values: unknown[] }) =>
          await client.query({ text, values, rowMode: 'array' });
        return { query, release: (destroy?: boolean) => client.release(destroy) };
      },
    };
    const source = new PostgresKeysetSource({ pool, table: 'typed' });
    const page = source.readPage({ lower: null, upper: ['9'], limit: 10 });
    await expect(page).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      help: expect.stringContaining('types'),
    });
  });

  test('a run that waits for a connection of it ends with its signal', async () => {
    await world.postgres('CREATE TABLE waited (id int PRIMARY KEY)', 'INSERT INTO waited VALUES (1)');
    const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL, max: 1 });
    const held = await pool.connect();
    const source = new PostgresKeysetSource({ pool, table: 'waited' });
    const migrator = new ResumableMigrator({ source, sink: world.rest('waited'), graceMs: 10 });
    const stop = new AbortController();
    const run = migrator.run({ signal: stop.signal });
    stop.abort();
    expect(await run).toMatchObject({ status: 'paused', reason: 'signal' });
    const reason = new Error('enough');
    await expect(source.countRows(undefined, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const count = source.countRows(undefined, { signal: AbortSignal.timeout(50) });
    await expect(count).rejects.toMatchObject({ name: 'TimeoutError' });
    // The connections that came too late were given back.
    held.release();
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 1 });
    await pool.end();
  });
});

describe("the host's Kysely", () => {
  const database = (): Kysely<Record<string, Record<string, unknown>>> =>
    new Kysely({ dialect: new PostgresDialect({ pool: world.pool }) });

  test('may have plugins: names and values are those of the table', async () => {
    await world.postgres(
      'CREATE TABLE plugged (id int PRIMARY KEY, "fullName" text, full_name text, j text)',
      `INSERT INTO plugged VALUES (1, 'camel', 'snake', '[1, 2]'), (2, 'camel', 'snake', '{"a": 1.0}')`,
    );
    const db = database().withPlugin(new CamelCasePlugin()).withPlugin(new ParseJSONResultsPlugin());
    const source = new PostgresKeysetSource({ db, table: 'plugged' });
    const sink = world.rest('plugged');
    await new ResumableMigrator({ source, sink }).run();
    expect(await world.sinkRows('plugged', 'id')).toEqual(await world.sourceRows('plugged', 'id'));
  });

  test('a read of it that waits for a lock ends with the signal', async () => {
    await world.postgres('CREATE TABLE locked (id int PRIMARY KEY)', 'INSERT INTO locked VALUES (1)');
    const source = new PostgresKeysetSource({ db: database(), table: 'locked' });
    await source.describe();
    const locker = await world.pool.connect();
    await locker.query('BEGIN; LOCK TABLE locked');
    const stop = new AbortController();
    const count = source.countRows(undefined, { signal: stop.signal });
    const reason = new Error('SIGTERM');
    stop.abort(reason);
    await expect(count).rejects.toBe(reason);
    await locker.query('ROLLBACK');
    locker.release();
    expect(await source.countRows()).toBe(1);
  });
});

describe('keys', () => {
  test('of a domain are read although older ones do not pass its check', async () => {
    await world.postgres(
      'CREATE DOMAIN positive AS numeric(6, 1)',
      'CREATE DOMAIN even_more AS positive',
      'CREATE TABLE of_domains (id even_more PRIMARY KEY, v int)',
      'INSERT INTO of_domains SELECT g, g FROM generate_series(-12, 12) AS g',
      'ALTER DOMAIN positive ADD CHECK (VALUE > 0) NOT VALID',
    );
    const migrator = world.migrator('of_domains', { checkpointSize: 10, pageSize: 4 });
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 25 });
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 25 });
  });

  test('of padded texts and bits below a domain keep their length', async () => {
    await world.postgres(
      'CREATE DOMAIN code AS char(4)',
      'CREATE DOMAIN flags AS bit(5)',
      'CREATE TABLE of_codes (a code, b flags, PRIMARY KEY (a, b))',
      "INSERT INTO of_codes SELECT 'x' || g, (g * 3 % 32)::bit(5) FROM generate_series(1, 30) AS g",
    );
    const migrator = world.migrator('of_codes', { checkpointSize: 10, pageSize: 4 });
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 30 });
    expect(await world.sinkRows('of_codes', 'a, b')).toEqual(await world.sourceRows('of_codes', 'a, b'));
  });

  test('that are regclasses of nothing, or of a table that is gone, are read', async () => {
    await world.postgres(
      'CREATE TABLE of_tables (id regclass PRIMARY KEY)',
      "INSERT INTO of_tables VALUES (0), (987654), ('pg_class'), ('of_codes'), ('pg_type')",
    );
    const migrator = world.migrator('of_tables', { checkpointSize: 2, pageSize: 1 });
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 5 });
    expect(await keysInD1('of_tables')).toEqual([
      '-',
      '987654',
      'pg_catalog.pg_class',
      'pg_catalog.pg_type',
      'public.of_codes',
    ]);
  });

  test('whose order is sorted within groups of an index are told of', async () => {
    await world.postgres(
      'CREATE TABLE half_indexed (status int NOT NULL, id int NOT NULL)',
      'INSERT INTO half_indexed SELECT g % 2, g FROM generate_series(1, 30000) AS g',
      'CREATE INDEX ON half_indexed (status)',
      'CREATE UNIQUE INDEX ON half_indexed (id, status)',
      'ANALYZE half_indexed',
    );
    const source = world.source('half_indexed', { key: ['status', 'id'] });
    const { findings } = await source.describe();
    expect(findings).toMatchObject([{ code: 'KEY_NOT_INDEXED' }]);
    const { findings: none } = await world.source('half_indexed', { key: ['id', 'status'] }).describe();
    expect(none).toEqual([]);
  });
});

test.each(['pool', 'kysely'])("a schema before PostgreSQL's own changes nothing: %s", async (way) => {
  const schema = `before_${way}`;
  await world.postgres(
    `CREATE SCHEMA ${schema}`,
    `CREATE FUNCTION ${schema}.later(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 OPERATOR(pg_catalog.>) $2 + 1'`,
    `CREATE OPERATOR ${schema}.> (LEFTARG = int, RIGHTARG = int, FUNCTION = ${schema}.later)`,
    `CREATE DOMAIN ${schema}.text AS int`,
    `CREATE FUNCTION ${schema}.small(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < 9'`,
    `CREATE TABLE ${schema}.paths (id int PRIMARY KEY)`,
    `INSERT INTO ${schema}.paths SELECT generate_series(1, 12)`,
  );
  const url = new URL(world.stack.env.DATABASE_URL);
  url.searchParams.set('options', `-c search_path=${schema},pg_catalog,public`);
  const pool = poolOf({ connectionString: url.href });
  const db = new Kysely<Record<string, Record<string, unknown>>>({ dialect: new PostgresDialect({ pool }) });
  const options = { table: 'paths', where: sql`small(id)` };
  const source = new PostgresKeysetSource(way === 'kysely' ? { db, ...options } : { pool, ...options });
  await world.d1('DROP TABLE IF EXISTS paths');
  const migrator = new ResumableMigrator({ source, sink: world.rest('paths'), name: way, pageSize: 2 });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 8 });
  expect(await keysInD1('paths')).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  await pool.end();
});

test('a user who may read some columns copies these', async () => {
  await world.postgres(
    'CREATE TABLE partly (id int PRIMARY KEY, shown text, secret text)',
    "INSERT INTO partly VALUES (1, 'a', 's')",
    "CREATE ROLE partial LOGIN PASSWORD 'x'",
    'GRANT SELECT (id, shown) ON partly TO partial',
  );
  const url = new URL(world.stack.env.DATABASE_URL);
  [url.username, url.password] = ['partial', 'x'];
  const from = { connectionString: url.href, table: 'partly' };
  await using some = new PostgresKeysetSource({ ...from, columns: ['id', 'shown'] });
  await new ResumableMigrator({ source: some, sink: world.rest('partly') }).run();
  expect(await world.d1('SELECT * FROM partly')).toEqual([{ id: 1, shown: 'a' }]);
  await using all = new PostgresKeysetSource(from);
  await expect(all.describe()).rejects.toMatchObject({ code: 'SOURCE_CREDENTIALS' });
});

test('a source that is closed twice at a time ends its connections once, and reads again later', async () => {
  await world.postgres('CREATE TABLE closed (id int PRIMARY KEY)', 'INSERT INTO closed VALUES (1)');
  await using source = new PostgresKeysetSource({
    connectionString: world.stack.env.DATABASE_URL,
    table: 'closed',
  });
  for (let n = 0; n < 2; n += 1) {
    expect(await source.countRows()).toBe(1);
    await Promise.all([source.close(), source.close()]);
  }
});

test('rows that are too large are found below a parent and in a materialized view', async () => {
  await world.postgres(
    'CREATE TABLE parent (id int PRIMARY KEY, v text)',
    'CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)',
    'ALTER TABLE child ALTER COLUMN v SET STORAGE EXTERNAL',
    "INSERT INTO child VALUES (7, repeat('x', 3000000))",
    'CREATE MATERIALIZED VIEW seen AS SELECT * FROM parent',
    'CREATE UNIQUE INDEX ON seen (id)',
  );
  for (const table of ['parent', 'seen'])
    expect(await world.source(table, { key: ['id'] }).findOversizedRow(2_000_000), table).toEqual(['7']);
});

test('a table of which PostgreSQL has statistics is counted to its end for a plan, and for a run as far as it may be nearly empty', async () => {
  await world.postgres(
    'CREATE TABLE known (id int PRIMARY KEY) WITH (autovacuum_enabled = false)',
    // An empty table's statistics say nothing of what came afterwards.
    'ANALYZE known',
    'INSERT INTO known SELECT generate_series(1, 12000)',
  );
  const estimate = async (brief: boolean, where?: RawBuilder<boolean>): Promise<number> =>
    (await world.source('known', where ? { where } : {}).describe(undefined, brief)).estimatedRows;
  expect(await estimate(true)).toBe(12_000);
  await world.postgres(
    'ANALYZE known',
    "UPDATE pg_class SET reltuples = reltuples * 2 WHERE relname = 'known'",
  );
  expect([await estimate(true), await estimate(false)]).toEqual([24_000, 12_000]);
  // Of how many rows a filter leaves the planner may be far off.
  expect(await estimate(true, sql<boolean>`id % 2 >= 0`)).toBe(12_000);
  await world.postgres('DELETE FROM known WHERE id > 10000');
  expect(await estimate(true)).toBe(10_000);
});

test('a table of which the planner believes that it is large is counted, as one that was emptied is nothing to copy', async () => {
  await world.postgres(
    'CREATE TABLE believed (id int PRIMARY KEY) WITH (autovacuum_enabled = false)',
    'INSERT INTO believed SELECT generate_series(1, 1000)',
    'ANALYZE believed',
    "UPDATE pg_class SET reltuples = 1e9 * relpages WHERE relname = 'believed'",
  );
  const source = world.source('believed');
  expect((await source.describe()).estimatedRows).toBe(1_000);
  await world.postgres('DELETE FROM believed');
  await using copy = new ResumableMigrator({ source, sink: world.rest('believed') });
  expect(await copy.run()).toMatchObject({ status: 'completed', rows: 0 });
  expect(await copy.verify({ mode: 'full' })).toMatchObject({ equal: true });
});

describe('a text that is no UTF-8 in a database whose encoding is UTF-8', () => {
  let pool: ReturnType<typeof poolOf>;
  const read = [
    [1, 'before'],
    [2, 'é \ufffd( and more than eight bytes'],
    [3, 'behind'],
  ];
  const rowsInD1 = async (): Promise<unknown[]> =>
    (await world.d1('SELECT id, v FROM damaged ORDER BY id')).map((row) => Object.values(row));

  beforeAll(async () => {
    await world.postgres(
      "CREATE DATABASE damaged TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    const url = new URL(world.stack.env.DATABASE_URL);
    url.pathname = '/damaged';
    const unchecked = poolOf({ connectionString: url.href, max: 1 });
    await unchecked.query('CREATE TABLE damaged (id int PRIMARY KEY, v text)');
    await unchecked.query(
      String.raw`INSERT INTO damaged VALUES (1, 'before'), (2, E'\303\251 \303( and more than eight bytes'), (3, 'behind')`,
    );
    await unchecked.end();
    // As a fault of the disk, or of an old release, may leave it.
    await world.postgres(
      "UPDATE pg_database SET encoding = pg_char_to_encoding('UTF8') WHERE datname = 'damaged'",
    );
    pool = poolOf({ connectionString: url.href, max: 4 });
  });
  afterAll(async () => {
    await pool.end();
  });

  test('is refused by a binding before anything of its batch is sent, and the run says what to do', async () => {
    expect((await pool.query('SHOW server_encoding')).rows).toEqual([{ server_encoding: 'UTF8' }]);
    const source = new PostgresKeysetSource({ pool, table: 'damaged' });
    const run = new ResumableMigrator({ source, sink: world.binding('damaged') }).run();
    await expect(run).rejects.toMatchObject({
      code: 'CHECKPOINTS_FAILED',
      cause: {
        code: 'SOURCE_FAILED',
        place: { checkpoint: 1 },
        help: expect.stringContaining('Kysely') as unknown,
      },
    });
    expect(await rowsInD1()).toEqual([]);
    const db = new Kysely<Record<string, Record<string, unknown>>>({
      dialect: new PostgresDialect({ pool }),
    });
    const texts = new PostgresKeysetSource({ db, table: 'damaged' });
    const again = new ResumableMigrator({ source: texts, sink: world.binding('damaged') });
    expect(await again.run()).toMatchObject({ status: 'completed' });
    expect(await rowsInD1()).toEqual(read);
  });

  test('is replaced over REST, and the rows behind it are what they are', async () => {
    await world.d1('DROP TABLE IF EXISTS damaged');
    const source = new PostgresKeysetSource({ pool, table: 'damaged' });
    const run = new ResumableMigrator({
      name: 'damaged over REST',
      source,
      sink: world.rest('damaged'),
    }).run();
    expect(await run).toMatchObject({ status: 'completed', rows: 3 });
    expect(await rowsInD1()).toEqual(read);
  });
});
