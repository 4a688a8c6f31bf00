import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';
import { scalars, scalarTypes } from './scalars.ts';
import { type Case, fill, output, settings } from './table.ts';

/** Arrays of every scalar: empty, with nulls, of up to three dimensions, with other lower bounds than 1. */
const arrays = scalars.map((scalar): Case => {
  const element = scalar.type;
  const delimiter = element === 'box' ? ';' : ',';
  const quoted = scalar.edges.map((text) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`);
  return {
    name: scalar.name,
    element,
    type: `${element}[]`,
    make: scalar.make,
    wrap: (value) => `(CASE i % 6 WHEN 0 THEN ARRAY[${value}] WHEN 1 THEN ARRAY[${value}, NULL, ${value}]
      WHEN 2 THEN ARRAY[[${value}, ${value}], [NULL, ${value}]] WHEN 3 THEN '{}'
      WHEN 4 THEN array_fill(${value}, ARRAY[2, 1], ARRAY[i % 5 - 2, 0]) ELSE ARRAY[[[${value}]], [[${value}]]] END)::${element}[]`,
    edges: ['{}', '{NULL}', `{{NULL}${delimiter}{NULL}}`, `{${quoted.join(delimiter)}}`],
  };
});

let world: World;
let rows: number;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(...scalarTypes);
  rows = await fill(world, 'arrays', arrays);
  await using migrator = new ResumableMigrator({
    source: world.source('arrays'),
    sink: world.rest('arrays'),
  });
  const result = await migrator.run();
  if (result.rows !== rows) throw new Error(`${result.rows} rows of ${rows}`);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** In an array, what the catalog names is its oid. */
function isName({ type }: Case): boolean {
  return type === 'regclass' || type === 'regprocedure';
}

/** The elements' texts and the array's bounds, as PostgreSQL takes it apart. */
function partsOf(scalar: Case): string {
  const { name, type, expected = output } = scalar;
  const text =
    type === 'bool' ? `CASE WHEN v THEN 'true' ELSE 'false' END` : isName(scalar) ? 'v::oid' : expected;
  // unnest() would take composites apart as well.
  const elements = type === 'place' ? `"${name}"::text[]` : `"${name}"`;
  return `array_dims("${name}"), (SELECT array_to_json(array_agg(CASE WHEN v IS DISTINCT FROM NULL THEN (${text})::text END ORDER BY n))::text
    FROM unnest(${elements}) WITH ORDINALITY AS u(v, n)), "${name}" IS NULL`;
}

/** The JSON text that D1 must hold. */
function jsonOf(scalar: Case, dims: string | null, elements: string | null): string {
  const { type, kind } = scalar;
  if (dims === null) return '[]';
  const isBare = kind === 'integer' || kind === 'real' || type === 'bool' || isName(scalar);
  const parsed = JSON.parse(elements ?? '[]') as (string | null)[];
  let level = parsed.map((text) => (text === null ? 'null' : isBare ? text : JSON.stringify(text)));
  const bounds = [...dims.matchAll(/\[(-?\d+):(-?\d+)\]/g)].map(
    ([, from, to]) => [Number(from), Number(to)] as const,
  );
  for (const [from, to] of bounds.toReversed()) {
    const size = to - from + 1;
    level = Array.from(
      { length: level.length / size },
      (_, index) => `[${level.slice(index * size, (index + 1) * size).join(',')}]`,
    );
  }
  const values = level[0] ?? '';
  return bounds.every(([from]) => from === 1)
    ? values
    : `{"lower":[${bounds.map(([from]) => from).join(',')}],"values":${values}}`;
}

test(`10,000 arrays of each of ${arrays.length} types are the JSON of their elements`, async () => {
  const client = await world.pool.connect();
  const wrong: unknown[] = [];
  try {
    await client.query(settings);
    for (let from = 0; from < rows; from += 2_500) {
      const where = `WHERE id > ${from} AND id <= ${from + 2_500} ORDER BY id`;
      const [{ rows: expected }, stored] = await Promise.all([
        client.query<(string | null | boolean)[]>({
          text: `SELECT ${scalars.map(partsOf).join(', ')} FROM arrays ${where}`,
          rowMode: 'array',
        }),
        world.d1(
          `SELECT ${arrays.map(({ name }, index) => `"${name}" AS v${index}`).join(', ')} FROM arrays ${where}`,
        ),
      ]);
      expect(stored.length).toBe(expected.length);
      for (const [place, row] of expected.entries()) {
        for (const [index, scalar] of scalars.entries()) {
          const [dims, elements, isNull] = row.slice(index * 3, index * 3 + 3) as [
            string | null,
            string | null,
            boolean,
          ];
          const right = isNull ? null : jsonOf(scalar, dims, elements);
          const found = stored[place]?.[`v${index}`];
          if (right !== found && wrong.length < 20) wrong.push({ column: scalar.name, right, found });
        }
      }
    }
  } finally {
    client.release(true);
  }
  expect(wrong).toEqual([]);
});

test('every stored array is JSON text that D1 itself reads', async () => {
  const valid = arrays.map(
    ({ name }) => `sum("${name}" IS NOT NULL AND (typeof("${name}") <> 'text' OR NOT json_valid("${name}")))`,
  );
  const [row = {}] = await world.d1(
    `SELECT ${valid.map((sum, index) => `${sum} AS s${index}`).join(', ')} FROM arrays`,
  );
  expect(Object.values(row).filter((wrong) => wrong !== 0)).toEqual([]);
});

test('a pool and a Kysely instance read the same arrays', async () => {
  const db = new Kysely<Record<string, Record<string, unknown>>>({
    dialect: new PostgresDialect({ pool: world.pool }),
  });
  const everything = { lower: { key: ['8000'], inclusive: true }, upper: [String(rows)], limit: rows };
  const expected = await world.source('arrays').readPage(everything);
  const found = await new PostgresKeysetSource({ db, table: 'arrays' }).readPage(everything);
  expect(JSON.stringify(found) === JSON.stringify(expected)).toBe(true);
});

test('what is no finite number, and what looks like syntax, stays what it is', async () => {
  const literals: readonly (readonly [type: string, literal: string, json: string])[] = [
    [
      'float8[]',
      '{NaN,Infinity,-Infinity,-0,1e300,5e-324}',
      '["NaN","Infinity","-Infinity",-0,1e+300,5e-324]',
    ],
    [
      'text[]',
      `{"NULL",NULL,null,"",",","{","}","\\"","\\\\"," a ","[1:2]={1,2}"}`,
      '["NULL",null,null,"",",","{","}","\\"","\\\\"," a ","[1:2]={1,2}"]',
    ],
    ['int8[]', '{9223372036854775807,-9223372036854775808}', '[9223372036854775807,-9223372036854775808]'],
    ['int4[]', '[-2:-1][0:0]={{1},{NULL}}', '{"lower":[-2,0],"values":[[1],[null]]}'],
    ['text[]', '[0:1]={"=","{"}', '{"lower":[0],"values":["=","{"]}'],
    [
      'timestamptz[]',
      '{"2026-01-02 03:04:05.5+02",infinity,"0044-03-15 00:00:00+00 BC"}',
      '["2026-01-02T01:04:05.5Z","infinity","-0043-03-15T00:00:00Z"]',
    ],
    ['bytea[]', `{"\\\\x00ff",""}`, '["00ff",""]'],
    ['bool[]', '{t,f,NULL}', '[true,false,null]'],
    ['numeric[]', '{1.50,NaN,12345678901234567890.10}', '["1.50","NaN","12345678901234567890.10"]'],
    ['money[]', '{1234.5,-0.01,NULL}', '["1234.50","-0.01",null]'],
    ['box[]', '{(1,1),(0,0);(2,2),(1,1)}', '["(1,1),(0,0)","(2,2),(1,1)"]'],
    ['json[]', `{"{\\"a\\" : 1}",NULL}`, '["{\\"a\\" : 1}",null]'],
    ['int4_list[]', `{"{1,2}","{3}"}`, '["{1,2}","{3}"]'],
    ['int4_list', '{1,2}', '[1,2]'],
  ];
  const columns = literals.map(([type], index) => `c${index} ${type}`).join(', ');
  await world.postgres(
    'CREATE DOMAIN int4_list AS int4[]',
    `CREATE TABLE odd_arrays (id int PRIMARY KEY, ${columns})`,
  );
  const places = literals.map(([type], index) => `$${index + 1}::text::${type}`).join(', ');
  await world.pool.query(
    `INSERT INTO odd_arrays SELECT 1, ${places}`,
    literals.map(([, literal]) => literal),
  );
  await world.migrator('odd_arrays').run();
  const [, ...found] = Object.values((await world.d1('SELECT * FROM odd_arrays'))[0] ?? {});
  expect(found).toEqual(literals.map(([, , json]) => json));
});

test('rows are found by arrays, dates and names in their key', async () => {
  await world.postgres(
    'CREATE TABLE odd_keys (a int8[], b text[], at timestamptz, day date, what regprocedure, price money, PRIMARY KEY (a, b, at, day, what, price))',
    `INSERT INTO odd_keys SELECT CASE i % 3 WHEN 0 THEN ARRAY[i, NULL, 9007199254740993] WHEN 1 THEN ARRAY[[i], [2]] ELSE array_fill(i, ARRAY[2], ARRAY[-1]) END,
      ARRAY['"', E'\\\\', NULL, 'NULL', i::text], CASE i % 4 WHEN 0 THEN 'infinity' WHEN 1 THEN timestamptz '0044-03-15 00:00:00+00 BC' ELSE timestamptz '12345-01-01 00:00:00+00' END,
      date '9990-01-01' + i * 10, 'lower(text)', i FROM generate_series(1, 1000) AS i`,
  );
  await using migrator = new ResumableMigrator({
    source: world.source('odd_keys'),
    sink: world.rest('odd_keys'),
    checkpointSize: 30,
    batchSize: 7,
  });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 1_000 });
  expect(await world.d1('SELECT count(*) AS n FROM odd_keys')).toEqual([{ n: 1_000 }]);
});
