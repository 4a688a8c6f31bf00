import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FAULTS } from '../../examples/local/faults.ts';
import { World } from '../support/world.ts';

const child = fileURLToPath(new URL('event-loop-child.ts', import.meta.url));

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
afterEach(() => {
  world.stack.api.setFaults(undefined);
});

async function newTable(table: string): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (id int PRIMARY KEY, v text)`,
    `INSERT INTO ${table} SELECT i, 'row ' || i FROM generate_series(1, 400) AS i`,
  );
}

/** What became of the run, and what was left of it once source and sink were closed. */
async function copy(task: object, env: Record<string, string> = {}): Promise<string[]> {
  const process_ = spawn(process.execPath, [child], {
    env: { PATH: process.env['PATH'], ...world.stack.env, ...env, TASK: JSON.stringify(task) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  process_.stdout.on('data', (data: Buffer) => (said += data.toString()));
  // A process that something keeps alive ends with the time of this test.
  await once(process_, 'close');
  expect(process_.exitCode).toBe(0);
  return said.trim().split('\n');
}

const small = { checkpointSize: 100, batchSize: 25, pageSize: 25, concurrency: 3 };
const isWrite = (table: string, body: string): boolean => body.includes(`INSERT INTO \\"${table}\\"`);

test('nothing keeps the process alive after a run that completed', async () => {
  await newTable('whole');
  expect(await copy({ table: 'whole', options: small })).toEqual(['completed null', '[]']);
  expect(await world.sinkRows('whole', 'id')).toEqual(await world.sourceRows('whole', 'id'));
});

test('nor after one that its signal or its budget ended, with batches in flight and pages read ahead', async () => {
  await newTable('ended');
  world.stack.api.setRoundTrip(20);
  expect(await copy({ table: 'ended', options: small, signalAfterBatches: 2 })).toEqual([
    'paused signal',
    '[]',
  ]);
  expect(await copy({ table: 'ended', options: small, run: { budget: { batches: 2 } } })).toEqual([
    'paused budget',
    '[]',
  ]);
  world.stack.api.setRoundTrip(0);
  expect(
    await world.d1(
      `SELECT count(*) AS held FROM migration_checkpoints WHERE table_name = 'ended' AND status = 'in_progress'`,
    ),
  ).toEqual([{ held: 0 }]);
});

test('nor after one whose answers never come: the write is waited for within the grace time', async () => {
  await newTable('stalled');
  let writes = 0;
  world.stack.api.setFaults(({ body }) => {
    if (!isWrite('stalled', body)) return undefined;
    writes += 1;
    return writes > 4 ? FAULTS.stall : undefined;
  });
  const options = { ...small, graceMs: 500, leaseMs: 400 };
  expect(await copy({ table: 'stalled', options, signalAfterBatches: 4 })).toEqual(['paused signal', '[]']);
});

test('nor after one that failed at once, with renewals and reads under way', async () => {
  await newTable('fatal');
  let writes = 0;
  world.stack.api.setFaults(({ body }) => {
    // Renewals of leases are never answered.
    if (/SET lease_until/.test(body) && !body.includes('INSERT')) return FAULTS.stall;
    if (!isWrite('fatal', body)) return undefined;
    writes += 1;
    return writes > 3 ? FAULTS.unauthenticated : { kind: 'delay', milliseconds: 300 };
  });
  const options = { ...small, leaseMs: 200 };
  expect(await copy({ table: 'fatal', options })).toEqual(['failed SINK_CREDENTIALS', '[]']);
});

test('nor after one whose checkpoints failed, or that could not even begin', async () => {
  await newTable('failing');
  world.stack.api.setFaults(({ body }) => (isWrite('failing', body) ? FAULTS.malformed : undefined));
  expect(await copy({ table: 'failing', options: small })).toEqual(['failed CHECKPOINTS_FAILED', '[]']);
  const nobody = { CLOUDFLARE_API_BASE_URL: 'http://127.0.0.1:9/client/v4' };
  const options = { retry: { retries: 1, baseMs: 1 } };
  expect(await copy({ table: 'failing', options }, nobody)).toEqual(['failed SINK_UNREACHABLE', '[]']);
  const nowhere = { DATABASE_URL: world.stack.env.DATABASE_URL.replace(/:\d+\//, ':1/') };
  expect(await copy({ table: 'failing', options }, nowhere)).toEqual(['failed SOURCE_UNREACHABLE', '[]']);
});

test('nor after one that a quota paused, while others wait for their turn', async () => {
  await newTable('waiting');
  let writes = 0;
  world.stack.api.setFaults(({ body }) => {
    if (!isWrite('waiting', body)) return undefined;
    writes += 1;
    return writes > 2 ? { ...FAULTS.quota, headers: { 'retry-after': '3600' } } : undefined;
  });
  const run = { budget: { milliseconds: 5_000 } };
  expect(await copy({ table: 'waiting', options: small, run })).toEqual(['paused quota', '[]']);
});

test('what is left alive would be seen', async () => {
  const { stdout, done } = leaky();
  await done;
  expect(stdout()).toContain('TCPSocketWrap');
});

/** A process that holds a connection, looked at in the same way. */
function leaky(): { stdout: () => string; done: Promise<unknown> } {
  const script = `import net from 'node:net';
    const socket = net.connect(${world.stack.postgres.port}, '127.0.0.1');
    setTimeout(() => { console.log(JSON.stringify(process.getActiveResourcesInfo())); socket.destroy(); }, 250);`;
  const started = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  started.stdout.on('data', (data: Buffer) => (said += data.toString()));
  return { stdout: () => said, done: once(started, 'close') };
}
