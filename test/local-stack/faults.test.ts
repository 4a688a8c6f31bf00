import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startCloudflareApi, type CloudflareApi } from '../../examples/local/cloudflare-api.ts';
import { startD1, type LocalD1 } from '../../examples/local/d1.ts';
import { FAULTS, REFUSALS, type Fault, type FaultInfo } from '../../examples/local/faults.ts';
import { restClient } from './client.ts';

let d1: LocalD1;
let api: CloudflareApi;
let client: ReturnType<typeof restClient>;

const insert = { sql: 'INSERT INTO places (name) VALUES (?)', params: ['a'] };
const count = async (): Promise<unknown> => {
  const database = await d1.database();
  return database.prepare('SELECT count(*) AS n FROM places').first('n');
};

const clientOf = ({ baseUrl }: CloudflareApi): ReturnType<typeof restClient> =>
  restClient({
    DATABASE_URL: '',
    CLOUDFLARE_API_TOKEN: 'token',
    CLOUDFLARE_ACCOUNT_ID: 'account',
    D1_DATABASE_ID: d1.databaseId,
    CLOUDFLARE_API_BASE_URL: baseUrl,
  });

beforeAll(async () => {
  d1 = await startD1();
  api = await startCloudflareApi({ workerUrl: d1.workerUrl, accountId: 'account', apiToken: 'token' });
  client = clientOf(api);
}, 30_000);

afterAll(async () => {
  await api.stop();
  await d1.stop();
});

beforeEach(async () => {
  api.setFaults(undefined);
  api.setQuota(undefined);
  const database = await d1.database();
  await database.batch([
    database.prepare('DROP TABLE IF EXISTS places'),
    database.prepare('CREATE TABLE places (id INTEGER PRIMARY KEY, name TEXT)'),
  ]);
  api.resetStatistics();
});

describe('faults', () => {
  test.each(Object.entries(REFUSALS))(
    '%s comes as the error table says, and nothing is written',
    async (_, fault) => {
      api.setFaults(() => fault);
      const reply = await client.raw(insert);
      expect(reply.status).toBe(fault.status);
      expect(reply.errors).toEqual([{ code: fault.code, message: fault.message }]);
      expect(await count()).toBe(0);
    },
  );

  test.each([502, 503, 504] as const)('a %i can come as an HTML page', async (status) => {
    api.setFaults(() => ({ kind: 'html', status }));
    const reply = await client.request(`/accounts/account/d1/database/${d1.databaseId}/raw`, {
      method: 'POST',
    });
    expect(reply.status).toBe(status);
    expect(reply.headers.get('content-type')).toContain('text/html');
    expect(await reply.text()).toContain('<html>');
  });

  test('an error can hide that the write went through', async () => {
    api.setFaults(() => ({ ...FAULTS.serviceUnavailable, commit: true }));
    await expect(client.raw(insert)).rejects.toThrow(SyntaxError);
    expect(await count()).toBe(1);
    expect(api.statistics()).toMatchObject({ statuses: { 503: 1 }, faults: 1, rowsChanged: { places: 1 } });
  });

  test('a truncated answer is half of the JSON, after the write', async () => {
    api.setFaults(() => FAULTS.truncated);
    await expect(client.raw(insert)).rejects.toThrow(SyntaxError);
    expect(await count()).toBe(1);
  });

  test('a connection can break before the write and after it', async () => {
    api.setFaults(() => FAULTS.resetBefore);
    await expect(client.raw(insert)).rejects.toThrow('fetch failed');
    expect(await count()).toBe(0);
    api.setFaults(() => FAULTS.resetAfterCommit);
    await expect(client.raw(insert)).rejects.toThrow('fetch failed');
    expect(await count()).toBe(1);
  });

  test('a stalled request gets no answer, until the client gives up', async () => {
    api.setFaults(() => FAULTS.stall);
    const path = `/accounts/account/d1/database/${d1.databaseId}/raw`;
    const signal = AbortSignal.timeout(200);
    await expect(client.request(path, { method: 'POST', body: '{}', signal })).rejects.toThrow('timeout');
  });

  test('a delayed request writes even when its client has given up', async () => {
    api.setFaults(() => ({ kind: 'delay', milliseconds: 1_000 }));
    const path = `/accounts/account/d1/database/${d1.databaseId}/raw`;
    const body = JSON.stringify(insert);
    await expect(
      client.request(path, { method: 'POST', body, signal: AbortSignal.timeout(50) }),
    ).rejects.toThrow('timeout');
    expect(await count()).toBe(0);
    await expect.poll(count, { timeout: 10_000 }).toBe(1);
  });

  test('the hook learns what it needs to choose its victim', async () => {
    const seen: FaultInfo[] = [];
    api.setFaults((info): Fault | undefined => {
      seen.push(info);
      return info.attempt === 1 && info.sql.some((sql) => sql.startsWith('INSERT'))
        ? FAULTS.upstream
        : undefined;
    });
    expect((await client.raw(insert)).status).toBe(502);
    expect((await client.raw(insert)).status).toBe(200);
    expect((await client.raw({ batch: [insert, { sql: 'SELECT 1' }] })).status).toBe(502);
    expect(seen.map(({ n, method, attempt }) => ({ n, method, attempt }))).toEqual([
      { n: 1, method: 'POST', attempt: 1 },
      { n: 2, method: 'POST', attempt: 2 },
      { n: 3, method: 'POST', attempt: 1 },
    ]);
    expect(seen[2]).toMatchObject({
      path: `/d1/database/${d1.databaseId}/raw`,
      sql: [insert.sql, 'SELECT 1'],
    });
    expect(seen[0]?.bytes).toBe(JSON.stringify(insert).length);
  });

  test('a request that takes too long is given up, though D1 goes on', async () => {
    await using impatient = await startCloudflareApi({
      workerUrl: d1.workerUrl,
      accountId: 'account',
      apiToken: 'token',
      timeoutMs: 200,
    });
    const long = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000)';
    const reply = await clientOf(impatient).raw({
      sql: `INSERT INTO places (name) ${long} SELECT max(i) FROM n`,
    });
    expect(reply.status).toBe(500);
    expect(reply.errors[0]).toMatchObject({
      code: 7500,
      message: expect.stringContaining('exceeded timeout'),
    });
    await expect.poll(() => impatient.statistics().rowsChanged, { timeout: 20_000 }).toEqual({ places: 1 });
  }, 30_000);
});

describe('the quota', () => {
  test('refuses what goes beyond it, says when to come back, and writes nothing', async () => {
    api.setQuota({ requests: 2, windowMs: 300_000 });
    const first = await client.raw(insert);
    expect(first.headers.get('ratelimit')).toMatch(/^"default";r=1;t=(300|299)$/);
    expect(first.headers.get('ratelimit-policy')).toBe('"default";q=2;w=300');
    await client.raw(insert);
    const third = await client.raw(insert);
    expect([third.status, third.errors[0]?.code]).toEqual([429, 971]);
    expect(third.headers.get('ratelimit')).toContain('r=0');
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(290);
    expect(await count()).toBe(2);
  });

  test('lets requests through again in the next window', async () => {
    api.setQuota({ requests: 1, windowMs: 500 });
    expect((await client.raw(insert)).status).toBe(200);
    expect((await client.raw(insert)).status).toBe(429);
    await expect.poll(async () => (await client.raw(insert)).status, { interval: 100 }).toBe(200);
  });
});

test('statistics count requests, bytes, statuses and the rows that D1 says it changed, by table', async () => {
  const bodies = [
    insert,
    { sql: 'INSERT OR REPLACE INTO "places" VALUES (1, \'b\')' },
    { sql: 'SELECT nope' },
  ];
  for (const body of bodies) await client.raw(body);
  await client.raw({ sql: "UPDATE places SET name = 'c'" });
  expect(api.statistics()).toEqual({
    requests: 4,
    bytesIn: [...bodies, { sql: "UPDATE places SET name = 'c'" }].map((body) => JSON.stringify(body)).join('')
      .length,
    statuses: { 200: 3, 400: 1 },
    faults: 0,
    mostAtOnce: 1,
    rowsChanged: { places: 2 },
  });
});

test('requests share one line: a small one that comes behind a large one is answered behind it', async () => {
  await using slow = await startCloudflareApi({
    workerUrl: d1.workerUrl,
    accountId: 'account',
    apiToken: 'token',
    bandwidthBitsPerSecond: 8_000_000,
    // Answered without D1, so that nothing but the line decides the order.
    faults: () => FAULTS.internalError,
  });
  const { raw } = clientOf(slow);
  const answered: string[] = [];
  const send = async (name: string, bytes: number): Promise<void> => {
    await raw({ sql: 'SELECT ?', params: ['x'.repeat(bytes)] });
    answered.push(name);
  };
  const large = send('large', 600_000);
  await expect.poll(() => slow.statistics().bytesIn, { interval: 2 }).toBeGreaterThan(600_000);
  await Promise.all([large, send('small', 60_000)]);
  expect(answered).toEqual(['large', 'small']);
});
