import { inspect } from 'node:util';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MigrationEvents, ResumableMigrator, type ResumableMigratorOptions } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';

const everyEvent = [
  'run:start',
  'plan:ready',
  'checkpoint:claimed',
  'checkpoint:completed',
  'checkpoint:failed',
  'checkpoint:lost',
  'batch:committed',
  'progress',
  'retry',
  'wait',
  'run:end',
  'listener:error',
] as const satisfies (keyof MigrationEvents)[];

/** A password that must be percent-encoded in a connection string, so that both forms are looked for. */
const password = 'p@ss/w:rd#planted-7f3a';
let world: World;
let secrets: string[];

beforeAll(async () => {
  world = await World.start();
  secrets = [password, encodeURIComponent(password), world.stack.env.CLOUDFLARE_API_TOKEN, 'planted-7f3a'];
  await world.postgres(
    'CREATE TABLE t (id int PRIMARY KEY, v text)',
    `INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) AS i`,
    `CREATE ROLE planted LOGIN PASSWORD '${password}'`,
    'GRANT SELECT ON ALL TABLES IN SCHEMA public TO planted',
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

function show(value: unknown): string {
  return inspect(value, {
    depth: 20,
    showHidden: true,
    getters: true,
    maxStringLength: null,
    maxArrayLength: null,
  });
}

function databaseUrl(change: (url: URL) => void = () => undefined): string {
  const url = new URL(world.stack.env.DATABASE_URL);
  url.username = 'planted';
  url.password = encodeURIComponent(password);
  change(url);
  return url.href;
}

/** Everything that a host could see of a run: events, the error with all below it, and the stored rows. */
async function outputs(connectionString: string, sink = world.rest('t')): Promise<string> {
  const source = new PostgresKeysetSource({ connectionString, table: 't' });
  await using migrator = new ResumableMigrator({
    source,
    sink,
    checkpointSize: 100,
    retry: { retries: 1, baseMs: 1 },
  });
  const seen: unknown[] = [];
  for (const event of everyEvent) migrator.on(event, (payload) => void seen.push(event, payload));
  await migrator.run().catch((error: unknown) => {
    seen.push(error, String(error), JSON.stringify(error));
    for (let at = error; at instanceof Error; at = at.cause)
      seen.push(at.message, at.stack, Object.entries(at));
  });
  return [...seen, await world.d1Contents()].map(show).join('\n');
}

function planted(text: string): string[] {
  return secrets.filter((secret) => text.includes(secret));
}

test('neither the token nor the password is in any error, event or stored row, whatever goes wrong', async () => {
  const { api, postgres } = world.stack;
  const token = world.stack.env.CLOUDFLARE_API_TOKEN;
  const attempts: [what: string, text: string][] = [];
  const attempt = async (what: string, text: Promise<string>): Promise<void> => {
    attempts.push([what, await text]);
  };
  await attempt('wrong database', outputs(databaseUrl((url) => (url.pathname = '/none'))));
  await attempt('wrong password', outputs(databaseUrl((url) => (url.password = 'planted-7f3a'))));
  await attempt('no server', outputs(databaseUrl((url) => (url.port = '1'))));
  await attempt('no host', outputs(databaseUrl((url) => (url.hostname = 'h.invalid'))));
  await attempt('wrong account', outputs(databaseUrl(), world.rest('t', { accountId: 'x' })));
  await attempt('no API', outputs(databaseUrl(), world.rest('t', { baseUrl: 'http://127.0.0.1:9' })));
  // A server that says the token back.
  const echo = { kind: 'status', status: 400, code: 7500, message: `bad header: Bearer ${token}` } as const;
  api.setFaults((request) =>
    request.sql.some((text) => text.startsWith('INSERT INTO "t"')) ? echo : undefined,
  );
  await attempt('an echo', outputs(databaseUrl()));
  api.setFaults(({ n }) =>
    n % 3 === 0 ? { kind: 'status', status: 500, code: 7500, message: `lost ${token}` } : undefined,
  );
  await attempt('retries', outputs(databaseUrl()));
  api.setFaults(undefined);
  const running = outputs(databaseUrl());
  await postgres.restart('immediate');
  await attempt('a restart', running);
  await attempt('a success', outputs(databaseUrl()));

  for (const [what, text] of attempts) {
    expect(text.length, what).toBeGreaterThan(1000);
    expect(planted(text), what).toEqual([]);
  }
  expect(attempts.at(-1)?.[1]).toMatch(/status: 'completed'/);
});

describe('values of rows', () => {
  /** In every column, in the form that its type needs. The keys are 1 to 20: these may be shown. */
  const values = ['planted-value', '271828.18284', '2031-07-19', '7ac0ffee', 'PLANTED_NOTE'];
  type AnyRow = Record<string, unknown>;
  interface Options extends Partial<Omit<ResumableMigratorOptions<AnyRow, AnyRow>, 'source' | 'sink'>> {
    readonly source?: Parameters<World['source']>[1];
    readonly sink?: Parameters<World['rest']>[1];
  }

  beforeAll(async () => {
    await world.postgres(
      'CREATE TABLE v (id int PRIMARY KEY, a text, n numeric, d timestamp, b bytea, note text)',
      `INSERT INTO v SELECT i, 'planted-value', 271828.18284, '2031-07-19 03:04:05.678', '\\x7ac0ffee', 'PLANTED_NOTE' FROM generate_series(1, 20) AS i`,
      `CREATE FUNCTION tell(value text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'no good: %', value USING DETAIL = value, HINT = value; END $$`,
    );
  });

  /** Everything that a run says: events, the error with all below it, and what is stored of the run itself. */
  async function said(
    ddl: string,
    { source = {}, sink = {}, ...options }: Options = {},
  ): Promise<{ readonly text: string; readonly failed: boolean }> {
    await world.d1('DROP TABLE IF EXISTS v');
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    for (const statement of ddl.split(';;')) if (statement !== '') await world.d1(statement);
    const migrator = new ResumableMigrator({
      source: world.source('v', source),
      sink: world.rest('v', sink),
      checkpointSize: 10,
      batchSize: 5,
      retry: { retries: 1, baseMs: 1 },
      ...(options as Omit<Options, 'transform' | 'source' | 'sink'>),
    });
    const seen: unknown[] = [];
    for (const event of everyEvent) migrator.on(event, (payload) => void seen.push(event, payload));
    let failed = false;
    await migrator.run().catch((error: unknown) => {
      failed = true;
      seen.push(error, String(error), JSON.stringify(error));
      for (let at = error; at instanceof Error; at = at.cause)
        seen.push(at.message, at.stack, Object.entries(at));
    });
    const tables = await world.d1(`SELECT name FROM sqlite_master WHERE name = 'migration_checkpoints'`);
    for (const { name } of tables) seen.push(await world.d1(`SELECT * FROM ${String(name)}`));
    seen.push(await migrator.status().catch(String));
    return { text: seen.map(show).join('\n'), failed };
  }

  const found = (text: string): string[] => values.filter((value) => text.includes(value));
  const plain = 'CREATE TABLE v (id INTEGER PRIMARY KEY, a, n, d, b, note)';
  const table = (change: (columns: string) => string): string => change(plain);
  const trigger = (when: string): string =>
    `${plain};;CREATE TRIGGER g BEFORE INSERT ON v BEGIN SELECT RAISE(${when}, 'no good: ' || NEW.a || NEW.note); END`;
  const rejecting = (issue: string): Options => ({
    validate: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => ({ issues: [{ message: issue, path: ['a'] }] }),
      },
    },
  });

  test.each<[what: string, ddl: string, options: Options]>([
    ['a cast in the filter', '', { source: { where: sql`a::int > 0` } }],
    ['a function that raises', '', { source: { where: sql`tell(a)` } }],
    ['an arithmetic error', '', { source: { where: sql`(n * 1e30)::int > 0` } }],
    ['a decimal of too many digits', '', { sink: { store: { n: { scaled: 2 } } } }],
    ['a decimal that is too large', '', { sink: { store: { n: { scaled: 18 } } } }],
    ['a moment that is not whole', '', { sink: { store: { d: 'epoch-s' } } }],
    ['a trigger that aborts', trigger('ABORT'), {}],
    ['a trigger that fails', trigger('FAIL'), {}],
    ['a CHECK', table((ddl) => ddl.replace(' a,', ' a CHECK (length(a) < 3),')), {}],
    ['a UNIQUE', table((ddl) => ddl.replace(' a,', ' a UNIQUE,')), {}],
    [
      'a type of a STRICT table',
      'CREATE TABLE v (id INTEGER PRIMARY KEY, a INT, n INT, d INT, b INT, note INT) STRICT',
      {},
    ],
    ['a transform that gives no row', '', { transform: { version: '1', map: () => 'planted' as never } }],
    [
      'a transform that gives another type',
      '',
      { transform: { version: '1', map: (row) => ({ ...row, id: row['a'] }) } },
    ],
    ['a validation', '', rejecting('is too short')],
  ])('are in nothing that a run says that fails for %s', async (_, ddl, options) => {
    const { text, failed } = await said(ddl, options);
    expect(failed).toBe(true);
    expect(text.length).toBeGreaterThan(1_000);
    expect(found(text)).toEqual([]);
  });

  test('are in nothing that a run says whose requests fail, and that succeeds', async () => {
    // By the requests of this run: by all that the server ever had, none of its few might be one.
    let asked = 0;
    world.stack.api.setFaults(() => {
      asked += 1;
      return asked % 4 === 0 ? { kind: 'reset', commit: asked % 8 === 0 } : undefined;
    });
    const { text, failed } = await said('', { leaseMs: 500, retry: { retries: 9, baseMs: 1 } });
    world.stack.api.setFaults(undefined);
    expect({ failed, found: found(text) }).toEqual({ failed: false, found: [] });
    expect(text).toContain("'retry'");
  });

  test("are shown where PostgreSQL's own words are asked for", async () => {
    const where = sql`a::int > 0`;
    const { text } = await said('', { source: { where, valuesInErrors: true } });
    expect(found(text)).toEqual(['planted-value']);
  });
});

test('a secret that was let through would be found', () => {
  expect(planted(show({ deep: [new Error(`x ${password}`)] }))).not.toEqual([]);
});

test('nothing of the parts shows a secret when it is printed', () => {
  const source = new PostgresKeysetSource({ connectionString: databaseUrl(), table: 't' });
  const sink = world.rest('t');
  const migrator = new ResumableMigrator({ source, sink });
  expect(planted([source, sink, sink.checkpoints, migrator].map(show).join('\n'))).toEqual([]);
  expect(planted(JSON.stringify([source, sink, migrator]))).toEqual([]);
});
