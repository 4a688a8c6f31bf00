import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  isMigratorError,
  type MigratorError,
  type MigratorErrorCode,
  ResumableMigrator,
  type TuningOptions,
} from 'resumable-migrator';
import { type Fault, FAULTS, type StatusFault } from '../../examples/local/faults.ts';
import { World } from '../support/world.ts';

let world: World;
let garbage: Server;
let address: string;
/** Bytes that the server of bad answers got rid of before its client went away. */
let sent = 0;

beforeAll(async () => {
  world = await World.start();
  garbage = createServer((incoming, outgoing) => {
    incoming.resume();
    outgoing.on('error', () => undefined);
    if (incoming.url === '/headers') {
      outgoing.writeHead(200, { 'x-large': 'x'.repeat(40_000) }).end('{}');
      return;
    }
    // An answer that begins as the API's, and never ends.
    outgoing.writeHead(200, { 'content-type': 'application/json' });
    outgoing.write('{"success":true,"result":["');
    const more = (): void => {
      for (let goesOn = true; goesOn && !outgoing.destroyed; sent += 65_536) {
        goesOn = outgoing.write('x'.repeat(65_536));
      }
    };
    outgoing.on('drain', more);
    more();
  }).listen(0, '127.0.0.1');
  await once(garbage, 'listening');
  address = `http://127.0.0.1:${(garbage.address() as AddressInfo).port}`;
});
afterAll(async () => {
  garbage.closeAllConnections();
  garbage.close();
  await world[Symbol.asyncDispose]();
});
afterEach(() => {
  world.stack.api.setFaults(undefined);
});

const rows = 120;
const quick: TuningOptions = {
  checkpointSize: 40,
  batchSize: 20,
  concurrency: 2,
  leaseMs: 1_000,
  retry: { retries: 3, baseMs: 1, maxMs: 5 },
};
/** A window of the quota that is over soon: where nothing says how long to wait, a tenth of it is waited. */
const quota = { requests: 100_000, windowMs: 1_000 };

let made = 0;

/** A source table, and a table in D1 without a key: a row that is written twice is there twice. */
async function newTable(): Promise<string> {
  made += 1;
  const table = `t${made}`;
  await world.postgres(
    `CREATE TABLE ${table} (id int PRIMARY KEY, v text)`,
    `INSERT INTO ${table} SELECT i, 'row ' || i || '.' FROM generate_series(1, ${rows}) AS i`,
  );
  await world.d1(`CREATE TABLE ${table} (id INTEGER, v TEXT)`);
  return table;
}

/** Everything is there, once, and D1 wrote nothing more than that. */
async function expectExactlyOnce(table: string): Promise<void> {
  expect(await world.sinkRows(table, 'id')).toEqual(await world.sourceRows(table, 'id'));
  expect(world.stack.api.statistics().rowsChanged[table]).toBe(rows);
}

function migrator(
  table: string,
  sink: Parameters<World['rest']>[1] = {},
  tuning: TuningOptions = {},
): ResumableMigrator {
  return new ResumableMigrator({
    source: world.source(table),
    sink: world.rest(table, { quota, ...sink }),
    ...quick,
    ...tuning,
  });
}

async function rejection(run: Promise<unknown>): Promise<MigratorError> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isMigratorError(error)) throw new Error('expected a MigratorError', { cause: error });
  return error;
}

const isWrite = (table: string, body: string): boolean => body.includes(`INSERT INTO \\"${table}\\"`);
/** The second batch of the second checkpoint. */
const isVictim = (table: string, body: string): boolean => isWrite(table, body) && body.includes('row 65.');

const textOf = ({ body }: RequestInit = {}): string =>
  typeof body === 'string' ? body : body instanceof Uint8Array ? new TextDecoder().decode(body) : '';

type Tampering = (real: () => Promise<Response>, init: RequestInit) => Promise<Response>;

/** A `fetch` that lets a bad answer take the place of the real one, for the requests of which `which` is true. */
function tampering(which: (body: string) => boolean, answer: Tampering): typeof fetch {
  return async (url, init = {}) => {
    const real = (): Promise<Response> => fetch(url, init);
    return which(textOf(init)) ? await answer(real, init) : await real();
  };
}

/** The API's own answer, changed. */
const changed =
  (change: (envelope: Envelope) => unknown): Tampering =>
  async (real) => {
    const response = await real();
    return Response.json(change((await response.json()) as Envelope), { headers: response.headers });
  };

interface Envelope {
  success: unknown;
  errors: unknown;
  result: {
    results: { columns: unknown; rows: unknown };
    meta?: Record<string, unknown>;
    success?: unknown;
  }[];
}

const body =
  (text: string, init?: ResponseInit): Tampering =>
  async (real) => {
    await (await real()).text();
    return new Response(text, init);
  };

describe('a fault that passes is survived, and nothing is written twice', () => {
  const status = (code: number, http: number, message: string): Fault => ({
    kind: 'status',
    status: http,
    code,
    message,
  });
  const later = (fault: Fault): Fault => ({ ...fault, commit: true });
  const cases: readonly [what: string, fault: Fault, code: MigratorErrorCode][] = [
    ['an internal error', FAULTS.internalError, 'SINK_UNREACHABLE'],
    ['an internal error after the commit', later(FAULTS.internalError), 'SINK_UNREACHABLE'],
    ['an overloaded database', FAULTS.overloaded, 'SINK_OVERLOADED'],
    ['an overloaded database after the commit', later(FAULTS.overloaded), 'SINK_OVERLOADED'],
    ['a CPU limit', FAULTS.cpuLimit, 'SINK_OVERLOADED'],
    [
      'a memory limit',
      status(7500, 400, 'D1 DB exceeded its memory limit and was reset.'),
      'SINK_OVERLOADED',
    ],
    [
      '429 with retry-after',
      { ...FAULTS.quota, headers: { 'retry-after': '0' } } as Fault,
      'SINK_RATE_LIMITED',
    ],
    ['429 without retry-after', status(971, 429, 'Please wait'), 'SINK_RATE_LIMITED'],
    ['429 with an unknown code', status(10_429, 429, 'Slow down'), 'SINK_RATE_LIMITED'],
    ['an upstream error', FAULTS.upstream, 'SINK_UNREACHABLE'],
    ['an upstream error after the commit', later(FAULTS.upstream), 'SINK_UNREACHABLE'],
    ['HTML with 502', FAULTS.badGateway, 'SINK_UNREACHABLE'],
    ['HTML with 503 after the commit', later(FAULTS.serviceUnavailable), 'SINK_UNREACHABLE'],
    ['HTML with 504 after the commit', later(FAULTS.gatewayTimeout), 'SINK_UNREACHABLE'],
    ['half of the answer', FAULTS.truncated, 'SINK_PROTOCOL'],
    ['no answer', FAULTS.stall, 'SINK_UNREACHABLE'],
    ['no answer after the commit', later(FAULTS.stall), 'SINK_UNREACHABLE'],
    [
      'an answer that comes too late',
      { kind: 'delay', milliseconds: 1_400, commit: true },
      'SINK_UNREACHABLE',
    ],
    ['a write that comes too late', { kind: 'delay', milliseconds: 1_400 }, 'SINK_UNREACHABLE'],
    ['a connection that breaks before the write', FAULTS.resetBefore, 'SINK_UNREACHABLE'],
    ['a connection that breaks after the commit', FAULTS.resetAfterCommit, 'SINK_UNREACHABLE'],
    ['a deployment', status(7500, 500, 'D1 DB reset because its code was updated.'), 'SINK_UNREACHABLE'],
    [
      'a lost connection to storage',
      later(status(7500, 500, 'Network connection lost.')),
      'SINK_UNREACHABLE',
    ],
  ];

  test.each(cases)('%s', async (_, fault, code) => {
    const table = await newTable();
    let faults = 0;
    world.stack.api.setFaults((info) => {
      if (!isVictim(table, info.body) || faults > 0) return undefined;
      faults += 1;
      return fault;
    });
    const retries: string[] = [];
    const copy = migrator(table, { timeoutMs: 1_000 }).on('retry', (retry) => retries.push(retry.code));
    expect(await copy.run()).toMatchObject({ status: 'completed', rows, failures: [] });
    expect(faults).toBe(1);
    expect(retries).toContain(code);
    expect(retries.length, 'only what failed is tried again').toBe(1);
    // A write that was on its way all the time lands now, and finds that it comes too late.
    if (fault.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, 800));
    await expectExactlyOnce(table);
  });

  const answers: readonly [what: string, answer: Tampering][] = [
    ['an empty body', body('')],
    ['text', body('Hello.', { headers: { 'content-type': 'text/plain' } })],
    ['an image', body('\uFFFDPNG\r\n', { headers: { 'content-type': 'image/png' } })],
    ['JSON of something else', body('{"hello":"world"}')],
    ['JSON that is no object', body('[1,2]')],
    ['a success that is a text', changed((envelope) => ({ ...envelope, success: 'true' }))],
    ['no results', changed((envelope) => ({ ...envelope, result: null }))],
    ['too few results', changed((envelope) => ({ ...envelope, result: envelope.result.slice(1) }))],
    [
      'too many results',
      changed((envelope) => ({ ...envelope, result: [...envelope.result, ...envelope.result] })),
    ],
    ['results that are none', changed((envelope) => ({ ...envelope, result: [1, 2] }))],
    [
      'no meta',
      changed((envelope) => ({ ...envelope, result: envelope.result.map(({ results }) => ({ results })) })),
    ],
    [
      'a number of changes that is a text',
      changed((envelope) => ({
        ...envelope,
        result: envelope.result.map(({ results }) => ({ results, meta: { changes: '1' } })),
      })),
    ],
    [
      'more changes than one checkpoint has',
      changed((envelope) => ({
        ...envelope,
        result: envelope.result.map(({ results }) => ({ results, meta: { changes: 7 } })),
      })),
    ],
    [
      'an answer that never ends',
      async (real) => (await (await real()).text(), await fetch(`${address}/endless`)),
    ],
    ['headers without end', async (real) => (await (await real()).text(), await fetch(`${address}/headers`))],
  ];

  test.each(answers)('a server that answers with %s, although it wrote', async (what, answer) => {
    const table = await newTable();
    let faults = 0;
    const send = tampering((text) => isVictim(table, text) && (faults += 1) === 1, answer);
    sent = 0;
    const retries: string[] = [];
    const copy = migrator(table, { fetch: send, maxResponseBytes: 1_000_000 });
    copy.on('retry', (retry) => retries.push(retry.code));
    expect(await copy.run()).toMatchObject({ status: 'completed', rows, failures: [] });
    expect(retries).toEqual([what.startsWith('headers') ? 'SINK_UNREACHABLE' : 'SINK_PROTOCOL']);
    if (what.endsWith('never ends')) expect(sent).toBeGreaterThan(900_000);
    expect(sent, 'reading ended').toBeLessThan(20_000_000);
    await expectExactlyOnce(table);
  });

  test('a page of results whose rows are cut is not taken for values', async () => {
    const table = await newTable();
    const cut = changed((envelope) => ({
      ...envelope,
      result: envelope.result.map(({ results, meta }) => ({
        results: { ...results, rows: (results.rows as unknown[][]).map((row) => row.slice(1)) },
        meta,
      })),
    }));
    let claims = 0;
    const send = tampering((text) => text.includes('RETURNING') && (claims += 1) === 1, cut);
    expect(await migrator(table, { fetch: send }, { leaseMs: 500 }).run()).toMatchObject({
      status: 'completed',
    });
    await expectExactlyOnce(table);
  });
});

describe('a fault that stays fails its checkpoint, and the others are copied', () => {
  const refused = (message: string): StatusFault => ({ kind: 'status', status: 400, code: 7500, message });
  const cases: readonly [what: string, fault: Fault, code: MigratorErrorCode, tries: number, help: RegExp][] =
    [
      ['an internal error', FAULTS.internalError, 'SINK_UNREACHABLE', 4, /tries again/],
      ['HTML', FAULTS.badGateway, 'SINK_UNREACHABLE', 4, /tries again/],
      ['half of an answer before the write', { kind: 'reset' }, 'SINK_UNREACHABLE', 4, /network/],
      ['a malformed body', FAULTS.malformed, 'SINK_PROTOCOL', 1, /CLOUDFLARE_API_BASE_URL/],
      ['a broken constraint', refused('UNIQUE constraint failed: t.id'), 'SINK_FAILED', 1, /constraint/],
      ['an SQL error', refused('near "x": syntax error'), 'SINK_FAILED', 1, /message says why/],
      [
        '200 and no success',
        { kind: 'status', status: 200, code: 7500, message: 'boom' },
        'SINK_FAILED',
        1,
        /says why/,
      ],
      [
        'a redirect',
        {
          kind: 'status',
          status: 307,
          code: 0,
          message: 'moved',
          headers: { location: 'http://127.0.0.1:9/' },
        },
        'SINK_PROTOCOL',
        1,
        /elsewhere/,
      ],
    ];

  test.each(cases)('%s', async (_, fault, code, tries, help) => {
    const table = await newTable();
    let faults = 0;
    world.stack.api.setFaults((info) => {
      if (!isVictim(table, info.body)) return undefined;
      faults += 1;
      return fault;
    });
    const error = await rejection(migrator(table).run());
    expect(error).toMatchObject({
      code: 'CHECKPOINTS_FAILED',
      cause: { code, place: { migration: table, checkpoint: 2 } },
      result: {
        status: 'failed',
        completedCheckpoints: 2,
        rows: 100,
        failures: [{ seq: 2, code, cursor: ['60'] }],
      },
    });
    expect((error.cause as MigratorError).help).toMatch(help);
    expect(error.help).toMatch(/run again/);
    expect(faults).toBe(tries);
    expect(
      await world.d1(
        `SELECT status, records_processed AS n, error_message LIKE '${code}: %' AS told FROM migration_checkpoints WHERE table_name = '${table}' ORDER BY seq`,
      ),
    ).toEqual([
      { status: 'completed', n: 40, told: null },
      { status: 'failed', n: 20, told: 1 },
      { status: 'completed', n: 40, told: null },
    ]);
    world.stack.api.setFaults(undefined);
    expect(await migrator(table).run()).toMatchObject({ status: 'completed', rows: 20 });
    await expectExactlyOnce(table);
  });

  test('a redirect is not followed: token and rows reach no other server', async () => {
    const table = await newTable();
    const reached: string[] = [];
    const other = createServer((incoming, outgoing) => {
      reached.push(`${incoming.method} ${incoming.headers.authorization ?? ''}`);
      outgoing.end('{}');
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    const moved = (status: number): Fault =>
      ({ kind: 'status', status, code: 0, message: 'moved', headers: { location } }) as const;
    for (const status of [301, 302, 303, 307, 308]) {
      world.stack.api.setFaults(() => moved(status));
      expect(await rejection(migrator(table).run())).toMatchObject({ code: 'SINK_PROTOCOL' });
    }
    other.close();
    expect(reached).toEqual([]);
  });
});

describe('a batch that is too much', () => {
  const tooMuch: readonly [what: string, fault: Fault, code: MigratorErrorCode][] = [
    ['for the CPU', FAULTS.cpuLimit, 'SINK_OVERLOADED'],
    [
      'for the time of a statement',
      {
        kind: 'status',
        status: 500,
        code: 7500,
        message: 'D1 DB storage operation exceeded timeout which caused object to be reset.',
      },
      'SINK_OVERLOADED',
    ],
    [
      'for a string',
      { kind: 'status', status: 400, code: 7500, message: 'string or blob too big: SQLITE_TOOBIG' },
      'SINK_FAILED',
    ],
    [
      'for the memory',
      { kind: 'status', status: 400, code: 7500, message: 'out of memory: SQLITE_NOMEM' },
      'SINK_FAILED',
    ],
  ];

  test.each(tooMuch)('%s is halved until it passes', async (_, fault) => {
    const table = await newTable();
    const rowsIn = (text: string): number => text.match(/row \d+\./g)?.length ?? 0;
    world.stack.api.setFaults(({ body: text }) =>
      isWrite(table, text) && rowsIn(text) > 6 ? fault : undefined,
    );
    const sizes: number[] = [];
    const copy = migrator(table, {}, { concurrency: 1 }).on('batch:committed', (batch) =>
      sizes.push(batch.rows),
    );
    expect(await copy.run()).toMatchObject({ status: 'completed' });
    expect(Math.max(...sizes)).toBe(5);
    await expectExactlyOnce(table);
  });

  test.each(tooMuch)(
    '%s even with one row: the row is named by its key, and the rest is copied',
    async (_, fault, code) => {
      const table = await newTable();
      world.stack.api.setFaults(({ body: text }) => (isVictim(table, text) ? fault : undefined));
      const error = await rejection(migrator(table).run());
      expect(error.cause).toMatchObject({ code, place: { migration: table, checkpoint: 2, key: ['65'] } });
      expect(error.message).toContain('key 65');
      expect(error.result).toMatchObject({ rows: 40 + 24 + 40, failures: [{ seq: 2, cursor: ['64'] }] });
      world.stack.api.setFaults(undefined);
      await migrator(table).run();
      await expectExactlyOnce(table);
    },
  );
});

describe('an error after which nothing can succeed stops the run at once', () => {
  const gone = (message: string): Fault => ({ kind: 'status', status: 400, code: 7500, message });
  const cases: readonly [what: string, fault: Fault, code: MigratorErrorCode, help: RegExp][] = [
    [
      'a token that is not valid any more',
      FAULTS.unauthenticated,
      'SINK_CREDENTIALS',
      /CLOUDFLARE_API_TOKEN/,
    ],
    ['a token without the permission', FAULTS.forbidden, 'SINK_CREDENTIALS', /D1: Edit/],
    ['a database that is gone', FAULTS.notFound, 'SINK_DATABASE_NOT_FOUND', /wrangler d1 list/],
    ['a table that is gone', gone('no such table: t: SQLITE_ERROR'), 'SINK_TABLE_NOT_FOUND', /[Cc]reate/],
    [
      'a column that is gone',
      gone('table t has no column named v: SQLITE_ERROR'),
      'SINK_COLUMN_MISSING',
      /column/,
    ],
    ['a database that is full', gone('Exceeded maximum DB size'), 'SINK_QUOTA_EXHAUSTED', /room/],
  ];

  test.each(cases)('%s', async (_, fault, code, help) => {
    const table = await newTable();
    let writes = 0;
    // The account's other requests are refused as well, once it has begun.
    const isOfAccount = code === 'SINK_CREDENTIALS' || code === 'SINK_DATABASE_NOT_FOUND';
    world.stack.api.setFaults(({ body: text }) => {
      if (isWrite(table, text)) writes += 1;
      return writes > 1 && (isOfAccount || isWrite(table, text)) ? fault : undefined;
    });
    const requests: string[] = [];
    const log: typeof fetch = async (url, init) => {
      requests.push(textOf(init));
      return await fetch(url, init);
    };
    const copy = migrator(
      table,
      { fetch: log },
      { checkpointSize: 10, batchSize: 5, concurrency: 4, leaseMs: 500 },
    );
    const retries: string[] = [];
    copy.on('retry', (retry) => retries.push(retry.code));
    let until: number | null = null;
    // What was begun before the failure is sent by then.
    copy.on('checkpoint:failed', () => setImmediate(() => (until ??= requests.length)));
    const error = await rejection(copy.run());
    expect(error).toMatchObject({ code, result: { status: 'failed' } });
    expect(error.help).toMatch(help);
    expect(retries).toEqual([]);
    if (until === null) throw new Error('no checkpoint failed');
    // What failed is recorded, and progress is read once; no row is sent and no checkpoint claimed any more.
    const after = requests.slice(until);
    expect(after.filter((text) => isWrite(table, text) || text.includes('RETURNING'))).toEqual([]);
    // Four checkpoints are read at a time, and as many may wait for their last writes: each is given back.
    expect(after.length).toBeLessThanOrEqual(2 * 4 + 3);
    world.stack.api.setFaults(undefined);
    const next = migrator(table, {}, { checkpointSize: 10, batchSize: 5 });
    expect(await next.run()).toMatchObject({ status: 'completed' });
    await expectExactlyOnce(table);
  });
});

test('limits that cannot work are refused when the sink is made', () => {
  for (const name of ['timeoutMs', 'maxResponseBytes']) {
    for (const value of [0, -1, 1.5, Number.NaN, Infinity, '5', 2 ** 31]) {
      expect(() => world.rest('t', { [name]: value }), `${name}: ${String(value)}`).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      );
    }
  }
});
