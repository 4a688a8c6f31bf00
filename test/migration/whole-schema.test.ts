import { afterAll, beforeAll, expect, test } from 'vitest';
import { MigrationGroup } from 'resumable-migrator';
import { openD1File } from '../support/d1-file.ts';
import { World } from '../support/world.ts';

/** A column of the table with every type: how its values are made, and PostgreSQL's own expression of what is stored. */
interface EveryColumn {
  readonly type: string;
  /** An expression over the row's number `i`. */
  readonly value: string;
  /** An expression over `v` for the stored text, or the way in which the two sides' texts are compared. */
  readonly stored?: string;
  readonly compare?: 'number' | 'json';
}

const utc = (digits: string): string => `rtrim(rtrim(to_char(v, '${digits}'), '0'), '.')`;

const columns: readonly EveryColumn[] = [
  { type: 'int2', value: '(i % 65536 - 32768)::int2' },
  { type: 'int4', value: '(i * 7919 - 2147483648)::int4' },
  { type: 'int8', value: '9223372036854775807 - i::bigint * 1234567891' },
  { type: 'oid', value: '(4294967295 - i)::oid' },
  { type: 'numeric', value: `(i || '.' || repeat(i::text, 6) || '00')::numeric` },
  { type: 'numeric(12,4)', value: '(i / 7.0)::numeric(12,4)' },
  { type: 'float8', value: 'exp(sin(i) * 300)', compare: 'number' },
  { type: 'float4', value: '(i / 3.0)::float4', compare: 'number' },
  { type: 'money', value: `(i * 1.01)::numeric::money`, stored: 'v::numeric::text' },
  { type: 'bool', value: 'i % 3 = 0', stored: 'v::int::text' },
  { type: 'text', value: `'text "' || i || E'"\\n\\\\ é 😀 ' || repeat('x', i % 50)` },
  { type: 'varchar(40)', value: `'varchar ' || i` },
  { type: 'char(12)', value: `('c' || i)::char(12)`, stored: `rpad(v::text, 12)` },
  { type: 'name', value: `('name_' || i)::name` },
  { type: '"char"', value: `chr(33 + i % 90)::"char"` },
  { type: 'uuid', value: 'md5(i::text)::uuid' },
  { type: 'date', value: `'2020-02-28'::date + i` },
  { type: 'time', value: `'00:00:00'::time + i * interval '1.000001 s'`, stored: utc('HH24:MI:SS.US') },
  { type: 'timetz', value: `('03:04:05.5+0' || i % 10 || ':30')::timetz` },
  {
    type: 'timestamp',
    value: `'2026-01-01'::timestamp + i * interval '1.000001 s'`,
    stored: utc('YYYY-MM-DD"T"HH24:MI:SS.US'),
  },
  {
    type: 'timestamptz',
    value: `'2026-01-01 12:00+05:30'::timestamptz - i * interval '1.25 h'`,
    stored: `rtrim(rtrim(to_char(v AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'`,
  },
  { type: 'interval', value: `i * interval '1 mon 2 days 3.5 s'` },
  { type: 'json', value: `('{ "i": ' || i || ',  "i": [1, null] }')::json` },
  { type: 'jsonb', value: `jsonb_build_object('i', i, 'é', repeat('😀', i % 5))` },
  { type: 'jsonpath', value: `('$.a[' || i || ']')::jsonpath` },
  { type: 'bytea', value: `decode(repeat(md5(i::text), 4), 'hex')`, stored: `encode(v, 'hex')` },
  { type: 'bit(9)', value: '(i % 512)::bit(9)' },
  { type: 'varbit', value: `substr((i % 512)::bit(9)::text, 1, i % 9 + 1)::varbit` },
  { type: 'inet', value: `('10.' || i % 256 || '.0.' || i % 7)::inet`, stored: 'host(v)' },
  { type: 'cidr', value: `('10.' || i % 256 || '.0.0/16')::cidr` },
  { type: 'macaddr', value: `('08:00:2b:01:02:' || lpad(to_hex(i % 256), 2, '0'))::macaddr` },
  { type: 'int4[]', value: 'ARRAY[i, NULL, -i]', compare: 'json' },
  { type: 'text[]', value: `ARRAY[['a"' || i, 'NULL'], [NULL, 'b\\c']]`, compare: 'json' },
  { type: 'mood', value: `(ARRAY['sad', 'ok', 'happy'])[i % 3 + 1]::mood` },
  { type: 'positive', value: '(i + 1)::positive' },
  { type: 'pair', value: `ROW(i, 'a b')::pair` },
  { type: 'int4range', value: 'int4range(i, i + 5)' },
  { type: 'int4multirange', value: "('{[' || i || ',' || i + 2 || ')}')::int4multirange" },
  { type: 'xml', value: `('<a>' || i || '</a>')::xml` },
  { type: 'tsvector', value: `to_tsvector('simple', 'word ' || i)` },
  { type: 'point', value: 'point(i, i / 2.0)' },
  { type: 'box', value: 'box(point(0, 0), point(i, 1))' },
  { type: 'pg_lsn', value: `('16/B374D8' || to_hex(i % 16))::pg_lsn` },
  { type: 'regtype', value: `'int4'::regtype`, stored: `'integer'` },
];

const everyRows = 16_000;

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')`,
    'CREATE DOMAIN positive AS int CHECK (VALUE > 0)',
    'CREATE TYPE pair AS (n int, t text)',
    // A parent with a key of two columns, one of a uuid, one of a text in the order of a language, and a partitioned child.
    `CREATE TABLE regions (country text, code int, title text NOT NULL, PRIMARY KEY (country, code))`,
    `INSERT INTO regions SELECT chr(65 + i % 26) || chr(97 + i % 7), i, repeat('title ', 9) || i FROM generate_series(1, 2000) AS i`,
    `CREATE COLLATION german (provider = icu, locale = 'de-DE')`,
    'CREATE TABLE brands (name text COLLATE german PRIMARY KEY, founded date)',
    `INSERT INTO brands SELECT CASE i % 2 WHEN 0 THEN 'ä' ELSE 'Z' END || i, '1900-01-01'::date + i FROM generate_series(1, 1000) AS i`,
    `CREATE TABLE devices (id uuid PRIMARY KEY, country text, code int, brand text COLLATE german REFERENCES brands,
      FOREIGN KEY (country, code) REFERENCES regions)`,
    `INSERT INTO devices SELECT md5('d' || i)::uuid, country, code,
      (SELECT name FROM brands WHERE founded = '1900-01-01'::date + (i % 1000 + 1))
      FROM generate_series(1, 6000) AS i JOIN regions ON code = i % 2000 + 1`,
    `CREATE TABLE readings (device uuid NOT NULL REFERENCES devices, at timestamptz NOT NULL, level positive, mood mood,
      PRIMARY KEY (device, at)) PARTITION BY RANGE (at)`,
    `CREATE TABLE readings_2025 PARTITION OF readings FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')`,
    `CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
    `INSERT INTO readings SELECT md5('d' || i % 6000 + 1)::uuid, '2025-06-01'::timestamptz + i * interval '6.123456 min',
      i % 99 + 1, (ARRAY['sad', 'ok', 'happy'])[i % 3 + 1]::mood FROM generate_series(1, 90000) AS i`,
    `CREATE TABLE everything (id bigint PRIMARY KEY, ${columns.map(({ type }, n) => `c${n} ${type}`).join(', ')})`,
    `INSERT INTO everything SELECT i, ${columns.map(({ value }) => value).join(', ')} FROM generate_series(1, ${everyRows}) AS i`,
    `INSERT INTO everything (id) SELECT i FROM generate_series(${everyRows + 1}, ${everyRows + 50}) AS i`,
    'ANALYZE',
  );
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

const tables = ['everything', 'readings', 'devices', 'brands', 'regions'];

test('a schema with more than forty types is migrated with one call, verified in full, and plain SQLite agrees', async () => {
  const types = new Set(columns.map(({ type }) => type));
  expect(types.size).toBeGreaterThanOrEqual(40);
  const size = await world.pool.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(c.oid)) AS bytes FROM pg_class AS c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  expect(Number(size.rows[0]?.bytes)).toBeGreaterThan(20_000_000);

  const group = new MigrationGroup({ concurrency: 2 });
  for (const table of tables) {
    group.add({ source: world.source(table), sink: world.rest(table, { carryOver: 'all' }) });
  }
  const result = await group.run();
  expect(result).toMatchObject({
    status: 'completed',
    totals: { tables: 5, rows: 2000 + 1000 + 6000 + 90_000 + everyRows + 50 },
  });
  const verified = await group.verify({ mode: 'full' });
  expect(verified.tables.map(({ error }) => error)).toEqual([null, null, null, null, null]);
  expect(verified.equal).toBe(true);

  using file = openD1File(world.stack.d1, 'everything');
  // The foreign keys came along, in tables that were made parents first.
  const references = file
    .prepare(
      `SELECT m.name AS child, f."table" AS parent FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
     WHERE m.type = 'table' AND f.seq = 0 ORDER BY 1, 2`,
    )
    .all();
  expect(references.map((row) => ({ ...row }))).toEqual([
    { child: 'devices', parent: 'brands' },
    { child: 'devices', parent: 'regions' },
    { child: 'readings', parent: 'devices' },
  ]);
  // Every value of the table with every type, by PostgreSQL's own expression of it.
  for (const [n, { type, stored, compare }] of columns.entries()) {
    const { rows: expected } = await world.pool.query<{ id: string; text: string | null }>(
      `SELECT id, CASE WHEN v IS DISTINCT FROM NULL THEN ${stored ?? textOf(type, compare)} END AS text
       FROM (SELECT id, c${n} AS v FROM everything) AS t ORDER BY id`,
    );
    const actual = file
      .prepare(
        `SELECT CAST(id AS TEXT) AS id, CASE typeof(c${n}) WHEN 'blob' THEN lower(hex(c${n})) WHEN 'real' THEN c${n} ELSE CAST(c${n} AS TEXT) END AS text
         FROM everything ORDER BY everything.id`,
      )
      .all();
    const wrong = expected.filter(({ id, text }, index) => {
      const there = actual[index];
      return there?.['id'] !== id || !same(text, there['text'] ?? null, compare);
    });
    expect(wrong.slice(0, 3), type).toEqual([]);
    expect(actual).toHaveLength(everyRows + 50);
  }
  // The other tables, as text on both sides.
  await expectSame(
    `SELECT country, code::text, title FROM regions ORDER BY regions.code`,
    'country, CAST(code AS TEXT), title',
    'regions',
    'code',
    file,
  );
  await expectSame(
    `SELECT name, founded::text FROM brands ORDER BY brands.founded`,
    'name, founded',
    'brands',
    'founded',
    file,
  );
  await expectSame(
    `SELECT id::text, country, code::text, brand FROM devices ORDER BY id`,
    'id, country, CAST(code AS TEXT), brand',
    'devices',
    'id',
    file,
  );
  await expectSame(
    `SELECT device::text, rtrim(rtrim(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z', level::text, mood::text
     FROM readings ORDER BY at`,
    'device, at, CAST(level AS TEXT), mood',
    'readings',
    'at',
    file,
  );
});

/** PostgreSQL's text of a value, in the settings that this test's connection has. */
function textOf(type: string, compare: EveryColumn['compare']): string {
  if (compare === 'json') return 'to_jsonb(v)::text';
  return type === 'interval'
    ? `(SELECT v::text FROM (SELECT set_config('intervalstyle', 'iso_8601', false)) AS s)`
    : 'v::text';
}

function same(expected: string | null, stored: unknown, compare: EveryColumn['compare']): boolean {
  if (expected === null || stored === null) return expected === stored;
  if (compare === 'number') return Number(expected) === stored;
  if (compare === 'json') return JSON.stringify(JSON.parse(expected)) === stored;
  return expected === stored;
}

async function expectSame(
  query: string,
  selected: string,
  table: string,
  order: string,
  file: ReturnType<typeof openD1File>,
): Promise<void> {
  const { rows: expected } = await world.pool.query<(string | null)[]>({ text: query, rowMode: 'array' });
  const actual = file
    .prepare(`SELECT ${selected} FROM ${table} ORDER BY ${order}`)
    .all()
    .map((row) => Object.values(row));
  const wrong = expected.filter((row, index) => !row.every((value, n) => value === actual[index]?.[n]));
  expect(wrong.slice(0, 3), table).toEqual([]);
  expect(actual).toHaveLength(expected.length);
}
