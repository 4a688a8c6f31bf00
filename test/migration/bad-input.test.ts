import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isMigratorError, type MigratorErrorCode, ResumableMigrator } from 'resumable-migrator';
import { D1CheckpointStore, type D1DatabaseLike } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    'CREATE TABLE good (id int PRIMARY KEY, name text, note text)',
    `INSERT INTO good SELECT i, 'name ' || i, NULL FROM generate_series(1, 100) AS i`,
    'CREATE TABLE keyless (a int, b text)',
    'INSERT INTO keyless SELECT i, i FROM generate_series(1, 10) AS i',
    'CREATE TABLE nullable (a int UNIQUE, b text)',
    'INSERT INTO nullable VALUES (1, NULL), (NULL, NULL)',
    'CREATE TABLE twins (a int NOT NULL, b text)',
    'INSERT INTO twins VALUES (1, NULL), (1, NULL)',
    'CREATE VIEW twin_view AS SELECT * FROM twins',
    'CREATE TABLE partial (a int NOT NULL, b text)',
    'CREATE UNIQUE INDEX ON partial (a) WHERE b IS NULL',
    'CREATE TABLE large (id int PRIMARY KEY, body text, blob bytea)',
    `INSERT INTO large SELECT i, 'small', '\\x00' FROM generate_series(1, 500) AS i`,
    `INSERT INTO large SELECT 501, string_agg(md5(i::text), ''), NULL FROM generate_series(1, 62501) AS i`,
    'CREATE ROLE stranger LOGIN',
    `ALTER ROLE stranger PASSWORD 'stranger-password'`,
  );
  await world.d1('CREATE TABLE lacks (id INTEGER PRIMARY KEY, name TEXT)');
  await world.d1('CREATE TABLE demands (id INTEGER PRIMARY KEY, name TEXT, note TEXT, extra TEXT NOT NULL)');
  await world.d1('CREATE TABLE filled (a INTEGER, b TEXT)');
  await world.d1(`INSERT INTO filled VALUES (1, 'there before')`);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Runs it, and expects this error: with a help line, retries that are worth it, and both sides as they were. */
async function refused(
  make: () => { run(): Promise<unknown> },
  code: MigratorErrorCode,
  message: RegExp,
): Promise<void> {
  const before = await world.d1Contents();
  let error: unknown;
  try {
    await make().run();
  } catch (thrown) {
    error = thrown;
  }
  if (!isMigratorError(error)) throw new Error(`expected ${code}`, { cause: error });
  expect(error).toMatchObject({ code });
  expect(error.message).toMatch(message);
  expect(error.help).toMatch(/^[A-Z].{20,}[.:)]/s);
  expect(await world.d1Contents()).toEqual(before);
}

const quickly = { retry: { retries: 1, baseMs: 1 } };

describe('the source', () => {
  test('a table that does not exist is named', async () => {
    await refused(() => world.migrator('nowhere'), 'SOURCE_TABLE_NOT_FOUND', /no table or view nowhere/);
  });

  test('a table of another schema is not found without the schema', async () => {
    await world.postgres('CREATE SCHEMA other', 'CREATE TABLE other.hidden (id int PRIMARY KEY)');
    await refused(() => world.migrator('hidden'), 'SOURCE_TABLE_NOT_FOUND', /hidden/);
    expect((await world.source('other.hidden').describe()).identity).toContain('other.hidden');
    expect((await world.source('hidden', { schema: 'other' }).describe()).identity).toContain('other.hidden');
  });

  test('a column that does not exist is named, with those that do', async () => {
    const columns = { source: { columns: ['id', 'nme'] } };
    await refused(() => world.migrator('good', columns), 'SOURCE_COLUMN_NOT_FOUND', /good has no column nme/);
    const key = { source: { key: ['idd'] } };
    await refused(() => world.migrator('good', key), 'SOURCE_COLUMN_NOT_FOUND', /no column idd/);
  });

  test('a table without a primary key needs a key', async () => {
    await refused(() => world.migrator('keyless'), 'SOURCE_KEY_REQUIRED', /no primary key/);
  });

  test('a key that can be null is refused', async () => {
    await refused(
      () => world.migrator('nullable', { source: { key: ['a'] } }),
      'SOURCE_KEY_NULLABLE',
      /a of nullable/,
    );
  });

  test('a key that is not unique is refused, for tables by their indexes and for views by their rows', async () => {
    await refused(
      () => world.migrator('twins', { source: { key: ['a'] } }),
      'SOURCE_KEY_NOT_UNIQUE',
      /twins/,
    );
    await refused(
      () => world.migrator('partial', { source: { key: ['a'] } }),
      'SOURCE_KEY_NOT_UNIQUE',
      /partial/,
    );
    await refused(
      () => world.migrator('twin_view', { source: { key: ['a'] } }),
      'SOURCE_KEY_NOT_UNIQUE',
      /twin_view/,
    );
  });

  test('a row of more than 2,000,000 bytes is refused with its key before anything is written', async () => {
    await refused(() => world.migrator('large'), 'ROW_TOO_LARGE', /2,000,000 bytes.*key 501/);
  });

  const connect = (change: (url: URL) => void): ResumableMigrator<object, object> => {
    const url = new URL(world.stack.env.DATABASE_URL);
    change(url);
    const source = new PostgresKeysetSource({ connectionString: url.href, table: 'good' });
    return new ResumableMigrator({ source, sink: world.rest('good'), ...quickly });
  };

  test('a wrong password is refused at once', async () => {
    await refused(
      () => connect((url) => (url.password = 'wrong')),
      'SOURCE_CREDENTIALS',
      /password authentication failed/,
    );
  });

  test('a user who may not read the table is told so', async () => {
    const stranger = (url: URL): void => {
      url.username = 'stranger';
      url.password = 'stranger-password';
    };
    await refused(() => connect(stranger), 'SOURCE_TABLE_NOT_FOUND', /may not read good/);
  });

  test('a database that does not exist, a port where nobody listens and a host without an address are unreachable', async () => {
    await refused(
      () => connect((url) => (url.pathname = '/nowhere')),
      'SOURCE_UNREACHABLE',
      /"nowhere" does not exist/,
    );
    await refused(() => connect((url) => (url.port = '1')), 'SOURCE_UNREACHABLE', /ECONNREFUSED/);
    await refused(
      () => connect((url) => (url.hostname = 'host.invalid')),
      'SOURCE_UNREACHABLE',
      /host\.invalid/,
    );
  });

  test('a connection string that is none is refused without being shown', () => {
    for (const connectionString of ['', 'mysql://root:hunter2@db/x', 'postgres://user:hunter2@[bad/x']) {
      expect(() => new PostgresKeysetSource({ connectionString, table: 'good' })).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTION',
          message: expect.not.stringContaining('hunter2') as string,
        }),
      );
    }
  });
});

describe('the sink', () => {
  const to = (
    table: string,
    options: Parameters<World['rest']>[1] = {},
    source = 'good',
  ): ResumableMigrator<object, object> =>
    new ResumableMigrator({ source: world.source(source), sink: world.rest(table, options), ...quickly });

  test('a wrong token is refused at once', async () => {
    await refused(() => to('good', { apiToken: 'wrong-token' }), 'SINK_CREDENTIALS', /HTTP 401/);
  });

  test('an unknown account is refused', async () => {
    await refused(() => to('good', { accountId: '0123' }), 'SINK_CREDENTIALS', /HTTP 403/);
  });

  test('an unknown database is refused', async () => {
    const databaseId = '00000000-0000-4000-8000-000000000000';
    await refused(() => to('good', { databaseId }), 'SINK_DATABASE_NOT_FOUND', /HTTP 404/);
  });

  test('an address where nobody listens, or which has none, is unreachable', async () => {
    await refused(
      () => to('good', { baseUrl: 'http://127.0.0.1:9/client/v4' }),
      'SINK_UNREACHABLE',
      /127\.0\.0\.1:9/,
    );
    await refused(
      () => to('good', { baseUrl: 'http://host.invalid/client/v4' }),
      'SINK_UNREACHABLE',
      /host\.invalid/,
    );
  });

  test('a server that is not the API is recognised', async () => {
    const baseUrl = new URL('/elsewhere', world.stack.env.CLOUDFLARE_API_BASE_URL).href;
    await refused(() => to('good', { baseUrl }), 'SINK_PROTOCOL', /./);
  });

  test('a missing table is refused where it is not to be made', async () => {
    await refused(() => to('nowhere', { createTable: 'never' }), 'SINK_TABLE_NOT_FOUND', /no table nowhere/);
  });

  test('a binding that the Worker does not have is refused where the sink is made', async () => {
    for (const database of [undefined, null, 'DB', {}] as unknown[]) {
      const make = (): unknown => world.binding('good', { database: database as D1DatabaseLike });
      expect(make, JSON.stringify(database)).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTION',
          message: expect.stringContaining('`database` is missing') as string,
          help: expect.stringContaining('wrangler.jsonc') as string,
        }) as Error,
      );
    }
    expect(() => new D1CheckpointStore({ database: undefined as unknown as D1DatabaseLike })).toThrow(
      '`database` is missing',
    );
  });

  test('what createTable and carryOver do not take is refused, with what they take', async () => {
    const createTable = 'always' as 'never';
    await refused(() => to('good', { createTable }), 'INVALID_OPTION', /`createTable` cannot be always/);
    for (const carryOver of [
      'none',
      true,
      { index: 'after' },
      { indexes: true },
      { uniques: 'later' },
      { checks: 'before' },
      { defaults: {} },
      { foreignKeys: 'customers' },
      { toString: true },
    ])
      await refused(
        () => to('good', { carryOver: carryOver as 'all' }),
        'INVALID_OPTION',
        /`carryOver` cannot be /,
      );
    for (const carryOver of [
      'all',
      {},
      {
        indexes: 'before',
        uniques: undefined,
        checks: false,
        defaults: true,
        foreignKeys: { customers: 'crm' },
      },
    ] as const) {
      const { findings } = await to('good', { carryOver }).plan();
      expect(findings).toEqual([]);
    }
  });

  test('a missing column is named', async () => {
    await refused(() => to('lacks'), 'SINK_COLUMN_MISSING', /lacks the column note/);
  });

  test('a column that needs a value and gets none is named', async () => {
    await refused(() => to('demands'), 'SINK_COLUMN_MISSING', /needs a value for extra/);
  });

  test('rows are not added to a table that has rows and no key', async () => {
    const source = world.source('keyless', { key: ['a'] });
    await world.postgres('ALTER TABLE keyless ALTER a SET NOT NULL', 'CREATE UNIQUE INDEX ON keyless (a)');
    await refused(
      () => new ResumableMigrator({ source, sink: world.rest('filled') }),
      'SINK_NOT_EMPTY',
      /filled has rows/,
    );
  });

  test('ids and tokens that are missing are refused when the sink is made', () => {
    for (const name of ['accountId', 'databaseId', 'apiToken']) {
      for (const value of ['', ' ', 'a b', undefined]) {
        expect(() => world.rest('good', { [name]: value })).toThrow(
          expect.objectContaining({ code: 'INVALID_OPTION' }),
        );
      }
    }
  });
});

describe('the plan', () => {
  test('a plan that was made with other settings is refused, and the message says which', async () => {
    await world.migrator('good', { name: 'planned', checkpointSize: 40 }).run({ budget: { batches: 1 } });
    const other = { name: 'planned', checkpointSize: 30, source: { columns: ['id', 'name'] } };
    await refused(
      () => world.migrator('good', other),
      'PLAN_MISMATCH',
      /columns was id integer, name text, note text, now id integer, name text; checkpointSize was 40, now 30/,
    );
  });

  test('a checkpoint size that is no whole number above zero is refused when the migrator is made', () => {
    for (const checkpointSize of [0, -1, 1.5, Number.NaN, 'abc' as unknown as number]) {
      expect(() => world.migrator('good', { checkpointSize })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      );
    }
  });
});
