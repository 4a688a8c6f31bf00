import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
afterEach(() => world.stack.api.setQuota(undefined));

async function table(name: string, rows: number): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${name} (id int PRIMARY KEY, v text)`,
    `INSERT INTO ${name} SELECT i, 'v' || i FROM generate_series(1, ${rows}) AS i`,
  );
}

test('a run of many requests stays below the quota that the answers tell of, and is never refused', async () => {
  await table('many', 3_000);
  world.stack.api.resetStatistics();
  world.stack.api.setQuota({ requests: 60, windowMs: 3_000 });
  const migrator = world.migrator('many', { checkpointSize: 500, batchSize: 25 });
  expect((await migrator.run()).status).toBe('completed');
  const { requests, statuses } = world.stack.api.statistics();
  expect(requests).toBeGreaterThan(120);
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
  const database = await world.stack.d1.database();
  expect(database).toBeDefined();
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
