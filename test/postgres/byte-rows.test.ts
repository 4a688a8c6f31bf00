import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type ByteRows,
  MigratorError,
  type PageRequest,
  type Source,
  type TextRow,
} from 'resumable-migrator';
import {
  type PgClientLike,
  PostgresKeysetSource,
  type PostgresTableOptions,
} from 'resumable-migrator/postgres';
import { type PageReader, type RangeTaker, readRange } from '../../src/engine/paging.ts';
import { NotedKey, textRowOf } from '../../src/engine/rows/byte-rows.ts';
import { type ByteTaker, RowStream } from '../../src/postgres/row-stream.ts';
import { oneByOne } from '../support/wire-rows.ts';
import { World } from '../support/world.ts';
import { scalars, scalarTypes } from '../values/scalars.ts';
import { fill } from '../values/table.ts';
import { poolOf } from '../support/pool.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(...scalarTypes);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

type Tables = Record<string, Record<string, unknown>>;
type Options = Omit<PostgresTableOptions<Tables, string>, 'table'>;

/** A pool whose clients have no connection that could be listened to, as other drivers' clients do not. */
const plainPool = {
  connect: async (): Promise<PgClientLike> => {
    const client: PgClientLike = await world.pool.connect();
    return { query: (config) => client.query(config), release: (destroy) => client.release(destroy) };
  },
};

const ways: Readonly<Record<string, (table: string, options?: Options) => PostgresKeysetSource>> = {
  'a pool': (table, options) => world.source(table, options),
  'a pool whose clients show no connection': (table, options) =>
    new PostgresKeysetSource({ pool: plainPool, table, ...options }),
  'a connection string': (table, options) =>
    new PostgresKeysetSource({ connectionString: world.stack.env.DATABASE_URL, table, ...options }),
  'a Kysely instance': (table, options) =>
    new PostgresKeysetSource({
      db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool: world.pool }) }),
      table,
      ...options,
    }),
};

interface Collected {
  /** In the order in which they came, whichever way. */
  readonly all: TextRow[];
  readonly bytes: Pick<ByteRows, 'source' | 'starts'>[];
  readonly texts: TextRow[];
}

/** Reads everything up to a key in pages, and collects what is handed over. */
async function collect(
  source: Source<object>,
  upper: string,
  take: { readonly onRow: boolean; readonly onBytes: boolean; readonly unhurried?: boolean },
  limit: number = 1_000,
): Promise<Collected> {
  const { keyIndexes } = await source.describe();
  const found: Collected = { all: [], bytes: [], texts: [] };
  const onRow = (row: TextRow): void => {
    found.texts.push(row);
    found.all.push(row);
  };
  const onBytes = (rows: ByteRows): void => {
    for (let row = 0; row < rows.rows; row += 1) {
      found.all.push(textRowOf(rows, row));
      const first = row * rows.columns;
      // The object is used again for the next rows.
      found.bytes.push({ source: rows.source, starts: rows.starts.slice(first, first + rows.columns) });
    }
  };
  let lower: PageRequest['lower'] = null;
  for (;;) {
    const { unhurried } = take;
    const request = { lower, upper: [upper], limit, maxBytes: 1_000_000, unhurried };
    const page = await source.readPage({
      ...request,
      ...(take.onRow && { onRow }),
      ...(take.onBytes && { onBytes }),
    });
    for (const row of page.rows) {
      found.all.push(row);
      found.texts.push(row);
    }
    if (page.done) return found;
    const last = found.all.at(-1) as TextRow;
    lower = { key: keyIndexes.map((index) => last[index] as string), inclusive: false };
  }
}

/** Takes rows out of the stream, one by one. */
function byteTaker(row: () => void): ByteTaker {
  return { isBinary: null, take: oneByOne(row), missed: () => undefined };
}

/** Takes rows that come together one by one. */
const each =
  (take: (row: TextRow) => void) =>
  (rows: ByteRows): void => {
    for (let row = 0; row < rows.rows; row += 1) take(textRowOf(rows, row));
  };

/** Nobody takes rows as they come: the page has them. */
const noWay = { onRow: false, onBytes: false };

describe('a row of every type', () => {
  const names = Object.keys(ways);
  let upper = '';
  let expected: TextRow[] = [];

  beforeAll(async () => {
    const rows = await fill(world, 'every_type', scalars, 400);
    upper = String(rows + 20);
    // What no generator makes, in columns that every row has.
    await world.postgres(
      `ALTER TABLE every_type ADD COLUMN at_first timestamp, ADD COLUMN then_text text, ADD COLUMN zoned timestamptz,
        ADD COLUMN floats float8[], ADD COLUMN list text[], ADD COLUMN grid int8[]`,
      `INSERT INTO every_type (id, "float8", "float4") VALUES (${rows + 1}, 'NaN', '-0'), (${rows + 2}, '-0', 'NaN'),
        (${rows + 3}, 'Infinity', '-Infinity'), (${rows + 4}, '-Infinity', 'Infinity')`,
      `INSERT INTO every_type (id, "text", "bytea", "jsonb") VALUES
        (${rows + 5}, E'\\uFEFFbegins with a mark', '\\xefbbbf00', '"\\ufeff"'),
        (${rows + 6}, E'"quoted" \\\\ back\\\\slashed', '\\x225c', '"\\"\\\\"'),
        (${rows + 7}, E'\\x01\\x1f\\x7f\\n\\t\\r', '\\x0a', '"\\u0001"'),
        (${rows + 8}, '👩‍👩‍👧 \u{1d11e} ümläut', '\\x', '{"👩":"\u{1d11e}"}'),
        (${rows + 9}, repeat('large "ä" ', 30000), decode(repeat('00ff', 150000), 'hex'), '{}')`,
      // What stands behind an infinity has a length whose bytes hold a blank where a timestamp has one.
      `INSERT INTO every_type (id, at_first, then_text, zoned) SELECT ${rows + 10} + i, (ARRAY['infinity', '-infinity', '2026-01-02 03:04:05.5'])[1 + i % 3]::timestamp,
        repeat('x', 8192 + i), (ARRAY['-infinity', '0044-03-15 00:00:00+00 BC', '12345-01-02 03:04:05+00', '2026-01-02 03:04:05.5+00'])[1 + i % 4]::timestamptz FROM generate_series(0, 8) AS i`,
      `INSERT INTO every_type (id, floats, list, grid) VALUES (${rows + 19}, '{NaN,Infinity,-0,1.5,NULL}', ARRAY['"', E'\\\\', NULL, 'NULL', '', E'\\uFEFF'], '{{1,2},{NULL,-9223372036854775808}}'),
        (${rows + 20}, '{}', '{}', '[0:1]={7,8}')`,
    );
    ({ all: expected } = await collect(world.source('every_type'), upper, noWay));
  });

  test.each(names)('is the same whichever way it comes, over %s', async (name) => {
    await using source = ways[name]?.('every_type') as PostgresKeysetSource;
    expect(expected).toHaveLength(Number(upper));
    const pages = await collect(source, upper, noWay);
    const rows = await collect(source, upper, { onRow: true, onBytes: false });
    const bytes = await collect(source, upper, { onRow: true, onBytes: true }, 37);
    const unhurried = await collect(source, upper, { onRow: true, onBytes: true, unhurried: true }, 37);
    expect(firstDifference(unhurried.all, expected)).toBeNull();
    expect(firstDifference(pages.all, expected)).toBeNull();
    expect(firstDifference(rows.all, expected)).toBeNull();
    expect(firstDifference(bytes.all, expected)).toBeNull();
    // Bytes can be had of pg itself alone.
    const streamed = ['a pool', 'a connection string'].includes(name) ? expected.length : 0;
    expect([pages.bytes.length, rows.bytes.length, bytes.bytes.length]).toEqual([0, 0, streamed]);
  });

  test('comes in memory that is used again, where the connection is our own', async () => {
    await using source = ways['a connection string']?.('every_type') as PostgresKeysetSource;
    const { bytes } = await collect(source, upper, { onRow: true, onBytes: true }, 37);
    // Other memory is taken where a row is larger than what was there.
    expect(new Set(bytes.map((row) => row.source.buffer)).size).toBeLessThan(4);
    expect(bytes.filter(({ starts }) => starts.some((start) => start >= 0))).toHaveLength(expected.length);
  });

  test('would be noticed to be another one by a single character', () => {
    const changed = expected.map((row) => [...row]);
    const [value] = changed[7]?.slice(-1) ?? [];
    (changed[7] as (string | null)[])[scalars.length] = `${value ?? ''} `;
    expect(firstDifference(changed, expected)).toContain('row 8');
    expect(firstDifference(expected.slice(1), expected)).toContain('row 1');
    expect(firstDifference(expected.slice(0, -1), expected)).toContain(`row ${expected.length}`);
  });
});

/** Reads a whole table the way in which the engine does, and notes what happens to each page. */
async function readWhole(
  source: PostgresKeysetSource,
  upper: string,
  taker: RangeTaker,
): Promise<PageNote[]> {
  const notes: PageNote[] = [];
  const description = await source.describe();
  let handed = 0;
  const counting: Source<object> = {
    describe: () => source.describe(),
    ranges: (request) => source.ranges(request),
    countRows: (range) => source.countRows(range),
    readPage: async (request, context) => {
      const note: PageNote = { after: request.lower?.key[0] ?? null, rows: 0, error: null };
      notes.push(note);
      const before = handed;
      try {
        return await source.readPage(request, context);
      } catch (error) {
        note.error = error;
        throw error;
      } finally {
        note.rows = handed - before;
      }
    },
  };
  const reader: PageReader = {
    source: counting,
    description,
    pageSize: 20_000,
    retry: { retries: 50, baseMs: 1, maxMs: 5 },
    stop: new AbortController().signal,
    retried: () => undefined,
  };
  const count = (rows: number, take: () => void): void => {
    handed += rows;
    take();
  };
  await readRange(
    reader,
    { lower: null, upper: [upper] },
    null,
    {
      row: (row) => count(1, () => taker.row(row)),
      bytes: (rows) => count(rows.rows, () => taker.bytes(rows)),
    },
    () => Promise.resolve(),
    new NotedKey(description),
  );
  return notes;
}

interface PageNote {
  /** The key behind which it began. */
  readonly after: string | null;
  rows: number;
  error: unknown;
}

describe('a connection that ends while rows come', () => {
  const rows = 1_500;
  const program = 'ended_midway';

  test.each(['by the server', 'by the network', 'by the server, with sockets of our own'] as const)(
    'fails a page with an error that can be tried again, and reading goes on behind the last row: %s',
    async (how) => {
      const table = `ended_${how.replaceAll(/\W+/g, '_')}`;
      await world.postgres(
        `CREATE TABLE ${table} (id int PRIMARY KEY, at timestamptz, v text)`,
        `INSERT INTO ${table} SELECT i, to_timestamp(i), repeat('ä', 200) FROM generate_series(1, ${rows}) AS i`,
      );
      const url = new URL(world.stack.env.DATABASE_URL);
      url.searchParams.set('application_name', program);
      // Rows are sent as they are found, not when all of them are sorted.
      url.searchParams.set('options', '-c enable_sort=off -c enable_seqscan=off -c enable_bitmapscan=off');
      const pool = poolOf({ connectionString: url.href, max: 1 });
      let socket: { destroy(): void } | null = null;
      pool.on('connect', (client) => {
        ({ stream: socket } = (
          client as unknown as { connection: { stream: { destroy(): void } } }
        ).connection);
      });
      const ending: Promise<unknown>[] = [];
      const end = (): void => {
        if (how === 'by the network') setImmediate(() => socket?.destroy());
        else ending.push(terminate(program));
      };
      // Slow enough that most of the page is still to come when its first rows are there.
      const where = sql<boolean>`pg_sleep(0.0005) IS NOT NULL`;
      await using source = how.endsWith('our own')
        ? new PostgresKeysetSource({ connectionString: url.href, table, where })
        : new PostgresKeysetSource({ pool, table, where });
      const ids: string[] = [];
      const take = ([id]: TextRow): void => {
        ids.push(id ?? '');
        if (ids.length % 400 === 100) end();
      };
      const pages = await readWhole(source, String(rows), {
        row: take,
        bytes: each(take),
      });
      expect(ids).toEqual(Array.from({ length: rows }, (_, index) => String(index + 1)));
      const failed = pages.filter(({ error }) => error !== null);
      expect(failed.length).toBeGreaterThanOrEqual(2);
      for (const { error } of failed) {
        expect(error).toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true });
      }
      // The negative control: pages did fail half-way, and what came of them was not asked for again.
      expect(failed.filter((page) => page.rows > 0).length).toBeGreaterThanOrEqual(2);
      let last = 0;
      for (const { after, rows: handed } of pages) {
        expect(Number(after ?? 0)).toBe(last);
        last += handed;
      }
      await Promise.all(ending);
      await pool.end();
    },
  );
});

/** Ends every connection of a program, in whatever it is doing. */
async function terminate(program: string): Promise<void> {
  await world.pool.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
    [program],
  );
}

describe('rows that are larger than the statistics say', () => {
  const maxBytes = 1_000_000;

  /** What one page hands over, and what the server has sent for it. */
  async function onePage(table: string): Promise<{ rows: TextRow[]; sent: number; done: boolean }> {
    const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL, max: 1 });
    const client = await pool.connect();
    const { stream } = (client as unknown as { connection: { stream: { bytesRead: number } } }).connection;
    client.release();
    const source = new PostgresKeysetSource({ pool, table });
    expect((await source.describe()).estimatedRowBytes).toBeLessThan(200);
    const before = stream.bytesRead;
    const rows: TextRow[] = [];
    const request = { lower: null, upper: ['1000000'], limit: 20_000, maxBytes };
    const { done } = await source.readPage({
      ...request,
      onRow: (row) => void rows.push(row),
      onBytes: each((row) => void rows.push(row)),
    });
    const sent = stream.bytesRead - before;
    await pool.end();
    return { rows, sent, done };
  }

  /** Makes a table whose first rows are small, and analyses it before the others are large. */
  async function newTable(table: string, small: number, large: number): Promise<void> {
    await world.postgres(
      `CREATE TABLE ${table} (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = false)`,
      `INSERT INTO ${table} SELECT i, 'x' FROM generate_series(1, ${small + large}) AS i`,
      `ANALYZE ${table}`,
      `UPDATE ${table} SET v = repeat('x', 1500000) WHERE id > ${small}`,
    );
  }

  test('end a page at the first of them, and the server sends no more', async () => {
    await newTable('all_large', 0, 60);
    const { rows, sent, done } = await onePage('all_large');
    expect([rows.length, done]).toEqual([1, false]);
    expect(sent).toBeLessThan(2 * 1_500_000);
  });

  test('end a page soon where small ones come before them', async () => {
    await newTable('some_large', 50, 60);
    const { rows, done } = await onePage('some_large');
    expect([rows.length, done]).toEqual([51, false]);
  });

  test('are read one after the other, each once', async () => {
    await newTable('later_large', 700, 12);
    const ids: string[] = [];
    let characters = 0;
    const take = (row: TextRow): void => {
      ids.push(row[0] ?? '');
      characters += row[1]?.length ?? 0;
    };
    const source = world.source('later_large');
    const pages = await readWhole(source, '712', { row: take, bytes: each(take) });
    expect(ids).toEqual(Array.from({ length: 712 }, (_, index) => String(index + 1)));
    expect(characters).toBe(700 + 12 * 1_500_000);
    // A page has 2,000,000 bytes: the small rows leave room for two large ones, of which the second ends it.
    expect(pages[0]?.rows).toBe(702);
    expect(Math.max(...pages.slice(1).map((page) => page.rows))).toBe(2);
  });

  test.each(['bytes', 'texts'] as const)(
    'end the first page after four times its bytes where they are stored compressed, and the next ones after twice (%s)',
    async (form) => {
      const table = `hidden_large_${form}`;
      await world.postgres(
        `CREATE TABLE ${table} (id int PRIMARY KEY, v text)`,
        `INSERT INTO ${table} SELECT i, repeat('x', 8000) FROM generate_series(1, 3000) AS i`,
        `ANALYZE ${table}`,
      );
      const source = world.source(table);
      const { estimatedRowBytes } = await source.describe();
      expect(estimatedRowBytes).toBeLessThan(500);
      const ids: string[] = [];
      const take = (row: TextRow): void => void ids.push(row[0] ?? '');
      const pages: number[] = [];
      for (let done = false, before = 0; !done; pages.push(ids.length - before)) {
        before = ids.length;
        const lower = { key: [ids.at(-1) ?? '0'], inclusive: false };
        const request = { lower, upper: ['3000'], limit: 20_000, maxBytes, onRow: take };
        ({ done } = await source.readPage(form === 'bytes' ? { ...request, onBytes: each(take) } : request));
      }
      expect(ids).toEqual(Array.from({ length: 3000 }, (_, index) => String(index + 1)));
      const [first = 0, ...others] = pages;
      expect(others.length).toBeGreaterThan(5);
      expect(first).toBeGreaterThan((4 * maxBytes) / 8_100);
      expect(first).toBeLessThan((4 * maxBytes) / 8_000 + 2);
      expect(Math.max(...others)).toBeLessThan((2 * maxBytes) / 8_000 + 2);
    },
  );

  test('are asked for two pages at a time at the most once one was seen, where a client collects them', async () => {
    await world.postgres(
      'CREATE TABLE collected_large (id int PRIMARY KEY, v text)',
      `INSERT INTO collected_large SELECT i, repeat('x', 8000) FROM generate_series(1, 3000) AS i`,
      'ANALYZE collected_large',
    );
    const answers: number[] = [];
    const pool = {
      connect: async (): Promise<PgClientLike> => {
        const client = await plainPool.connect();
        const query: PgClientLike['query'] = async (config) => {
          const answer = await client.query(config);
          // Several statements at once have no rows of their own.
          answers.push((answer.rows as unknown[] | undefined)?.length ?? 0);
          return answer;
        };
        return { query, release: (destroy) => client.release(destroy) };
      },
    };
    const source = new PostgresKeysetSource({ pool, table: 'collected_large' });
    const collected = await collect(source, '3000', noWay, 20_000);
    expect(collected.all.map(([id]) => id)).toEqual(
      Array.from({ length: 3000 }, (_, index) => String(index + 1)),
    );
    const [first, ...others] = answers.filter((rows) => rows > 100);
    expect(first).toBe(3000);
    expect(others.length).toBeGreaterThan(5);
    expect(Math.max(...others)).toBeLessThan((2 * maxBytes) / 8_000 + 3);
  });

  test('are small where they are small: a page of them is one page', async () => {
    await newTable('none_large', 700, 0);
    const { rows, done } = await onePage('none_large');
    expect([rows.length, done]).toEqual([700, true]);
  });
});

test.each([
  ['at once where none is stored out of line', 'wide_inside', 'PLAIN', 1],
  ['in portions where one may be large', 'wide_outside', 'EXTERNAL', 8],
] as const)('a page of wide rows is asked for %s', async (_how, table, storage, portions) => {
  await world.postgres(
    `CREATE TABLE ${table} (id int PRIMARY KEY, v text)`,
    `ALTER TABLE ${table} ALTER v SET STORAGE ${storage}`,
    `INSERT INTO ${table} SELECT i, repeat('x', CASE WHEN i = 5000 AND '${storage}' = 'EXTERNAL' THEN 9000 ELSE 1000 END)
      FROM generate_series(1, 5000) AS i`,
    `ANALYZE ${table}`,
  );
  const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL, max: 1 });
  const client = await pool.connect();
  const wire = (client as unknown as { connection: { execute(portal: unknown): void } }).connection;
  const execute = vi.spyOn(wire, 'execute');
  client.release();
  const source = new PostgresKeysetSource({ pool, table });
  const read = async (after: string): Promise<string[]> => {
    const ids: string[] = [];
    const take = (row: TextRow): void => void ids.push(row[0] ?? '');
    const lower = { key: [after], inclusive: false };
    const request = { lower, upper: ['5000'], limit: 50_000, maxBytes: 2_000_000 };
    await source.readPage({ ...request, onRow: take, onBytes: each(take) });
    return ids;
  };
  const first = await read('0');
  execute.mockClear();
  const second = await read(first.at(-1) ?? '');
  expect(first.concat(second)).toEqual(
    Array.from({ length: first.length + second.length }, (_, index) => String(index + 1)),
  );
  expect(second.length).toBeGreaterThan(1_000);
  // One more may be needed for the last rows of what is wanted.
  expect([portions, portions + 1]).toContain(execute.mock.calls.length);
  await pool.end();
});

describe('a taker that throws', () => {
  const thrown = new MigratorError('VALUE_REFUSED', 'Not this one.', { help: 'None.' });
  const connected = async (): Promise<{ pool: pg.Pool; [Symbol.asyncDispose](): Promise<void> }> => {
    const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL, max: 1 });
    await pool.query('SELECT 1');
    return { pool, [Symbol.asyncDispose]: () => pool.end() };
  };

  beforeAll(async () => {
    await world.postgres(
      'CREATE TABLE taken (id int PRIMARY KEY, v text)',
      `INSERT INTO taken SELECT i, repeat('x', i % 300) FROM generate_series(1, 3000) AS i`,
    );
  });

  test.each([
    ['texts in one go', 0, false],
    ['texts in portions', 7, false],
    ['bytes in one go', 0, true],
    ['bytes in portions', 7, true],
  ] as const)(
    'ends the query with its error, is told of no further row, and the connection goes on: %s',
    async (_how, portion, isBytes) => {
      await using connection = await connected();
      const client = await connection.pool.connect();
      const socket = (client as unknown as { connection: { stream: pg.Connection['stream'] } }).connection
        .stream;
      const listeners = socket.listeners('data');
      let calls = 0;
      const take = (): void => {
        calls += 1;
        if (calls === 20) throw thrown;
      };
      const stream = new RowStream(
        { text: 'SELECT id, v FROM taken ORDER BY id', values: [] },
        {
          row: take,
          bytes: isBytes ? byteTaker(take) : undefined,
          portion: () => portion,
        },
      );
      void client.query(stream as unknown as pg.Submittable);
      await expect(stream.done).rejects.toBe(thrown);
      expect(calls).toBe(20);
      expect(socket.listeners('data')).toEqual(listeners);
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      client.release();
    },
  );

  test('ends a page with its error, and the only connection reads the next page', async () => {
    await using connection = await connected();
    const source = new PostgresKeysetSource({ pool: connection.pool, table: 'taken' });
    let calls = 0;
    const request = { lower: null, upper: ['3000'], limit: 1_000 };
    const throwing = (): void => {
      calls += 1;
      throw thrown;
    };
    const failed = source.readPage({ ...request, onRow: throwing, onBytes: throwing });
    await expect(failed).rejects.toBe(thrown);
    expect(calls).toBe(1);
    const found = await collect(source, '3000', { onRow: true, onBytes: true });
    expect(found.all.map(([id]) => Number(id))).toEqual(
      Array.from({ length: 3_000 }, (_, index) => index + 1),
    );
  });

  test('ends the reading of a range with its error, whatever it throws', async () => {
    const error = new TypeError('not this one');
    const ids: string[] = [];
    const take = (row: TextRow): void => {
      if (row[0] === '1500') throw error;
      ids.push(row[0] ?? '');
    };
    const reading = readWhole(world.source('taken'), '3000', {
      row: take,
      bytes: each(take),
    });
    await expect(reading).rejects.toBe(error);
    expect(ids).toHaveLength(1_499);
  });
});

test('an error of the server in the middle of a query gives the socket back, and the connection goes on', async () => {
  const client = new pg.Client(world.stack.env.DATABASE_URL);
  await client.connect();
  const socket = (client as unknown as { connection: { stream: pg.Connection['stream'] } }).connection.stream;
  const listeners = socket.listeners('data');
  for (const portion of [0, 50]) {
    let calls = 0;
    const stream = new RowStream(
      { text: 'SELECT 1 / (5000 - i) FROM generate_series(1, 9000) AS i', values: [] },
      {
        row: () => undefined,
        bytes: byteTaker(() => void (calls += 1)),
        portion: () => portion,
      },
    );
    void client.query(stream as unknown as pg.Submittable);
    await expect(stream.done).rejects.toMatchObject({ code: '22012' });
    expect(calls).toBe(4_999);
    expect(socket.listeners('data')).toEqual(listeners);
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  }
  await client.end();
});

test('a database that checks no encoding gives texts, not bytes', async ({ skip }) => {
  const made = await world.pool
    .query("CREATE DATABASE unchecked TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    .then(() => true)
    .catch(() => false);
  if (!made) skip('this server makes no such database');
  const url = new URL(world.stack.env.DATABASE_URL);
  url.pathname = '/unchecked';
  const pool = poolOf({ connectionString: url.href, max: 1 });
  await pool.query('CREATE TABLE t (id int PRIMARY KEY, v text, at timestamp)');
  await pool.query(`INSERT INTO t VALUES (1, 'plain', '2026-01-02 03:04:05'), (2, 'é 😀', NULL)`);
  const expected = [
    ['1', 'plain', '2026-01-02T03:04:05'],
    ['2', 'é 😀', null],
  ];
  const source = new PostgresKeysetSource({ pool, table: 't' });
  const found = await collect(source, '2', { onRow: true, onBytes: true });
  expect(found.all).toEqual(expected);
  expect([found.texts.length, found.bytes.length]).toEqual([2, 0]);
  await pool.end();
});

test('texts are said to be UTF-8 but where a type may hold any byte', async () => {
  await world.postgres(
    'CREATE TABLE of_texts (id int PRIMARY KEY, v text, j jsonb, n name, c char(3), l char[])',
    `CREATE TABLE of_bytes (id int PRIMARY KEY, v text, c "char")`,
    `CREATE TABLE of_lists (id int PRIMARY KEY, v text, c "char"[])`,
    `CREATE DOMAIN flag AS "char"`,
    `CREATE TABLE of_flags (id int PRIMARY KEY, c flag, v text)`,
    `INSERT INTO of_texts VALUES (1, 'é', '{}', 'n', 'c', '{a}')`,
    `INSERT INTO of_bytes VALUES (1, 'é', 'c')`,
    `INSERT INTO of_lists VALUES (1, 'é', '{c}')`,
    `INSERT INTO of_flags VALUES (1, 'c', 'é')`,
  );
  const said: unknown[] = [];
  for (const table of ['of_texts', 'of_bytes', 'of_lists', 'of_flags'])
    await world.source(table).readPage({
      lower: null,
      upper: ['1'],
      limit: 10,
      onRow: () => said.push(`${table} came as texts`),
      onBytes: ({ isUtf8 }) => said.push(isUtf8),
    });
  expect(said).toEqual([true, false, false, false]);
});

/** Names the first row and column that differ; null: none. */
function firstDifference(found: readonly TextRow[], expected: readonly TextRow[]): string | null {
  for (let row = 0; row < Math.max(found.length, expected.length); row += 1) {
    const [one, other] = [found[row], expected[row]];
    if (!one || !other) return `row ${row + 1} is there only once`;
    const column = other.findIndex((value, index) => value !== one[index]);
    if (column !== -1 || one.length !== other.length) {
      const shown = [one[column], other[column]].map((value) => JSON.stringify(value)?.slice(0, 200));
      return `row ${row + 1}, column ${column}: ${shown.join(' instead of ')}`;
    }
  }
  return null;
}
