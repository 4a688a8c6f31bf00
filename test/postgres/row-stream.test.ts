import { EventEmitter } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ByteRows } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { RowStream } from '../../src/postgres/row-stream.ts';
import { oneByOne } from '../support/wire-rows.ts';
import { World } from '../support/world.ts';
import { poolOf } from '../support/pool.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    'CREATE TABLE plain (id int PRIMARY KEY, v text)',
    `INSERT INTO plain SELECT i, 'row ' || i FROM generate_series(1, 500) AS i`,
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

function message(letter: string, body: Uint8Array | string = ''): Buffer {
  const bytes = Buffer.from(body);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length + 4);
  return Buffer.concat([Buffer.from(letter), length, bytes]);
}

/** A row whose only value looks like the end of a query. */
const trap = message(
  'D',
  Buffer.concat([Buffer.from([0, 1, 0, 0, 0, 12]), message('Z', 'T'), message('Z', 'T')]),
);

test('a query that pg gives up in the middle of a row hides the rest of it from pg, up to its end', async () => {
  const nothing = (): void => undefined;
  const socket = Object.assign(new EventEmitter(), { write: nothing });
  const heard: Buffer[] = [];
  const listener = (chunk: Uint8Array): void => void heard.push(Buffer.from(chunk));
  socket.on('data', listener);
  const wire = {
    stream: socket,
    parse: nothing,
    bind: nothing,
    execute: nothing,
    flush: nothing,
    sync: nothing,
  };
  let rows = 0;
  const stream = new RowStream(
    { text: 'SELECT', values: [] },
    {
      row: nothing,
      bytes: { isBinary: null, take: oneByOne(() => void (rows += 1)), missed: nothing },
      portion: () => 0,
    },
  );
  stream.submit(wire);
  socket.emit('data', Buffer.concat([message('1'), message('2'), trap, trap.subarray(0, 12)]));
  const given = stream.done.catch((error: unknown) => error);
  stream.handleError(new Error('Query read timeout'), wire);
  expect(await given).toMatchObject({ message: 'Query read timeout' });
  socket.emit('data', Buffer.concat([trap.subarray(12), trap, message('C', 'SELECT 3\0')]));
  socket.emit('data', message('Z', 'T'));
  expect(rows, 'rows are told of no more').toBe(1);
  const whole = Buffer.concat([message('1'), message('2'), message('C', 'SELECT 3\0'), message('Z', 'T')]);
  expect(Buffer.concat(heard)).toEqual(whole);
  stream.handleReadyForQuery();
  expect(socket.listeners('data')).toEqual([listener]);
});

describe('the answer to a query whose rows nobody waits for', () => {
  const nothing = (): void => undefined;

  /** A wire whose socket says what is done with it, and a query on it. */
  function submitted(unhurriedRows: number | undefined): {
    readonly wire: Parameters<RowStream['submit']>[0];
    readonly stream: RowStream;
    readonly done: string[];
    readonly isRead: Promise<void>;
  } {
    const done: string[] = [];
    const { promise: isRead, resolve } = Promise.withResolvers<void>();
    const socket = Object.assign(new EventEmitter(), {
      write: nothing,
      pause: () => void done.push('pause'),
      resume: () => {
        done.push('resume');
        resolve();
      },
    });
    const wire = {
      stream: socket,
      parse: nothing,
      bind: nothing,
      execute: () => void done.push('execute'),
      flush: nothing,
      sync: nothing,
    };
    const stream = new RowStream(
      { text: 'SELECT', values: [] },
      {
        row: nothing,
        bytes: { isBinary: null, take: oneByOne(nothing), missed: nothing },
        unhurriedRows,
        portion: () => 0,
      },
    );
    stream.submit(wire);
    return { wire, stream, done, isRead };
  }

  test('gathers in the socket at first, and is read then', async () => {
    const { done, isRead } = submitted(1_000);
    expect(done).toEqual(['execute', 'pause']);
    await isRead;
    expect(done).toEqual(['execute', 'pause', 'resume']);
  });

  test.each([
    [1, 16],
    [32_000, 16],
    [50_000, 25],
    [1_000_000, 32],
  ])('gathers as long as a server takes for it: with %i rows %i ms', (rows, milliseconds) => {
    const timer = vi.spyOn(globalThis, 'setTimeout');
    const { wire, stream } = submitted(rows);
    expect(timer.mock.calls.map(([, delay]) => delay)).toEqual([milliseconds]);
    timer.mockRestore();
    stream.done.catch(nothing);
    stream.handleError(new Error('over'), wire);
  });

  test('is read at once where they are waited for', async () => {
    const { done } = submitted(undefined);
    await sleep(50);
    expect(done).toEqual(['execute']);
  });

  test('is read on when the query has ended, and nothing happens to the socket later', async () => {
    const { wire, stream, done } = submitted(1_000_000);
    stream.handleError(new Error('Query read timeout'), wire);
    await expect(stream.done).rejects.toThrow('Query read timeout');
    expect(done).toEqual(['execute', 'pause', 'resume']);
    await sleep(50);
    expect(done).toEqual(['execute', 'pause', 'resume']);
  });
});

test.each([
  [true, 1],
  [false, 0],
])('a page for which unhurried is %s has its answer gather %i times', async (unhurried, times) => {
  await using source = new PostgresKeysetSource({
    connectionString: world.stack.env.DATABASE_URL,
    table: 'plain',
  });
  await source.describe();
  const pause = vi.spyOn(Socket.prototype, 'pause');
  let rows = 0;
  const onBytes = (some: ByteRows): void => void (rows += some.rows);
  await source.readPage({ lower: null, upper: ['500'], limit: 1_000, onBytes, unhurried });
  expect(pause).toHaveBeenCalledTimes(times);
  expect(rows).toBe(500);
  pause.mockRestore();
});

test('pg hears of the end of each query, so that nothing of its query_timeout runs on', async () => {
  const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL, max: 1, query_timeout: 60_000 });
  const source = new PostgresKeysetSource({ pool, table: 'plain' });
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const read = async (): Promise<number> => {
    let rows = 0;
    const onBytes = (some: ByteRows): void => void (rows += some.rows);
    await source.readPage({ lower: null, upper: ['500'], limit: 1_000, onBytes });
    return rows;
  };
  expect(await read()).toBe(500);
  const before = timers();
  for (let page = 0; page < 20; page += 1) await read();
  expect(timers()).toBeLessThan(before + 5);
  await pool.end();
});

test('a page that takes longer than the query_timeout fails, and the next one reads its own rows', async () => {
  await world.postgres(
    `CREATE VIEW slow AS SELECT id, repeat('x', 100000) || coalesce(pg_sleep(0.01 * (id % 2))::text, '') AS v FROM plain`,
  );
  const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL, max: 1, query_timeout: 400 });
  const slow = new PostgresKeysetSource({ pool, table: 'slow', key: ['id'] });
  const plain = new PostgresKeysetSource({ pool, table: 'plain' });
  let handed = 0;
  const onBytes = (some: ByteRows): void => void (handed += some.rows);
  await expect(slow.readPage({ lower: null, upper: ['500'], limit: 500, onBytes })).rejects.toMatchObject({
    code: expect.stringMatching(/^SOURCE_/) as string,
  });
  const then = handed;
  await sleep(300);
  expect(handed, 'what comes later is not handed over').toBe(then);
  for (let page = 0; page < 3; page += 1) {
    const { rows } = await plain.readPage({ lower: null, upper: ['500'], limit: 1_000 });
    expect(rows).toEqual(Array.from({ length: 500 }, (_, index) => [String(index + 1), `row ${index + 1}`]));
  }
  await pool.end();
});

test('a server that says farewell in the packet with which it welcomes ends no process', async () => {
  const fatal = message(
    'E',
    ['SFATAL', 'VFATAL', 'C57P01', 'Mshutting down', ''].map((field) => field + '\0').join(''),
  );
  const server = createServer((socket) => {
    socket.once('data', () => {
      // AuthenticationOk and ReadyForQuery, and in the same breath the end.
      socket.end(Buffer.concat([message('R', Buffer.alloc(4)), message('Z', 'I'), fatal]));
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown): void => void uncaught.push(error);
  process.on('uncaughtException', onUncaught);
  try {
    const pool = poolOf({ host: '127.0.0.1', port, user: 'u', database: 'd', ssl: false });
    const connectionString = `postgres://u@127.0.0.1:${port}/d`;
    for (const from of [{ pool }, { connectionString }]) {
      const source = new PostgresKeysetSource({ ...from, table: 'plain' });
      await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
      await source.close?.();
    }
    expect(pool.listenerCount('acquire')).toBe(0);
    await pool.end();
    await sleep(20);
    expect(uncaught).toEqual([]);
  } finally {
    process.off('uncaughtException', onUncaught);
    await new Promise((resolve) => server.close(resolve));
  }
});

test('however many ask for a connection at once, a pool and its connections are listened to a few times only', async () => {
  const pool = poolOf({ connectionString: world.stack.env.DATABASE_URL, max: 2 });
  const heard: number[] = [];
  pool.on('acquire', (client) => heard.push(pool.listenerCount('acquire'), client.listenerCount('error')));
  const source = new PostgresKeysetSource({ pool, table: 'plain' });
  const counts = await Promise.all(Array.from({ length: 40 }, () => source.countRows()));
  expect(new Set(counts)).toEqual(new Set([500]));
  expect(heard.length).toBeGreaterThanOrEqual(80);
  // From 11 on Node warns of them.
  expect(Math.max(...heard)).toBeLessThan(8);
  await pool.end();
});
