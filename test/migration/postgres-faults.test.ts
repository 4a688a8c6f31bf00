import pg from 'pg';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { isMigratorError, ResumableMigrator, type Source, type TuningOptions } from 'resumable-migrator';
import { type PgClientLike, PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';
import { poolOf } from '../support/pool.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const rows = 1_000;
const options: TuningOptions = {
  checkpointSize: 250,
  batchSize: 50,
  pageSize: 50,
  concurrency: 2,
  leaseMs: 1_000,
  retry: { retries: 8, baseMs: 20, maxMs: 1_000 },
};

async function newTable(table: string, columns = 'v text', values = `'row ' || i`): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (id int PRIMARY KEY, ${columns})`,
    `INSERT INTO ${table} SELECT i, ${values} FROM generate_series(1, ${rows}) AS i`,
    `ANALYZE ${table}`,
  );
}

/** Calls `then` once, before the nth page is read. */
function beforePage(source: PostgresKeysetSource, nth: number, then: () => Promise<unknown>): Source {
  let pages = 0;
  const readPage = source.readPage.bind(source);
  source.readPage = async (request, context) => {
    pages += 1;
    if (pages === nth) await then();
    return await readPage(request, context);
  };
  return source;
}

function migrator(
  table: string,
  source: Source = world.source(table),
  tuning: TuningOptions = {},
): ResumableMigrator {
  return new ResumableMigrator({ source, sink: world.rest(table), ...options, ...tuning });
}

/** A timestamp as D1 has it; anything else as it is. */
function asStored(value: string | null): string | null {
  return value?.replace(/^(\d{4}-\d\d-\d\d) (?=\d\d:)/, '$1T') ?? null;
}

async function expectEqual(table: string): Promise<void> {
  expect(await world.sinkRows(table, 'id')).toEqual(await world.sourceRows(table, 'id'));
}

/** Ends every connection of a program, in whatever it is doing. */
async function terminate(program: string): Promise<number> {
  const { rows: ended } = await world.pool.query<{ ended: boolean }>(
    'SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity WHERE application_name = $1',
    [program],
  );
  return ended.filter((one) => one.ended).length;
}

function urlOf(program: string, change: (url: URL) => void = () => undefined): string {
  const url = new URL(world.stack.env.DATABASE_URL);
  url.searchParams.set('application_name', program);
  change(url);
  return url.href;
}

describe('what passes is survived', () => {
  test('connections that are ended in the middle of pages, again and again', async () => {
    await newTable('terminated');
    const source = new PostgresKeysetSource({
      connectionString: urlOf('terminated'),
      table: 'terminated',
      where: sql`pg_sleep(0.001) IS NOT NULL`,
    });
    const retries: string[] = [];
    await using copy = new ResumableMigrator({ source, sink: world.rest('terminated'), ...options });
    copy.on('retry', ({ code }) => retries.push(code));
    const state = { done: false };
    let ended = 0;
    const endSome = async (): Promise<void> => {
      while (!state.done && ended < 12) {
        await new Promise((resolve) => setTimeout(resolve, 110));
        ended += await terminate('terminated');
      }
    };
    const ending: Promise<void>[] = [];
    copy.on('plan:ready', () => ending.push(endSome()));
    const run = copy.run().finally(() => (state.done = true));
    expect(await run).toMatchObject({ status: 'completed', rows });
    await Promise.all(ending);
    expect(ended).toBeGreaterThanOrEqual(3);
    expect(new Set(retries)).toEqual(new Set(['SOURCE_UNREACHABLE']));
    await expectEqual('terminated');
  });

  test('a connection that breaks between two queries of a transaction does not end the process', async () => {
    await newTable('between');
    const listeners: number[] = [];
    const pool = poolOf({ connectionString: urlOf('between'), max: 1 });
    const broken = new PostgresKeysetSource({
      table: 'between',
      pool: {
        connect: async () => {
          const connected = await pool.connect();
          const client: PgClientLike = connected;
          let queries = 0;
          return {
            release: (destroy?: boolean) => client.release(destroy),
            on: (event, listener) => client.on?.(event, listener),
            off: (event, listener) => client.off?.(event, listener),
            query: async (config) => {
              queries += 1;
              if (queries === 2) {
                // Without one, the process would end here.
                listeners.push(connected.listenerCount('error'));
                await terminate('between');
                // The news of it comes while nobody asks anything.
                await new Promise((resolve) => setTimeout(resolve, 100));
              }
              return await client.query(config);
            },
          };
        },
      },
    });
    await expect(broken.describe()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true });
    expect(listeners).toEqual([1]);
    await pool.end();
  });

  test.each(['fast', 'immediate'] as const)('a restart of the server: %s', async (how) => {
    const table = `restarted_${how}`;
    await newTable(table);
    // Made durable: the server of the tests commits in memory first.
    await world.postgres('CHECKPOINT');
    let restarted = false;
    const source = beforePage(world.source(table), 4, async () => {
      await world.stack.postgres.restart(how);
      restarted = true;
    });
    // Crash recovery takes a while, in which the server refuses connections.
    const retry = { retries: 10, baseMs: 200, maxMs: 2_000 };
    expect(await migrator(table, source, { retry }).run()).toMatchObject({ status: 'completed', rows });
    expect(restarted).toBe(true);
    await expectEqual(table);
  });

  test('a table that something else holds for a while, with and without a lock timeout', async () => {
    await newTable('locked');
    const hold = async (): Promise<void> => {
      const client = await world.pool.connect();
      await client.query('BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
      setTimeout(() => void client.query('COMMIT').finally(() => client.release()), 700);
    };
    const codes: string[] = [];
    const impatient = new PostgresKeysetSource({
      connectionString: urlOf('impatient', (url) => url.searchParams.set('options', '-c lock_timeout=100')),
      table: 'locked',
    });
    await using first = migrator('locked', beforePage(impatient, 3, hold), {
      retry: { retries: 10, baseMs: 200, maxMs: 400 },
    });
    first.on('retry', ({ code, message }) => codes.push(`${code} ${/lock timeout/.test(message)}`));
    expect(await first.run({ budget: { rows: 500 } })).toMatchObject({ status: 'paused' });
    expect(new Set(codes)).toEqual(new Set(['SOURCE_FAILED true']));
    const patient = beforePage(world.source('locked'), 2, hold);
    expect(await migrator('locked', patient).run()).toMatchObject({ status: 'completed' });
    await expectEqual('locked');
  });

  test('a statement timeout', async () => {
    await newTable('timed');
    const source = new PostgresKeysetSource({
      connectionString: urlOf('timed', (url) => url.searchParams.set('options', '-c statement_timeout=300')),
      table: 'timed',
      where: sql`coalesce((SELECT pg_sleep(1)::text FROM slowly LIMIT 1), '') = ''`,
    });
    await world.postgres('CREATE TABLE slowly (x int)');
    let slow = 0;
    const once = beforePage(source, 3, async () => {
      await world.postgres('INSERT INTO slowly VALUES (1)');
      setTimeout(() => void world.postgres('DELETE FROM slowly'), 400);
    });
    await using copy = migrator('timed', once, { retry: { retries: 5, baseMs: 300, maxMs: 600 } });
    copy.on('retry', ({ message }) => (slow += /statement timeout/.test(message) ? 1 : 0));
    expect(await copy.run()).toMatchObject({ status: 'completed', rows });
    expect(slow).toBeGreaterThan(0);
    await expectEqual('timed');
  });

  test('too many connections', async () => {
    await newTable('crowded');
    await world.postgres(`CREATE ROLE crowd LOGIN CONNECTION LIMIT 2`, `GRANT SELECT ON crowded TO crowd`);
    await world.postgres(`ALTER ROLE crowd PASSWORD 'crowd-password'`);
    const connectionString = urlOf('crowd', (url) => {
      url.username = 'crowd';
      url.password = 'crowd-password';
    });
    const others = [new pg.Client(connectionString), new pg.Client(connectionString)];
    const source = new PostgresKeysetSource({ connectionString, table: 'crowded' });
    await Promise.all(others.map((client) => client.connect()));
    setTimeout(() => void Promise.all(others.map((client) => client.end())), 500);
    const codes = new Set<string>();
    await using copy = migrator('crowded', source, { retry: { retries: 20, baseMs: 100, maxMs: 300 } });
    copy.on('retry', ({ code }) => codes.add(code));
    expect(await copy.run()).toMatchObject({ status: 'completed', rows });
    expect(codes).toEqual(new Set(['SOURCE_UNREACHABLE']));
    await expectEqual('crowded');
  });

  test('a server that takes no writes any more, and one whose transactions are serializable', async () => {
    await newTable('readonly');
    const settings = ['default_transaction_read_only=on', 'default_transaction_isolation=serializable'];
    const connectionString = urlOf('readonly', (url) =>
      url.searchParams.set('options', settings.map((setting) => `-c ${setting}`).join(' ')),
    );
    const refused = new pg.Client(connectionString);
    await refused.connect();
    await expect(refused.query('DELETE FROM readonly')).rejects.toThrow('read-only');
    await refused.end();
    await using copy = migrator(
      'readonly',
      new PostgresKeysetSource({ connectionString, table: 'readonly' }),
    );
    expect(await copy.run()).toMatchObject({ status: 'completed', rows });
    expect(await copy.verify({ mode: 'full' })).toMatchObject({ equal: true });
  });
});

// Only where the system tells a server that the other end of a connection is gone.
describe.runIf(process.platform === 'linux')('a query that nobody waits for', () => {
  beforeAll(() => newTable('unheard'));

  test('ends in the server when its connection has', async () => {
    const source = new PostgresKeysetSource({
      connectionString: urlOf('unheard'),
      table: 'unheard',
      where: sql`pg_sleep(600) IS NOT NULL`,
    });
    const running = async (): Promise<number> => {
      const { rows: active } = await world.pool.query(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'unheard' AND wait_event = 'PgSleep'",
      );
      return active.length;
    };
    const stop = new AbortController();
    const counting = source.countRows(undefined, { signal: stop.signal });
    await Promise.race([vi.waitFor(async () => expect(await running()).toBe(1), 20_000), counting]);
    stop.abort();
    await expect(counting).rejects.toBe(stop.signal.reason);
    await vi.waitFor(async () => expect(await running()).toBe(0), 20_000);
    await source.close();
  });

  test.each([
    ['a pool', '', '2s'],
    ['Kysely', '', '2s'],
    ['a pool that has its own', '-c client_connection_check_interval=70s', '70s'],
    ['Kysely that has its own', '-c client_connection_check_interval=70s', '70s'],
  ])('is looked after within the time set, with %s', async (what, sessions, interval) => {
    const connectionString = urlOf('interval', (url) => url.searchParams.set('options', sessions));
    const pool = poolOf({ connectionString, max: 1 });
    const source = new PostgresKeysetSource({
      ...(what.startsWith('Kysely')
        ? {
            db: new Kysely<Record<string, Record<string, unknown>>>({
              dialect: new PostgresDialect({ pool }),
            }),
          }
        : { pool }),
      table: 'unheard',
      where: sql`current_setting('client_connection_check_interval') = ${sql.lit(interval)}`,
    });
    expect(await source.countRows()).toBe(rows);
    const { rows: after } = await pool.query(
      "SELECT current_setting('client_connection_check_interval') AS setting",
    );
    expect(after).toEqual([{ setting: sessions === '' ? '0' : interval }]);
    await pool.end();
  });
});

describe('a table that is altered while it is copied', () => {
  /** Alters the table before the sixth page; the host's Kysely instance and a pool see the same. */
  async function alteredMidway(
    table: string,
    statements: readonly string[],
    kysely = false,
  ): Promise<{ error: unknown; result: unknown; source: PostgresKeysetSource }> {
    const db = new Kysely<Record<string, Record<string, unknown>>>({
      dialect: new PostgresDialect({ pool: world.pool }),
    });
    const source = kysely ? new PostgresKeysetSource({ db, table }) : world.source(table);
    const altering = beforePage(source, 6, () => world.postgres(...statements));
    const run = migrator(table, altering, { concurrency: 1 }).run();
    const outcome = await run.then(
      (result) => ({ result, error: undefined }),
      (error: unknown) => ({ error, result: undefined }),
    );
    return { ...outcome, source };
  }

  const changes: readonly [
    what: string,
    columns: string,
    values: string,
    statements: string[],
    code: string,
    nextIs: string,
  ][] = [
    ['int to bigint', 'v int', 'i', ['ALTER COLUMN v TYPE bigint'], 'SOURCE_CHANGED', 'PLAN_MISMATCH'],
    ['int to text', 'v int', 'i', ['ALTER COLUMN v TYPE text'], 'SOURCE_CHANGED', 'PLAN_MISMATCH'],
    [
      'text to bytea',
      'v text',
      `'\\x00'`,
      ['ALTER COLUMN v TYPE bytea USING v::bytea'],
      'SOURCE_CHANGED',
      'PLAN_MISMATCH',
    ],
    [
      'timestamp to timestamptz',
      'v timestamp',
      `'2026-01-01'::timestamp + i * interval '1 s'`,
      [`ALTER COLUMN v TYPE timestamptz USING v AT TIME ZONE 'America/New_York'`],
      'SOURCE_CHANGED',
      'PLAN_MISMATCH',
    ],
    [
      'the scale of a numeric',
      'v numeric(10,4)',
      'i / 7.0',
      ['ALTER COLUMN v TYPE numeric(10,2)'],
      'SOURCE_CHANGED',
      'PLAN_MISMATCH',
    ],
    [
      'the length of a text',
      'v varchar(50)',
      `'row ' || i`,
      ['ALTER COLUMN v TYPE varchar(3) USING left(v, 3)'],
      'SOURCE_CHANGED',
      'PLAN_MISMATCH',
    ],
    ['a column dropped', 'v int', 'i', ['DROP COLUMN v'], 'SOURCE_COLUMN_NOT_FOUND', 'PLAN_MISMATCH'],
    [
      'a column renamed',
      'v int',
      'i',
      ['RENAME COLUMN v TO w'],
      'SOURCE_COLUMN_NOT_FOUND',
      'SINK_COLUMN_MISSING',
    ],
    [
      'a column dropped and made anew',
      'v int',
      'i',
      ['DROP COLUMN v', 'ADD COLUMN v int DEFAULT 7'],
      'SOURCE_CHANGED',
      'completed',
    ],
    [
      'two columns that change names',
      'v int, w int',
      'i, -i',
      ['RENAME v TO x', 'RENAME w TO v', 'RENAME x TO w'],
      'SOURCE_CHANGED',
      'PLAN_MISMATCH',
    ],
    ['the type of the key', 'v int', 'i', ['ALTER COLUMN id TYPE bigint'], 'SOURCE_CHANGED', 'PLAN_MISMATCH'],
    [
      'a key that has no operator any more',
      'v int',
      'i',
      ['ALTER COLUMN id TYPE text'],
      'SOURCE_CHANGED',
      'PLAN_MISMATCH',
    ],
    [
      'a primary key dropped',
      'v int',
      'i',
      ['DROP CONSTRAINT TABLE_pkey'],
      'SOURCE_CHANGED',
      'SOURCE_KEY_REQUIRED',
    ],
  ];

  test.each(changes.flatMap((one, index) => [false, true].map((kysely) => [...one, index, kysely] as const)))(
    '%s: the run stops, and copies no row by another description',
    async (_, columns, values, statements, code, nextIs, index, kysely) => {
      const table = `altered_${index}${kysely ? 'k' : ''}`;
      await newTable(table, columns, values);
      const before = (await world.sourceRows(table, 'id')).map((row) => row.map(asStored));
      const alter = statements.map(
        (statement) => `ALTER TABLE ${table} ${statement.replace('TABLE', table)}`,
      );
      const { error, source } = await alteredMidway(table, alter, kysely);
      if (!isMigratorError(error)) throw new Error('expected a MigratorError', { cause: error });
      expect(error).toMatchObject({ code, result: { status: 'failed' } });
      expect(error.help).not.toBe('');
      // What was copied was there before.
      const copied = await world.sinkRows(table, 'id');
      expect(copied.length).toBeGreaterThan(0);
      expect(copied).toEqual(before.slice(0, copied.length));
      // The next run looks again, with the same source as well.
      const next: unknown = await migrator(table, source)
        .run()
        .catch((reason: unknown) => reason);
      expect(next).toMatchObject(nextIs === 'completed' ? { status: nextIs } : { code: nextIs });
    },
  );

  test('the order of a key: ranges in another order would hold other rows', async () => {
    await world.postgres(
      `CREATE COLLATION turned (provider = icu, locale = 'de-DE')`,
      'CREATE TABLE reordered (id text COLLATE "C" PRIMARY KEY, v int)',
      `INSERT INTO reordered SELECT chr(65 + i % 2 * 32 + i % 26) || i, i FROM generate_series(1, ${rows}) AS i`,
    );
    const { error } = await alteredMidway('reordered', [
      'ALTER TABLE reordered ALTER id TYPE text COLLATE turned',
    ]);
    expect(error).toMatchObject({ code: 'SOURCE_CHANGED' });
    await expect(migrator('reordered').run()).rejects.toMatchObject({
      code: 'PLAN_MISMATCH',
      message: expect.stringMatching(/keyOrder was id pg_catalog\..*C.*, now id public\.turned/) as string,
    });
  });

  test('a description that is made anew meanwhile, for another caller, does not change that of the run', async () => {
    await newTable('polled', 'v int', 'i');
    const source = world.source('polled');
    const polled = beforePage(source, 6, async () => {
      await world.postgres('ALTER TABLE polled ALTER COLUMN v TYPE text');
      await source.describe();
    });
    await expect(migrator('polled', polled, { concurrency: 1 }).run()).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
    });
    expect((await world.sinkRows('polled', 'id')).length).toBeLessThan(rows);
  });

  test('another table in its place stops the run, and the next one goes on with it', async () => {
    await newTable('swapped');
    const { error } = await alteredMidway('swapped', [
      'BEGIN; CREATE TABLE other (LIKE swapped INCLUDING ALL); INSERT INTO other SELECT * FROM swapped; ' +
        'ALTER TABLE swapped RENAME TO former; ALTER TABLE other RENAME TO swapped; COMMIT',
    ]);
    expect(error).toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await migrator('swapped').run()).toMatchObject({ status: 'completed' });
    await expectEqual('swapped');
  });

  test('a table that is dropped stops the run', async () => {
    await newTable('dropped');
    const { error } = await alteredMidway('dropped', ['DROP TABLE dropped']);
    expect(error).toMatchObject({ code: 'SOURCE_TABLE_NOT_FOUND' });
  });

  test.each([
    ['a column more', 'ALTER TABLE TABLE ADD COLUMN more int DEFAULT 5'],
    ['an index more', 'CREATE INDEX ON TABLE (v)'],
    [
      'a default, a comment and a constraint',
      `ALTER TABLE TABLE ALTER v SET DEFAULT 'x', ADD CHECK (v <> '')`,
    ],
    ['VACUUM FULL', 'VACUUM FULL TABLE'],
    ['CLUSTER', 'CLUSTER TABLE USING TABLE_pkey'],
    ['REINDEX', 'REINDEX TABLE CONCURRENTLY TABLE'],
    ['ANALYZE', 'ANALYZE TABLE'],
  ])('%s does not disturb the copy', async (what, statement) => {
    const table = `undisturbed_${what.toLowerCase().replaceAll(/[^a-z]/g, '')}`;
    await newTable(table);
    const before = await world.sourceRows(table, 'id');
    const { result } = await alteredMidway(table, [
      statement.replaceAll(/(?<!ALTER |REINDEX )TABLE/g, table),
    ]);
    expect(result).toMatchObject({ status: 'completed', rows });
    expect(await world.sinkRows(table, 'id')).toEqual(before);
  });
});

describe('rows that change while they are copied', () => {
  test('what is behind the cursor stays as it was read, what is before it is copied as it is then', async () => {
    await newTable('moving');
    await world.postgres('DELETE FROM moving WHERE id BETWEEN 900 AND 905');
    const source = beforePage(world.source('moving'), 8, () =>
      world.postgres(
        `UPDATE moving SET v = 'changed' WHERE id IN (10, 990)`,
        'DELETE FROM moving WHERE id IN (11, 991)',
        `INSERT INTO moving VALUES (903, 'new'), (1001, 'after the end')`,
      ),
    );
    expect(await migrator('moving', source, { concurrency: 1 }).run()).toMatchObject({ status: 'completed' });
    const v = async (id: number): Promise<unknown> =>
      (await world.d1(`SELECT v FROM moving WHERE id = ${id}`))[0]?.['v'];
    expect(await Promise.all([10, 11, 990, 991, 903, 1001].map(v))).toEqual([
      'row 10',
      'row 11',
      'changed',
      undefined,
      'new',
      undefined,
    ]);
    // The next run has what came after the end, and repair the rest.
    const again = migrator('moving');
    expect(await again.run()).toMatchObject({ status: 'completed', rows: 1 });
    expect(await again.verify({ mode: 'full' })).toMatchObject({ equal: false });
    await again.repair({ mode: 'full' });
    await expectEqual('moving');
  });

  test('a table that is truncated meanwhile completes with what was read before', async () => {
    await newTable('emptied');
    const source = beforePage(world.source('emptied'), 6, () => world.postgres('TRUNCATE emptied'));
    expect(await migrator('emptied', source, { concurrency: 1 }).run()).toMatchObject({
      status: 'completed',
    });
    const copied = await world.sinkRows('emptied', 'id');
    expect(copied.length).toBeGreaterThanOrEqual(250);
    expect(copied.length).toBeLessThan(rows);
    const check = await migrator('emptied').verify();
    expect(check).toMatchObject({ equal: false, sourceRows: 0 });
  });
});
