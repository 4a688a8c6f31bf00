import { mkdtemp, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import { startD1 } from '../../examples/local/d1.ts';
import { startPostgres } from '../../examples/local/postgres.ts';
import { startLocalStack } from '../../examples/local/stack.ts';
import { restClient } from './client.ts';

test('the stack starts as one, and its environment is all that a migration needs', async () => {
  await using stack = await startLocalStack();
  const client = new Client({ connectionString: stack.env.DATABASE_URL });
  await client.connect();
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await client.end();
  expect(await restClient(stack.env).rows('SELECT 1')).toEqual([[1]]);
  expect(Object.keys(stack.env).toSorted()).toEqual([
    'CLOUDFLARE_ACCOUNT_ID',
    'CLOUDFLARE_API_BASE_URL',
    'CLOUDFLARE_API_TOKEN',
    'D1_DATABASE_ID',
    'DATABASE_URL',
  ]);
}, 60_000);

test('a Worker can read PostgreSQL over Hyperdrive and write D1', async () => {
  await using postgres = await startPostgres();
  const client = new Client({ connectionString: postgres.connectionString });
  await client.connect();
  await client.query('CREATE TABLE source AS SELECT 42 AS answer');
  await client.end();

  const script = await bundleWorker(new URL('./copy-worker.ts', import.meta.url));
  await using d1 = await startD1({
    workers: [{ name: 'copy', script, hyperdrives: { POSTGRES: postgres.connectionString } }],
  });
  const database = await d1.database();
  await database.prepare('CREATE TABLE target (answer INTEGER)').run();
  const worker = await d1.worker('copy');
  expect(await (await worker.fetch('http://copy/')).json()).toEqual([{ answer: 42 }]);
  expect((await database.prepare('SELECT answer FROM target').all()).results).toEqual([{ answer: 42 }]);
}, 60_000);

test('a database kept in a directory is there again for the next stack', async () => {
  const persistTo = await mkdtemp(join(tmpdir(), 'kept-d1-'));
  try {
    {
      await using d1 = await startD1({ persistTo });
      await (await d1.database()).prepare('CREATE TABLE kept AS SELECT 42 AS answer').run();
    }
    await using d1 = await startD1({ persistTo });
    expect(await (await d1.database()).prepare('SELECT answer FROM kept').first()).toEqual({ answer: 42 });
  } finally {
    await rm(persistTo, { recursive: true });
  }
}, 60_000);

test('there can be several databases, each with its own tables', async () => {
  await using d1 = await startD1({ databases: { ONE: 'id-one', TWO: 'id-two' } });
  expect(d1.databaseId).toBe('id-one');
  await (await d1.database('TWO')).prepare('CREATE TABLE only_here (id INTEGER)').run();
  const tables = "SELECT count(*) AS n FROM sqlite_master WHERE name = 'only_here'";
  expect(await (await d1.database()).prepare(tables).first('n')).toBe(0);
  expect(await (await d1.database('TWO')).prepare(tables).first('n')).toBe(1);
}, 60_000);

test.each([
  ['stop() lets the script end', 'await stack.stop()'],
  ['SIGKILL leaves no workerd and no directory', "process.kill(process.pid, 'SIGKILL')"],
])(
  '%s',
  async (_, end) => {
    const module = new URL('../../examples/local/stack.ts', import.meta.url).href;
    const script = `
    import { startLocalStack } from ${JSON.stringify(module)};
    const stack = await startLocalStack();
    await fetch(stack.env.CLOUDFLARE_API_BASE_URL);
    console.log(JSON.stringify([stack.d1.workerUrl, stack.postgres.directory, stack.d1.directory]));
    ${end}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    await once(child, 'close');
    const [workerUrl, ...directories] = JSON.parse(output) as [string, string, string];
    await expect
      .poll(() => directories.map((one) => existsSync(one)), { timeout: 20_000 })
      .toEqual([false, false]);
    await expect(fetch(workerUrl)).rejects.toThrow('fetch failed');
  },
  60_000,
);
