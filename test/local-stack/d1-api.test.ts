import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startCloudflareApi, type CloudflareApi } from '../../examples/local/cloudflare-api.ts';
import { startD1, type LocalD1 } from '../../examples/local/d1.ts';
import type { LocalEnvironment } from '../../examples/local/stack.ts';
import { restClient } from './client.ts';

let d1: LocalD1;
let api: CloudflareApi;
let env: LocalEnvironment;
let client: ReturnType<typeof restClient>;

beforeAll(async () => {
  d1 = await startD1();
  api = await startCloudflareApi({ workerUrl: d1.workerUrl, accountId: 'account', apiToken: 'token' });
  env = {
    DATABASE_URL: '',
    CLOUDFLARE_API_TOKEN: 'token',
    CLOUDFLARE_ACCOUNT_ID: 'account',
    D1_DATABASE_ID: d1.databaseId,
    CLOUDFLARE_API_BASE_URL: api.baseUrl,
  };
  client = restClient(env);
}, 30_000);

afterAll(async () => {
  await api.stop();
  await d1.stop();
});

beforeEach(async () => {
  await client.raw({
    batch: [
      { sql: 'DROP TABLE IF EXISTS places' },
      { sql: 'DROP TABLE IF EXISTS checkpoints' },
      { sql: 'CREATE TABLE places (id INTEGER PRIMARY KEY, name TEXT)' },
      { sql: 'CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, token INTEGER, cursor TEXT)' },
      { sql: 'INSERT INTO checkpoints VALUES (1, 7, NULL)' },
    ],
  });
  api.resetStatistics();
});

describe('answers', () => {
  test('raw gives columns and rows, also for no rows and for columns of one name', async () => {
    const none = await client.raw({ sql: 'SELECT 1 AS a, 2 AS a WHERE 0' });
    expect(none.result[0]?.results).toEqual({ columns: ['a', 'a'], rows: [] });
    const one = await client.raw({ sql: 'SELECT 1 AS a, 2 AS a' });
    expect(one.result[0]?.results).toEqual({ columns: ['a', 'a'], rows: [[1, 2]] });
  });

  test('query gives objects', async () => {
    const { result } = await client.query({ sql: "SELECT 1 AS a, 'x' AS b, NULL AS c" });
    expect(result[0]?.results).toEqual([{ a: 1, b: 'x', c: null }]);
  });

  test('the envelope is that of Cloudflare', async () => {
    const { status, success, errors, messages, result } = await client.raw({
      sql: 'INSERT INTO places (name) VALUES (?), (?)',
      params: ['a', null],
    });
    expect({ status, success, errors, messages }).toEqual({
      status: 200,
      success: true,
      errors: [],
      messages: [],
    });
    expect(result[0]).toMatchObject({ success: true, meta: { changes: 2, rows_written: 2 } });
  });

  test('a database describes itself', async () => {
    const path = `/accounts/account/d1/database/${d1.databaseId}`;
    const body = (await (await client.request(path)).json()) as { result: unknown };
    expect(body.result).toMatchObject({ uuid: d1.databaseId, name: 'DB', num_tables: 2 });
    const list = (await (await client.request('/accounts/account/d1/database')).json()) as {
      result: unknown;
    };
    expect(list.result).toEqual([body.result]);
  });

  test('a bookmark of the present state can be read', async () => {
    const path = `/accounts/account/d1/database/${d1.databaseId}/time_travel/bookmark`;
    const body = (await (await client.request(path)).json()) as { result: { bookmark: string } };
    expect(body.result.bookmark).toMatch(/^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$/);
  });

  test('the headers the server uses inside do not reach the client', async () => {
    const { headers } = await client.raw({ sql: "INSERT INTO places (name) VALUES ('a')" });
    expect([...headers.keys()].filter((name) => name.startsWith('x-'))).toEqual([]);
  });
});

describe('batches', () => {
  test('a batch rolls back as a whole when one statement fails', async () => {
    const reply = await client.raw({
      batch: [{ sql: "INSERT INTO places (name) VALUES ('a')" }, { sql: 'INSERT INTO nowhere VALUES (1)' }],
    });
    expect(reply.status).toBe(400);
    expect(reply.errors).toEqual([{ code: 7500, message: 'no such table: nowhere: SQLITE_ERROR' }]);
    expect(await client.rows('SELECT count(*) FROM places')).toEqual([[0]]);
    expect(api.statistics().rowsChanged).toEqual({});
  });

  test('a batch guarded by its checkpoint writes once, and nothing when it comes again', async () => {
    const guard = 'EXISTS (SELECT 1 FROM checkpoints WHERE id = 1 AND token = 7 AND cursor IS NULL)';
    const batch = [
      {
        sql: `INSERT INTO places (id, name) SELECT value->>0, value->>1 FROM json_each(?1) WHERE ${guard}
              ON CONFLICT (id) DO UPDATE SET name = excluded.name`,
        params: [
          JSON.stringify([
            [1, 'a'],
            [2, 'b'],
            [3, 'c'],
          ]),
        ],
      },
      { sql: `UPDATE checkpoints SET cursor = '3' WHERE id = 1 AND token = 7 AND cursor IS NULL` },
    ];
    const first = await client.raw({ batch });
    expect(first.result.map(({ meta }) => meta.changes)).toEqual([3, 1]);
    const again = await client.raw({ batch });
    expect(again.result.map(({ meta }) => meta.changes)).toEqual([0, 0]);
    expect(api.statistics().rowsChanged).toEqual({ places: 3 });
  });

  test('deferred foreign keys can be read back, which shows without a write that a batch is atomic', async () => {
    const batch = [{ sql: 'PRAGMA defer_foreign_keys = on' }, { sql: 'PRAGMA defer_foreign_keys' }];
    const rest = await client.raw({ batch });
    expect(rest.result[1]?.results.rows).toEqual([[1]]);
    expect(await client.rows('PRAGMA defer_foreign_keys')).toEqual([[0]]);

    const database = await d1.database();
    const bound = await database.batch(batch.map(({ sql }) => database.prepare(sql)));
    expect(bound[1]?.results).toEqual([{ defer_foreign_keys: 1 }]);

    const explored = await fetch(`${d1.explorerUrl}/d1/database/${d1.databaseId}/raw`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ batch }),
    });
    const { result } = (await explored.json()) as { result: { results: { rows: unknown[][] } }[] };
    expect(result[1]?.results.rows, "the explorer's batches are not atomic").toEqual([[0]]);
  });
});

describe('limits', () => {
  const tooBig = { code: 7500, message: 'string or blob too big: SQLITE_TOOBIG' };

  test('100 parameters are the most', async () => {
    const select = (count: number) => ({
      sql: `SELECT ${Array<string>(count).fill('?').join(',')}`,
      params: Array<number>(count).fill(1),
    });
    expect((await client.raw(select(100))).status).toBe(200);
    const reply = await client.raw(select(101));
    expect(reply.status).toBe(400);
    expect(reply.errors[0]?.code).toBe(7500);
    expect(reply.errors[0]?.message).toContain('too many SQL variables');
  });

  test('100,000 bytes of SQL are the most', async () => {
    const sql = (bytes: number) => ({ sql: 'SELECT 1'.padEnd(bytes) });
    expect((await client.raw(sql(100_000))).status).toBe(200);
    const reply = await client.raw(sql(100_001));
    expect(reply.status).toBe(400);
    expect(reply.errors).toEqual([{ code: 7500, message: 'statement too long: SQLITE_TOOBIG' }]);
  });

  test('2,000,000 bytes are the most for one value, counted as UTF-8', async () => {
    const length = (text: string) => client.raw({ sql: 'SELECT length(?)', params: [text] });
    expect((await length('x'.repeat(2_000_000))).result[0]?.results.rows).toEqual([[2_000_000]]);
    expect((await length('x'.repeat(2_000_001))).errors).toEqual([tooBig]);
    expect((await length('é'.repeat(1_000_000))).result[0]?.results.rows).toEqual([[1_000_000]]);
    expect((await length('é'.repeat(1_000_001))).errors).toEqual([tooBig]);
  });

  test('that limit holds for every value of every statement in a batch', async () => {
    const long = 'x'.repeat(2_000_001);
    const reply = await client.raw({
      batch: [{ sql: 'SELECT 1' }, { sql: 'SELECT ?, ?', params: ['a', long] }],
    });
    expect(reply.errors).toEqual([tooBig]);
  });
});

describe('refusals', () => {
  test.each([
    ['no JSON', '{'],
    ['no SQL', '{}'],
    ['an empty batch', '{"batch":[]}'],
    ['params that are no array', '{"sql":"SELECT 1","params":"x"}'],
    ['a boolean', '{"sql":"SELECT ?","params":[true]}'],
    ['an object', '{"sql":"SELECT ?","params":[{}]}'],
  ])('a body with %s is malformed', async (_, body) => {
    const reply = await client.raw(body);
    expect(reply.status).toBe(400);
    expect(reply.errors[0]?.code).toBe(7400);
  });

  test('a SQL error comes with the message of D1', async () => {
    const reply = await client.raw({ sql: 'SELECT nope' });
    expect(reply.status).toBe(400);
    expect(reply.errors).toEqual([{ code: 7500, message: 'no such column: nope at offset 7: SQLITE_ERROR' }]);
    expect(reply).toMatchObject({ success: false, messages: [], result: null });
  });

  test('an unknown database is not found', async () => {
    const reply = await restClient({ ...env, D1_DATABASE_ID: 'other' }).raw({ sql: 'SELECT 1' });
    expect([reply.status, reply.errors[0]?.code]).toEqual([404, 7404]);
  });

  test('a wrong token, no token and an unknown account are refused, and reach no database', async () => {
    const wrong = await restClient({ ...env, CLOUDFLARE_API_TOKEN: 'guess' }).raw({ sql: 'SELECT 1' });
    expect([wrong.status, wrong.errors]).toEqual([401, [{ code: 10000, message: 'Authentication error' }]]);
    const none = await client.request('/accounts/account/d1/database', { headers: { authorization: '' } });
    expect(none.status).toBe(400);
    const other = await restClient({ ...env, CLOUDFLARE_ACCOUNT_ID: 'other' }).raw({ sql: 'SELECT 1' });
    expect([other.status, other.errors[0]?.code]).toEqual([403, 7403]);
  });
});

test('after a restart the databases are as they were, at the same address', async () => {
  await client.raw({ sql: "INSERT INTO places (name) VALUES ('kept')" });
  await d1.restart();
  await expect.poll(() => client.rows('SELECT name FROM places').catch(String)).toEqual([['kept']]);
  const { results } = await (await d1.database()).prepare('SELECT name FROM places').all();
  expect(results).toEqual([{ name: 'kept' }]);
});
