import { afterAll, beforeAll, describe, test } from 'vitest';
import { D1CheckpointStore, D1RestDatabase, type D1Sink } from 'resumable-migrator/d1';
import { checkpointStoreSuite, sinkSuite } from 'resumable-migrator/testing';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** The explorer's address has no account, and its batches are no transactions. */
const explorer = () => ({
  baseUrl: world.stack.d1.explorerUrl,
  fetch: ((url, init) => fetch((url as string).replace(/\/accounts\/[^/]+/, ''), init)) as typeof fetch,
});

const ways: readonly {
  readonly name: string;
  readonly atomic: boolean;
  readonly sink: (table: string) => D1Sink<object>;
  readonly database: () =>
    | ConstructorParameters<typeof D1CheckpointStore>[0]['database']
    | Promise<ConstructorParameters<typeof D1CheckpointStore>[0]['database']>;
}[] = [
  { name: 'REST', atomic: true, sink: (table) => world.rest(table), database: () => rest() },
  {
    name: 'the binding',
    atomic: true,
    sink: (table) => world.binding(table),
    database: () => world.stack.d1.database(),
  },
  {
    name: 'the local explorer',
    atomic: false,
    sink: (table) => world.rest(table, explorer()),
    database: () => rest(explorer()),
  },
];

function rest(options: Partial<ConstructorParameters<typeof D1RestDatabase>[0]> = {}): D1RestDatabase {
  const { env } = world.stack;
  return new D1RestDatabase({
    accountId: env.CLOUDFLARE_ACCOUNT_ID,
    databaseId: env.D1_DATABASE_ID,
    apiToken: env.CLOUDFLARE_API_TOKEN,
    baseUrl: env.CLOUDFLARE_API_BASE_URL,
    ...options,
  });
}

let tables = 0;

describe.each(ways)('over $name', ({ atomic, sink, database }) => {
  describe.each(atomic ? (['upsert', 'insert'] as const) : (['upsert'] as const))(
    'a sink that can %s',
    (mode) => {
      sinkSuite({
        test,
        mode,
        atomic,
        create: async () => {
          const table = `sink "${(tables += 1)}"`;
          const quoted = `"${table.replaceAll('"', '""')}"`;
          await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
          await world.d1('DROP TABLE IF EXISTS migration_rejects');
          await world.d1(
            `CREATE TABLE ${quoted} (id INTEGER ${mode === 'upsert' ? 'PRIMARY KEY' : ''}, name TEXT, note TEXT)`,
          );
          const readRows = async () =>
            (await world.d1(`SELECT CAST(id AS TEXT) AS id, name, note FROM ${quoted}`)).map(
              (row) => Object.values(row) as (string | null)[],
            );
          return { sink: sink(table), readRows };
        },
      });
    },
  );

  describe('the checkpoint store', () => {
    checkpointStoreSuite({
      test,
      create: async () => {
        const table = `checkpoints ${(tables += 1)}`;
        const store = new D1CheckpointStore({ database: await database(), table });
        const forgetSettings = async (migration: string): Promise<void> => {
          await world.d1(
            `UPDATE "${table}" SET plan = NULL, seq = NULL WHERE table_name = '${migration.replaceAll("'", "''")}'`,
          );
        };
        return { store, forgetSettings };
      },
    });
  });
});
