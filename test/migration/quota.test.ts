import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { MigrationGroup } from 'resumable-migrator';
import { FAULTS } from '../../examples/local/faults.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
afterEach(() => {
  world.stack.api.setQuota(undefined);
  world.stack.api.setFaults(undefined);
});

async function table(name: string, rows: number): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${name} (id int PRIMARY KEY, v text)`,
    `INSERT INTO ${name} SELECT i, 'v' || i FROM generate_series(1, ${rows}) AS i`,
  );
}

test('a run of many requests stays below the quota that the answers tell of, and is never refused', async () => {
  await table('many', 2_000);
  world.stack.api.resetStatistics();
  world.stack.api.setQuota({ requests: 60, windowMs: 3_000 });
  const migrator = world.migrator('many', { checkpointSize: 500, batchSize: 25 });
  expect((await migrator.run()).status).toBe('completed');
  const { requests, statuses } = world.stack.api.statistics();
  expect(requests).toBeGreaterThan(80);
  expect(statuses[429]).toBeUndefined();
  expect(await world.sinkRows('many', 'id')).toEqual(await world.sourceRows('many', 'id'));
});

test('tables that are copied at the same time share the quota of their user', async () => {
  await table('one', 1_000);
  await table('two', 1_000);
  world.stack.api.resetStatistics();
  world.stack.api.setQuota({ requests: 40, windowMs: 3_000 });
  await Promise.all(
    ['one', 'two'].map((name) => world.migrator(name, { checkpointSize: 500, batchSize: 25 }).run()),
  );
  expect(world.stack.api.statistics().statuses[429]).toBeUndefined();
  expect(await world.sinkRows('two', 'id')).toEqual(await world.sourceRows('two', 'id'));
});

test('where another process uses the quota up, the run waits as it is told, and goes on', async () => {
  await table('refused', 500);
  // The window is nearly used up before the run begins, and it cannot know.
  world.stack.api.resetStatistics();
  world.stack.api.setQuota({ requests: 30, windowMs: 1_500 });
  const { env } = world.stack;
  const other = (): Promise<Response> =>
    fetch(
      `${env.CLOUDFLARE_API_BASE_URL}/accounts/${env.CLOUDFLARE_ACCOUNT_ID}/d1/database/${env.D1_DATABASE_ID}/raw`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${env.CLOUDFLARE_API_TOKEN}` },
        body: JSON.stringify({ sql: 'SELECT 1', params: [] }),
      },
    );
  await Promise.all(Array.from({ length: 40 }, other));
  const waits: number[] = [];
  const migrator = world.migrator('refused', { checkpointSize: 100, batchSize: 25 });
  migrator.on('retry', ({ code, delayMs }) => {
    if (code === 'SINK_RATE_LIMITED') waits.push(delayMs);
  });
  expect((await migrator.run()).status).toBe('completed');
  expect(waits.length).toBeGreaterThan(0);
  expect(Math.max(...waits)).toBeGreaterThan(500);
  expect(await world.sinkRows('refused', 'id')).toEqual(await world.sourceRows('refused', 'id'));
});

test('the daily limit pauses the run until midnight UTC, fails nothing, and the next run goes on', async () => {
  await table('daily', 400);
  let batches = 0;
  world.stack.api.setFaults(({ sql }) => {
    if (!sql.some((text) => text.startsWith('INSERT INTO "daily"'))) return undefined;
    batches += 1;
    return batches > 3 ? FAULTS.dailyRowsUsedUp : undefined;
  });
  const options = { checkpointSize: 100, batchSize: 25, concurrency: 2, leaseMs: 500 };
  const result = await world.migrator('daily', options).run();
  const midnight = new Date();
  midnight.setUTCHours(24, 0, 0, 0);
  expect(result).toMatchObject({ status: 'paused', reason: 'quota', failures: [] });
  expect(Math.abs(Number(result.resumeAt) - Number(midnight))).toBeLessThan(2_000);
  expect(result.progress.checkpoints.failed).toBe(0);
  world.stack.api.setFaults(undefined);
  expect(await world.migrator('daily', options).run()).toMatchObject({ status: 'completed', resumeAt: null });
  expect(await world.sinkRows('daily', 'id')).toEqual(await world.sourceRows('daily', 'id'));
  expect(world.stack.api.statistics().rowsChanged['daily']).toBe(400);
});

test('a limit that is met before anything was planned pauses the run as well, and the tables after it', async () => {
  await table('early', 10);
  await table('later', 10);
  world.stack.api.setFaults(() => FAULTS.dailyRowsUsedUp);
  const group = new MigrationGroup();
  for (const name of ['early', 'later']) group.add({ source: world.source(name), sink: world.rest(name) });
  const result = await group.run();
  expect(result).toMatchObject({
    status: 'paused',
    reason: 'quota',
    tables: [
      { migration: 'early', status: 'paused' },
      { migration: 'later', status: 'skipped', reason: 'quota' },
    ],
  });
  expect(result.resumeAt).toBeInstanceOf(Date);
});

test('a database that is full is no pause: the run stops, and says so', async () => {
  await table('filled', 10);
  world.stack.api.setFaults(({ sql }) =>
    sql.some((text) => text.startsWith('INSERT INTO "filled"'))
      ? { kind: 'status', status: 400, code: 7500, message: 'Exceeded maximum DB size' }
      : undefined,
  );
  await expect(world.migrator('filled').run()).rejects.toMatchObject({ code: 'SINK_QUOTA_EXHAUSTED' });
});

test('a run whose budget is shorter than the wait that the API asks for pauses, and says until when', async () => {
  await table('short', 400);
  let refused = 0;
  world.stack.api.setFaults(({ sql }) => {
    if (!sql.some((text) => text.startsWith('INSERT INTO "short"'))) return undefined;
    refused += 1;
    if (refused < 3) return undefined;
    return { ...FAULTS.quota, headers: { 'retry-after': '300' } } as typeof FAULTS.quota;
  });
  const options = { checkpointSize: 100, batchSize: 25, leaseMs: 500 };
  const started = Date.now();
  const result = await world.migrator('short', options).run({ budget: { milliseconds: 20_000 } });
  expect(result).toMatchObject({ status: 'paused', reason: 'quota' });
  const waitMs = Number(result.resumeAt) - started;
  expect(waitMs).toBeGreaterThan(295_000);
  expect(waitMs).toBeLessThan(320_000);
});
