import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { TextRow } from 'resumable-migrator';
import { PostgresKeysetSource, type PostgresTableOptions } from 'resumable-migrator/postgres';
import { sourceSuite } from 'resumable-migrator/testing';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

type Tables = Record<string, Record<string, unknown>>;
type Options = Omit<PostgresTableOptions<Tables, string>, 'table'>;

/** The three ways to the database. */
const connections: Readonly<Record<string, (table: string, options: Options) => PostgresKeysetSource>> = {
  'a pool': (table, options) => new PostgresKeysetSource({ pool: world.pool, table, ...options }),
  'a connection string': (table, options) =>
    new PostgresKeysetSource({ connectionString: world.stack.env.DATABASE_URL, table, ...options }),
  'a Kysely instance': (table, options) =>
    new PostgresKeysetSource({
      db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool: world.pool }) }),
      table,
      ...options,
    }),
};

let tables = 0;

function suite(name: string, ddl: string, rows: readonly TextRow[], options: Options = {}): void {
  describe(name, () => {
    describe.each(Object.entries(connections))('over %s', (_connection, connect) => {
      const create = async (filled: readonly TextRow[]) => {
        const table = `suite ${(tables += 1)}`;
        await world.postgres(`CREATE TABLE "${table}" (${ddl})`);
        // In another order than the key's.
        for (const row of filled.toReversed()) {
          const places = row.map((_value, index) => `$${index + 1}`).join(', ');
          await world.pool.query(
            `INSERT INTO "${table}" VALUES (${places})`,
            row.map((value) => (/^(00|ff)$/.test(value ?? '') ? `\\x${value}` : value)),
          );
        }
        const source = connect(table, options);
        return { source, rows: filled, dispose: () => source.close() };
      };
      sourceSuite({ test, create: () => create(rows), createEmpty: () => create([]) });
    });
  });
}

const integers = [
  '-9223372036854775808',
  '-9007199254740993',
  '-1',
  '0',
  '1',
  '2',
  '3',
  '40000000000',
  '9007199254740992',
  '9007199254740993',
  '9223372036854775807',
];
suite(
  'integer keys that are far apart',
  'id bigint PRIMARY KEY, name text',
  integers.map((id, index) => [id, index % 3 === 0 ? null : `name ${index}`]),
);
suite(
  'dense integer keys',
  'id int PRIMARY KEY, "select" boolean',
  Array.from({ length: 40 }, (_, index) => [String(index - 7), index % 2 === 0 ? 'true' : 'false']),
);
const texts = [
  '',
  ' ',
  '"',
  '-5',
  '010',
  '10',
  '123',
  '1e3',
  '9',
  '9a',
  '["123"]',
  "it's",
  'z',
  'Ünï',
  '東京',
  '🚀',
];
suite(
  'text keys',
  'note text, "na""me" text COLLATE "C" PRIMARY KEY',
  texts.map((name, index) => [`note ${index}`, name]),
);
suite(
  'a key of two columns in another order than the table has them',
  'id bigint, name text, shop text COLLATE "C", PRIMARY KEY (shop, id)',
  ['eu', 'us'].flatMap((shop) =>
    ['-1', '2', '10', '9007199254740993', '9223372036854775807'].map((id) => [id, null, shop]),
  ),
);
suite(
  'keys of timestamps, numerics and bytes',
  'at timestamptz, amount numeric, tag bytea, v int, PRIMARY KEY (at, amount, tag)',
  ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000001Z'].flatMap((at) =>
    ['-1.5', '0.10', '100000000000000000000.5'].flatMap((amount) =>
      ['00', 'ff'].map((tag, index) => [at, amount, tag, String(index)]),
    ),
  ),
);
suite(
  'uuid keys',
  'id uuid PRIMARY KEY',
  Array.from({ length: 30 }, (_, index) => [`${String(index).padStart(8, '0')}-0000-4000-8000-000000000000`]),
);
