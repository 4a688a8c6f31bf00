import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type PlanPreview,
  type PlanOptions,
  ResumableMigrator,
  type TuningOptions,
} from 'resumable-migrator';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

type SourceOptions = Parameters<World['source']>[1];

/** Something that is wrong with a table, and where the plan says so. */
interface Problem {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly column?: string;
  /** The table it is planted in; its name in D1 is the same. */
  readonly table: string;
  readonly source?: SourceOptions;
  readonly tuning?: TuningOptions;
  /** What has to be in the message. */
  readonly says: RegExp;
}

const problems: readonly Problem[] = [
  {
    code: 'SINK_COLUMN_MISSING',
    severity: 'error',
    column: 'note',
    table: 'ill',
    says: /lacks the column note/,
  },
  {
    code: 'SINK_COLUMN_MISSING',
    severity: 'error',
    column: 'twice',
    table: 'ill',
    says: /computes twice itself/,
  },
  {
    code: 'SINK_COLUMN_MISSING',
    severity: 'error',
    column: 'extra',
    table: 'ill',
    says: /needs a value for extra/,
  },
  { code: 'COLUMN_TYPE', severity: 'warning', column: 'price', table: 'ill', says: /12\.50 becomes 12\.5/ },
  { code: 'TYPE_UNKNOWN', severity: 'info', column: 'strange', table: 'ill', says: /odd has no form/ },
  {
    code: 'VALUE_REFUSED',
    severity: 'error',
    column: 'speed',
    table: 'ill',
    says: /^[^7]* 2 of the 500 rows.*key 3\./,
  },
  {
    code: 'VALUE_REFUSED',
    severity: 'error',
    column: 'speed',
    table: 'refused',
    says: /1 of the 10 rows.*key 7\./,
  },
  {
    code: 'VALUE_REFUSED',
    severity: 'error',
    column: 'height',
    table: 'refused',
    says: /2 of the 10 rows.*key 7\./,
  },
  { code: 'ROW_TOO_LARGE', severity: 'error', table: 'large', says: /2,000,000 bytes.*key 4500/ },
  {
    code: 'SINK_NOT_EMPTY',
    severity: 'error',
    table: 'occupied',
    source: { key: ['a'] },
    says: /occupied has rows/,
  },
  {
    code: 'PLAN_MISMATCH',
    severity: 'error',
    table: 'planned',
    tuning: { checkpointSize: 30 },
    says: /checkpointSize was 40, now 30/,
  },
  {
    code: 'PLAN_INCOMPLETE',
    severity: 'error',
    table: 'holed',
    tuning: { checkpointSize: 40 },
    says: /1 of its checkpoints/,
  },
  {
    code: 'KEY_NOT_INDEXED',
    severity: 'warning',
    table: 'unindexed',
    source: { key: ['b', 'a'] },
    says: /key \(b, a\)/,
  },
  {
    code: 'KEY_NOT_INDEXED',
    severity: 'warning',
    table: 'shown',
    source: { key: ['id'] },
    says: /about 30,000 rows/,
  },
  {
    code: 'KEY_COLLATION',
    severity: 'warning',
    column: 'name',
    table: 'caseless',
    says: /texts that differ in their bytes/,
  },
  { code: 'STATISTICS_MISSING', severity: 'info', table: 'unknown', says: /no statistics/ },
];

async function plant(): Promise<void> {
  await world.postgres(
    `CREATE COLLATION caseless_icu (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    // A type that is built in such a way that nothing is known of it.
    'CREATE TYPE odd',
    `CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'textin'`,
    `CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'`,
    'CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = text)',
    `CREATE TABLE ill (id int PRIMARY KEY, note text, twice int, price numeric, strange odd, speed float8)`,
    `INSERT INTO ill SELECT i, 'n', i, 12.5, 'x', i FROM generate_series(1, 500) AS i`,
    `UPDATE ill SET speed = 'NaN' WHERE id IN (3, 400)`,
    'CREATE TABLE refused (id int PRIMARY KEY, speed float8, height float4)',
    'INSERT INTO refused SELECT i, i, i FROM generate_series(1, 10) AS i',
    `UPDATE refused SET speed = 'Infinity', height = '-0' WHERE id = 7`,
    `UPDATE refused SET height = 'NaN' WHERE id = 9`,
    'CREATE TABLE large (id int PRIMARY KEY, body text)',
    `INSERT INTO large SELECT i, 'small' FROM generate_series(1, 20000) AS i`,
    `UPDATE large SET body = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 62501) AS i) WHERE id = 4500`,
    'CREATE TABLE occupied (a int NOT NULL UNIQUE, b text)',
    'INSERT INTO occupied SELECT i, i FROM generate_series(1, 10) AS i',
    'CREATE TABLE planned (id int PRIMARY KEY, v text)',
    `INSERT INTO planned SELECT i, 'v' FROM generate_series(1, 200) AS i`,
    'CREATE TABLE holed AS TABLE planned',
    'ALTER TABLE holed ADD PRIMARY KEY (id)',
    'CREATE TABLE unindexed (a int NOT NULL, b int NOT NULL, v text, UNIQUE (a, b))',
    `INSERT INTO unindexed SELECT i, -i, 'v' FROM generate_series(1, 30000) AS i`,
    'CREATE TABLE below (n int, v text)',
    'INSERT INTO below SELECT i, i FROM generate_series(1, 30000) AS i',
    'CREATE VIEW shown AS SELECT n * 2 AS id, v FROM below',
    'CREATE TABLE caseless (name text COLLATE caseless_icu PRIMARY KEY, v int)',
    `INSERT INTO caseless SELECT 'Name ' || i, i FROM generate_series(1, 100) AS i`,
    'ANALYZE',
    'CREATE TABLE unknown (id int PRIMARY KEY) WITH (autovacuum_enabled = false)',
    'INSERT INTO unknown SELECT generate_series(1, 150000)',
  );
  await world.d1(
    'CREATE TABLE ill (id INTEGER PRIMARY KEY, price DECIMAL(10,2), strange TEXT, speed REAL, base INTEGER, twice INTEGER AS (base * 2), extra TEXT NOT NULL)',
  );
  await world.d1('CREATE TABLE occupied (a INTEGER, b TEXT)');
  await world.d1(`INSERT INTO occupied VALUES (1, 'there before')`);
  await world.migrator('planned', { checkpointSize: 40 }).run({ budget: { batches: 1 } });
  await world.migrator('holed', { checkpointSize: 40 }).run({ budget: { batches: 1 } });
  await world.d1(`DELETE FROM migration_checkpoints WHERE table_name = 'holed' AND seq = 3`);
}

async function planOf({ table, source, tuning }: Problem, options: PlanOptions = {}): Promise<PlanPreview> {
  return await world.migrator(table, { ...tuning, ...(source ? { source } : {}) }).plan(options);
}

/** Both databases to the last row, and every row's version in PostgreSQL. */
async function everything(): Promise<unknown> {
  const { rows: tables } = await world.pool.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class AS c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  const postgres: unknown[] = [];
  for (const { name } of tables) {
    const { rows } = await world.pool.query(
      `SELECT count(*), md5(string_agg(t.ctid::text || t.xmin::text || t.xmax::text || t::text, '' ORDER BY t.ctid)) FROM ${name} AS t`,
    );
    postgres.push([name, rows]);
  }
  const { rows: objects } = await world.pool.query(
    `SELECT oid::text, relname, relfilenode::text FROM pg_class ORDER BY oid`,
  );
  return { postgres, objects, d1: await world.d1Contents() };
}

test('every planted problem is found exactly once, and nothing else, and nothing changes on either side', async () => {
  await plant();
  const before = await everything();
  const tables = Map.groupBy(problems, ({ table }) => table);
  expect(problems.length).toBeGreaterThanOrEqual(15);
  for (const [table, planted] of tables) {
    const [first] = planted;
    if (!first) continue;
    const { findings } = await planOf(first);
    const found = findings.map(({ code, severity, column }) => ({ code, severity, column }));
    const expected = planted.map(({ code, severity, column = null }) => ({ code, severity, column }));
    expect(new Set(found.map((one) => JSON.stringify(one))), table).toEqual(
      new Set(expected.map((one) => JSON.stringify(one))),
    );
    expect(found, table).toHaveLength(expected.length);
    for (const { code, column = null, says } of planted) {
      const one = findings.find((finding) => finding.code === code && finding.column === column);
      expect(one?.message, table).toMatch(says);
      expect(one?.help, table).toMatch(/^[A-Z].{20,}/s);
    }
    // Errors come first, notes last.
    const order = findings.map(({ severity }) => ['error', 'warning', 'info'].indexOf(severity));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  }
  expect(await everything()).toEqual(before);
});

test('what the plan calls an error keeps a run from beginning, with the same code and the same words', async () => {
  for (const table of ['ill', 'occupied', 'planned', 'holed', 'large']) {
    const problem = problems.find((one) => one.table === table);
    if (!problem) throw new Error(table);
    const { findings } = await planOf(problem);
    const before = await world.d1Contents();
    const run = world
      .migrator(table, { ...problem.tuning, ...(problem.source ? { source: problem.source } : {}) })
      .run();
    const error: unknown = await run.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error, table).toMatchObject({ code: findings[0]?.code });
    const [sentence = ''] = (findings[0]?.message ?? '').split(/\. (?=It has)/);
    expect((error as Error).message, table).toContain(sentence.replace(/\.$/, ''));
    expect(await world.d1Contents()).toEqual(before);
  }
});

test('a value that a finding is about is not shown, only the key of its row', async () => {
  await world.postgres(
    'CREATE TABLE secretive (id int PRIMARY KEY, n numeric)',
    'INSERT INTO secretive VALUES (1, 1), (42, 31337.123456789)',
  );
  const sink = world.rest('secretive', { store: { n: { scaled: 2 } } });
  const { findings } = await new ResumableMigrator({ source: world.source('secretive'), sink }).plan();
  expect(findings).toMatchObject([{ code: 'VALUE_REFUSED', column: 'n' }]);
  expect(findings[0]?.message).toContain('key 42');
  expect(JSON.stringify(findings)).not.toContain('31337');
});

test('a clean table of many types has no findings, neither a new one nor one that is half copied or complete', async () => {
  await world.postgres(
    `CREATE TYPE mood AS ENUM ('sad', 'ok')`,
    `CREATE TABLE clean (a bigint, t text COLLATE "C", b bool, i2 int2, f8 float8, f4 float4, n numeric(20,4), by bytea, u uuid, d date,
      tm time, tz timetz, ts timestamp, tstz timestamptz, iv interval, j json, jb jsonb, ia int[], ta text[], ip inet, m mood, x xml, v varbit, PRIMARY KEY (t, a))`,
    `INSERT INTO clean SELECT i, 't' || i, true, 1, i / 3.0, 1.5, 12.5, '\\x00ff', gen_random_uuid(), '2026-01-02', '03:04', '03:04+02', now(), now(),
      '1 day', '{"a":1}', '{"a":1}', '{1,2}', '{a,b}', '10.0.0.1', 'ok', '<a/>', B'101' FROM generate_series(1, 25000) AS i`,
    'ANALYZE clean',
  );
  const migrator = (): ReturnType<World['migrator']> =>
    world.migrator('clean', { checkpointSize: 5_000, batchSize: 2_500 });
  for (const budget of [{ batches: 3 }, {}]) {
    expect((await migrator().plan()).findings).toEqual([]);
    await migrator().run({ budget });
  }
  const plan = await migrator().plan({ values: 'all' });
  expect(plan).toMatchObject({
    findings: [],
    totalRows: 25_000,
    totalRowsExact: true,
    newCheckpoints: 0,
    checkpoints: 5,
  });
  expect(plan).toMatchObject({
    strategy: { kind: 'walked' },
    statements: [],
    values: { choice: 'all', rows: 25_000 },
  });
});

test('a bad value that the sample cannot see is found by looking at all of them', async () => {
  const rows = 200_000;
  // Neither near the beginning of a stretch nor at the end of one.
  const bad = 12_500 + 1_000 + randomInt(10_000);
  await world.postgres(
    'CREATE TABLE haystack (id int PRIMARY KEY, x float8)',
    `INSERT INTO haystack SELECT i, i FROM generate_series(1, ${rows}) AS i`,
    `UPDATE haystack SET x = 'NaN' WHERE id = ${bad}`,
    'ANALYZE haystack',
  );
  const migrator = world.migrator('haystack', { checkpointSize: 25_000 });
  const sampled = await migrator.plan();
  expect(sampled, `the bad id is ${bad}`).toMatchObject({ findings: [], values: { choice: 'sample' } });
  expect(sampled.values.rows).toBeGreaterThan(5_000);
  expect(sampled.values.rows).toBeLessThan(20_000);
  const seen: number[] = [];
  migrator.on('plan:progress', ({ rows: looked }) => seen.push(looked));
  const all = await migrator.plan({ values: 'all' });
  expect(all.findings, `the bad id is ${bad}`).toMatchObject([
    { code: 'VALUE_REFUSED', severity: 'error', column: 'x' },
  ]);
  expect(all.findings[0]?.message).toContain(
    `1 of the 200,000 rows that were looked at; the first has the key ${bad}.`,
  );
  expect(all).toMatchObject({
    totalRows: rows,
    totalRowsExact: true,
    totalBytesExact: true,
    values: { rows },
  });
  const { rows: texts } = await world.pool.query<{ bytes: string }>(
    'SELECT sum(octet_length(id::text) + octet_length(x::text))::text AS bytes FROM haystack',
  );
  expect(all.totalBytes).toBe(Number(texts[0]?.bytes));
  // The sample's figure is near to it.
  expect(Math.abs(sampled.totalBytes / all.totalBytes - 1)).toBeLessThan(0.1);
  expect(seen.at(-1)).toBe(rows);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect((await migrator.plan({ values: 'none' })).values).toEqual({ choice: 'none', rows: 0 });
});

test('bad values at the beginning, in the middle and at the very end of a table of one checkpoint are in the sample', async () => {
  await world.postgres(
    'CREATE TABLE ends (id int PRIMARY KEY, a float8, b float8, c float8)',
    'INSERT INTO ends SELECT i, 1, 1, 1 FROM generate_series(1, 40000) AS i',
    `UPDATE ends SET a = 'NaN' WHERE id = 1`,
    `UPDATE ends SET b = 'NaN' WHERE id = 20001`,
    `UPDATE ends SET c = 'NaN' WHERE id = 40000`,
    'ANALYZE ends',
  );
  const { findings, checkpoints } = await world.migrator('ends').plan();
  expect(checkpoints).toBe(1);
  expect(new Set(findings.map(({ column }) => column))).toEqual(new Set(['a', 'b', 'c']));
  expect(findings).toHaveLength(3);
});

test('a signal ends a plan that looks at all values', async () => {
  const controller = new AbortController();
  const migrator = world.migrator('haystack', { checkpointSize: 25_000, pageSize: 500 });
  migrator.once('plan:progress', () => controller.abort());
  const error: unknown = await migrator
    .plan({ values: 'all', signal: controller.signal })
    .catch((thrown: unknown) => thrown);
  expect(error).toBe(controller.signal.reason);
});

test('the plan says how the keys are cut, and why', async () => {
  await world.postgres(
    'CREATE TABLE spaced (id bigint PRIMARY KEY)',
    'INSERT INTO spaced SELECT i * 1000000007::bigint FROM generate_series(1, 300) AS i',
  );
  const strategy = async (table: string, size: number): Promise<PlanPreview['strategy']> =>
    (await world.migrator(table, { checkpointSize: size, name: `strategy of ${table}` }).plan()).strategy;
  const dense = await strategy('planned', 40);
  expect(dense?.kind).toBe('fixed');
  expect(dense?.reason).toMatch(/id runs from 1 to 200.*dense enough for ranges of 40 ids/);
  const sparse = await strategy('spaced', 10);
  expect(sparse?.kind).toBe('walked');
  expect(sparse?.reason).toMatch(/too sparse for ranges of 10 ids \(29,900,000,210 of them/);
  expect(await strategy('caseless', 10)).toMatchObject({
    kind: 'walked',
    reason: expect.stringContaining('name text') as string,
  });
});

test('the statements of the plan are those that a run makes the table with', async () => {
  const [statement = ''] = (await world.migrator('planned', { name: 'for its statements' }).plan())
    .statements;
  expect(statement).toBe('');
  const sink = world.rest('made_later');
  const migrator = new ResumableMigrator({ source: world.source('planned'), sink, name: 'made later' });
  const { statements } = await migrator.plan();
  await migrator.run();
  const [made] = await world.d1(`SELECT sql FROM sqlite_master WHERE name = 'made_later'`);
  expect(statements.map((text) => text.replace('IF NOT EXISTS ', ''))).toEqual([made?.['sql']]);
});
