import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TextRow } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';
import { scalars, scalarTypes } from './scalars.ts';
import { fill } from './table.ts';
import { poolOf } from '../support/pool.ts';

/** Whatever changes the text of a value, or the way it is found. */
const settings: readonly (readonly [name: string, values: readonly string[]])[] = [
  ['datestyle', ['German', 'SQL, DMY', 'Postgres, MDY']],
  ['intervalstyle', ['sql_standard', 'postgres_verbose', 'postgres']],
  ['timezone', ['America/New_York', 'Asia/Kathmandu', 'Europe/London']],
  ['bytea_output', ['escape']],
  ['extra_float_digits', ['-15', '0', '3']],
  ['quote_all_identifiers', ['on']],
  ['search_path', ['pg_catalog, public', 'elsewhere, public']],
  ['xmloption', ['document']],
  ['xmlbinary', ['hex']],
  ['lc_monetary', ['C.utf8', 'POSIX']],
  ['lc_numeric', ['C.utf8']],
  ['lc_time', ['C.utf8']],
  ['client_encoding', ['LATIN1', 'SQL_ASCII']],
  ['array_nulls', ['off']],
  ['standard_conforming_strings', ['off']],
  ['transform_null_equals', ['on']],
  ['default_text_search_config', ['pg_catalog.german']],
];

let world: World;
let rows: number;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(...scalarTypes);
  const arrays = scalars
    .filter(({ type }) => type !== 'box')
    .map(({ name, type, edges }) => ({
      name: `${name}[]`,
      type: `${type}[]`,
      make: `'{}'`,
      edges: [`{${edges.map((edge) => `"${edge.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`],
    }));
  rows = await fill(world, 'everything', [...scalars, ...arrays], 50);
  await world.postgres('CREATE SCHEMA elsewhere', 'CREATE TABLE elsewhere."mood holder" (i int)');
});
afterAll(async () => {
  await world.postgres('ALTER ROLE postgres RESET ALL');
  await world[Symbol.asyncDispose]();
});

/** Reads the table over new connections, which have the role's settings. */
async function read(): Promise<Record<string, readonly TextRow[]>> {
  const connectionString = world.stack.env.DATABASE_URL;
  const pool = poolOf({ connectionString });
  const db = new Kysely<Record<string, Record<string, unknown>>>({ dialect: new PostgresDialect({ pool }) });
  const everything = { lower: null, upper: [String(rows)], limit: rows };
  const options = { table: 'everything', schema: 'public' } as const;
  await using overString = new PostgresKeysetSource({ connectionString, ...options });
  try {
    // Every value as this connection would write it, had nobody set anything.
    const untouched = 'SELECT md5(string_agg(e::text, chr(10))) AS digest FROM public.everything AS e';
    const { rows: plain } = await pool.query<{ digest: string }>(untouched);
    return {
      plain: [[plain[0]?.digest ?? null]],
      string: (await overString.readPage(everything)).rows,
      kysely: (await new PostgresKeysetSource({ db, ...options }).readPage(everything)).rows,
    };
  } finally {
    await db.destroy();
  }
}

function wrong(found: readonly TextRow[] = [], expected: readonly TextRow[] = []): unknown[] {
  if (found.length !== expected.length) return [found.length, expected.length];
  return found.flatMap((row, place) =>
    row.flatMap((value, index) =>
      value === expected[place]?.[index] ? [] : [[index, value, expected[place]?.[index]]],
    ),
  );
}

test('no setting of the server or the role changes a text', async () => {
  const { string: expected, plain } = await read();
  expect(expected?.length).toBe(rows);
  const effective = new Set<string>();
  for (const [name, values] of settings) {
    for (const value of values) {
      const quoted = name === 'search_path' || name === 'datestyle' ? value : `'${value}'`;
      await world.postgres('ALTER ROLE postgres RESET ALL', `ALTER ROLE postgres SET ${name} = ${quoted}`);
      const found = await read();
      if (wrong(found['plain'], plain).length > 0) effective.add(name);
      expect(
        wrong(found['string'], expected).slice(0, 3),
        `${name} = ${value}, over a connection string`,
      ).toEqual([]);
      expect(
        wrong(found['kysely'], expected).slice(0, 3),
        `${name} = ${value}, over a Kysely instance`,
      ).toEqual([]);
    }
  }
  // The control: these settings do change texts where nobody sees to it.
  const known = ['datestyle', 'intervalstyle', 'timezone', 'bytea_output', 'extra_float_digits'];
  expect([...effective]).toEqual(expect.arrayContaining([...known, 'quote_all_identifiers', 'search_path']));
});
