import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Finding, MigrationGroup, ResumableMigrator } from 'resumable-migrator';
import { renderPlan } from 'resumable-migrator/report';

import { PostgresKeysetSource, type PostgresTableOptions } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';

type SinkOptions = Parameters<World['rest']>[1];
type SourceOptions = Partial<PostgresTableOptions<Record<string, Record<string, unknown>>, string>>;

/** A table with one problem. */
interface Planted {
  readonly table: string;
  /** Statements on the source that make it, and on D1. */
  readonly source: readonly string[];
  readonly d1?: readonly string[];
  /** The name in D1, where it is another. */
  readonly to?: string;
  readonly sourceOptions?: SourceOptions;
  readonly sinkOptions?: NonNullable<SinkOptions>;
  /** Connects as the role that is not the owner. */
  readonly asReader?: boolean;
  /** What the plan is to find there, and nothing else. */
  readonly finds: Pick<Finding, 'code' | 'severity' | 'column'>;
  /** What belongs to the same problem. */
  readonly also?: Planted['finds'];
}

const error = (code: string, column: string | null = null): Planted['finds'] => ({
  code,
  severity: 'error',
  column,
});
const warning = (code: string, column: string | null = null): Planted['finds'] => ({
  code,
  severity: 'warning',
  column,
});
const info = (code: string, column: string | null = null): Planted['finds'] => ({
  code,
  severity: 'info',
  column,
});

const planted: readonly Planted[] = [
  {
    table: 'a_nan',
    source: [
      'CREATE TABLE a_nan (id int PRIMARY KEY, f float8)',
      `INSERT INTO a_nan SELECT i, CASE i WHEN 70 THEN 'NaN' ELSE i::float8 END FROM generate_series(1, 100) AS i`,
    ],
    finds: error('VALUE_REFUSED', 'f'),
  },
  {
    table: 'too_precise',
    source: [
      'CREATE TABLE too_precise (id int PRIMARY KEY, price numeric)',
      'INSERT INTO too_precise VALUES (1, 1.25), (2, 1.255)',
    ],
    sinkOptions: { store: { price: { scaled: 2 } } },
    finds: error('VALUE_REFUSED', 'price'),
  },
  {
    table: 'for_ever',
    source: [
      'CREATE TABLE for_ever (id int PRIMARY KEY, until timestamptz)',
      `INSERT INTO for_ever VALUES (1, '2026-01-01'), (2, 'infinity')`,
    ],
    sinkOptions: { store: { until: 'epoch-ms' } },
    finds: error('VALUE_REFUSED', 'until'),
  },
  {
    table: 'too_large',
    source: [
      'CREATE TABLE too_large (id int PRIMARY KEY, body text)',
      `INSERT INTO too_large VALUES (1, 'x'), (2, repeat('x', 2100000)), (3, 'x')`,
    ],
    finds: error('ROW_TOO_LARGE'),
  },
  {
    table: 'too_wide',
    source: [
      `CREATE TABLE too_wide (id int PRIMARY KEY, ${Array.from({ length: 100 }, (_, n) => `c${n} int`).join(', ')})`,
    ],
    finds: error('TOO_MANY_COLUMNS'),
  },
  {
    table: 'twins',
    source: ['CREATE TABLE twins (id int PRIMARY KEY, "Name" text, name text)'],
    finds: error('NAMES_COLLIDE', 'name'),
  },
  {
    table: 'reserved',
    source: ['CREATE TABLE reserved (id int PRIMARY KEY)'],
    to: '_cf_reserved',
    finds: error('NAME_REFUSED'),
  },
  {
    table: 'lacking',
    source: ['CREATE TABLE lacking (id int PRIMARY KEY, v text)'],
    d1: ['CREATE TABLE lacking (id INTEGER PRIMARY KEY)'],
    finds: error('SINK_COLUMN_MISSING', 'v'),
  },
  {
    table: 'occupied',
    source: ['CREATE TABLE occupied (id int PRIMARY KEY)'],
    d1: ['CREATE TABLE occupied (id INTEGER)', 'INSERT INTO occupied VALUES (1)'],
    finds: error('SINK_NOT_EMPTY'),
  },
  {
    table: 'unindexed',
    source: [
      'CREATE TABLE below (a int, b int)',
      'INSERT INTO below SELECT i, i FROM generate_series(1, 60000) AS i',
      'CREATE VIEW unindexed AS SELECT a + 1 AS id, b FROM below',
      'ANALYZE below',
    ],
    sourceOptions: { key: ['id'] },
    finds: warning('KEY_NOT_INDEXED'),
  },
  {
    table: 'numeric_in_d1',
    source: ['CREATE TABLE numeric_in_d1 (id int PRIMARY KEY, code text)'],
    d1: ['CREATE TABLE numeric_in_d1 (id INTEGER PRIMARY KEY, code NUMERIC)'],
    finds: warning('COLUMN_TYPE', 'code'),
  },
  {
    table: 'checked',
    source: [`CREATE TABLE checked (id int PRIMARY KEY, name text CHECK (name LIKE 'a%'))`],
    sinkOptions: { carryOver: { checks: true } },
    finds: warning('NOT_TRANSLATED'),
  },
  {
    table: 'random_default',
    source: ['CREATE TABLE random_default (id int PRIMARY KEY, u uuid DEFAULT gen_random_uuid())'],
    sinkOptions: { carryOver: { defaults: true } },
    finds: warning('NOT_TRANSLATED', 'u'),
  },
  {
    table: 'dropped_index',
    source: ['CREATE TABLE dropped_index (id int PRIMARY KEY, v int)', 'CREATE INDEX ON dropped_index (v)'],
    finds: info('NOT_CARRIED'),
  },
  {
    table: 'hidden',
    source: [
      'CREATE TABLE hidden (id int PRIMARY KEY, owner text)',
      'ALTER TABLE hidden ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY own ON hidden USING (owner = current_user)',
      'GRANT SELECT ON hidden TO reader',
    ],
    asReader: true,
    finds: warning('ROWS_HIDDEN'),
    also: info('NOT_CARRIED'), // the policy itself
  },
  {
    table: 'cased',
    source: [
      `CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      'CREATE TABLE cased (name text COLLATE blind PRIMARY KEY)',
    ],
    finds: warning('KEY_COLLATION', 'name'),
  },
  {
    table: 'huge',
    source: [
      'CREATE TABLE huge (id int PRIMARY KEY, body text)',
      `INSERT INTO huge SELECT i, repeat('x', 100) FROM generate_series(1, 100100) AS i`,
      'ANALYZE huge',
    ],
    finds: warning('STORAGE_LIMIT'),
  },
  {
    table: 'enumerated',
    source: [
      `CREATE TYPE mood AS ENUM ('sad', 'ok')`,
      'CREATE TABLE enumerated (id int PRIMARY KEY, m mood)',
    ],
    finds: info('TYPE_LOSS', 'm'),
  },
  {
    table: 'foreign_type',
    source: [
      'CREATE TYPE odd',
      `CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'textin'`,
      `CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'`,
      'CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = text)',
      'CREATE TABLE foreign_type (id int PRIMARY KEY, o odd)',
    ],
    finds: info('TYPE_UNKNOWN', 'o'),
  },
  {
    table: 'replaced',
    source: ['CREATE TABLE replaced (id int PRIMARY KEY)'],
    d1: ['CREATE TABLE replaced (id INTEGER PRIMARY KEY, old TEXT)'],
    sinkOptions: { createTable: 'replace' },
    finds: warning('TABLE_REPLACED'),
  },
];

/** Tables without a problem, of many types. */
const clean: Readonly<Record<string, readonly string[]>> = {
  plain: [
    `CREATE TABLE plain (id bigint PRIMARY KEY, a int2, b int4 NOT NULL, c numeric(10, 2), d float8, e float4, f bool, g text,
      h varchar(20), i char(5), j uuid, k date, l time, m timestamp, n timestamptz, o interval, p json, q jsonb, r bytea, s inet,
      t int[], u text[], v bit(4), w int4range, x tsvector, y point, z macaddr)`,
    `INSERT INTO plain SELECT i, i, i, i / 3.0, sin(i), i / 7.0, i % 2 = 0, 'text ' || i, 'v', 'c', gen_random_uuid(), '2026-01-01',
      '03:04:05', now(), now(), '1 day', '{"a": 1}', '{"b": 2}', '\\x00ff', '10.0.0.1', ARRAY[1, NULL], ARRAY['a'], B'0101', '[1,5)',
      'a b', '(1,2)', '08:00:2b:01:02:03' FROM generate_series(1, 3000) AS i`,
  ],
  composite: [
    'CREATE TABLE composite (a text COLLATE "C", b uuid, v text, PRIMARY KEY (a, b))',
    `INSERT INTO composite SELECT 'k' || i % 10, gen_random_uuid(), 'v' FROM generate_series(1, 500) AS i`,
  ],
  empty: ['CREATE TABLE empty (id int PRIMARY KEY, v text)'],
};

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    `CREATE ROLE reader LOGIN PASSWORD 'reader'`,
    'GRANT USAGE ON SCHEMA public TO reader',
  );
  for (const { source, d1 = [] } of planted) {
    await world.postgres(...source);
    for (const statement of d1) await world.d1(statement);
  }
  for (const statements of Object.values(clean)) await world.postgres(...statements);
  await world.postgres('ANALYZE', `UPDATE pg_class SET reltuples = 2e8 WHERE relname = 'huge'`);
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

function sourceOf({ table, sourceOptions, asReader }: Planted): PostgresKeysetSource {
  if (!asReader) return world.source(table, sourceOptions);
  const url = new URL(world.stack.env.DATABASE_URL);
  url.username = 'reader';
  url.password = 'reader';
  return new PostgresKeysetSource({ connectionString: url.href, table, ...sourceOptions });
}

function groupOf(problems: readonly Planted[]): MigrationGroup {
  const group = new MigrationGroup({ concurrency: 2 });
  for (const one of problems) {
    group.add({ source: sourceOf(one), sink: world.rest(one.to ?? one.table, one.sinkOptions) });
  }
  return group;
}

/** Everything that both databases hold: rows with their transaction ids, and schemas. */
async function bothSides(): Promise<unknown> {
  const { rows: tables } = await world.pool.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name, relkind, relfilenode, relhasindex FROM pg_class AS c
     WHERE relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  const contents: unknown[] = [];
  for (const { name } of tables.filter((table) => 'relkind' in table && table.relkind === 'r')) {
    const { rows } = await world.pool.query(
      `SELECT count(*) AS rows, sum(xmin::text::bigint) AS xmin, md5(string_agg(t::text, ',' ORDER BY ctid)) AS hash FROM ${name} AS t`,
    );
    contents.push([name, rows]);
  }
  return { tables, contents, d1: await world.d1Contents() };
}

test('a schema with twenty planted problems: the plan finds all of them, each where it is, and nothing else', async () => {
  expect(planted).toHaveLength(20);
  const before = await bothSides();
  await using group = groupOf(planted);
  const plan = await group.plan();
  expect(await bothSides()).toEqual(before);
  const found = Object.fromEntries(
    plan.tables.map(({ migration, plan: table, error: failure }) => [
      migration,
      table?.findings.map(({ code, severity, column }) => ({ code, severity, column })) ?? failure,
    ]),
  );
  expect(found).toEqual(
    Object.fromEntries(planted.map(({ table, finds, also }) => [table, also ? [finds, also] : [finds]])),
  );
  // Each says what to do, and people can read it.
  for (const { plan: table } of plan.tables)
    for (const { help } of table?.findings ?? []) expect(help).not.toBe('');
  const text = renderPlan(plan);
  for (const { finds } of planted) expect(text).toContain(finds.code);
});

test('a clean schema of many types: the plan finds nothing, and changes nothing', async () => {
  const before = await bothSides();
  for (const table of Object.keys(clean)) {
    const migrator = new ResumableMigrator({ source: world.source(table), sink: world.rest(table) });
    const plan = await migrator.plan({ values: 'all', exactCount: true });
    expect(plan.findings, table).toEqual([]);
    expect(plan.totalRowsExact).toBe(true);
  }
  expect(await bothSides()).toEqual(before);
});

test('a run refuses what the plan calls an error, and nothing is written', async () => {
  const refused = planted.filter(
    ({ finds }) =>
      finds.severity === 'error' && finds.code !== 'VALUE_REFUSED' && finds.code !== 'ROW_TOO_LARGE',
  );
  expect(refused.length).toBeGreaterThan(4);
  const before = await bothSides();
  for (const one of refused) {
    const migrator = new ResumableMigrator({
      source: sourceOf(one),
      sink: world.rest(one.to ?? one.table, one.sinkOptions),
    });
    await expect(migrator.run(), one.table).rejects.toMatchObject({
      code: expect.stringMatching(new RegExp(`^(PLAN_REFUSED|${one.finds.code})$`)) as string,
    });
  }
  expect(await bothSides()).toEqual(before);
});

test('a value that no sample meets is found where every value is looked at', async () => {
  await world.postgres(
    'CREATE TABLE needle (id int PRIMARY KEY, f float8)',
    `INSERT INTO needle SELECT i, CASE i WHEN 77777 THEN 'NaN' ELSE i::float8 END FROM generate_series(1, 150000) AS i`,
    'ANALYZE needle',
  );
  const migrator = new ResumableMigrator({ source: world.source('needle'), sink: world.rest('needle') });
  expect((await migrator.plan()).findings).toEqual([]);
  const told: number[] = [];
  migrator.on('plan:progress', ({ rows }) => told.push(rows));
  const { findings, totalRows, totalRowsExact } = await migrator.plan({ values: 'all' });
  expect(findings).toMatchObject([{ code: 'VALUE_REFUSED', severity: 'error', column: 'f' }]);
  expect(findings[0]?.message).toContain('77777');
  expect({ totalRows, totalRowsExact }).toEqual({ totalRows: 150_000, totalRowsExact: true });
  expect(told.at(-1)).toBe(150_000);
});
