import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { startPostgres } from '../../examples/local/postgres.ts';

async function query(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows.flatMap((row) => Object.values(row));
  } finally {
    await client.end();
  }
}

test('PostgreSQL 18 starts with the given settings, keeps its data over restarts, and leaves nothing', async () => {
  const lines: string[] = [];
  const postgres = await startPostgres({ settings: { work_mem: '5MB' }, log: (line) => lines.push(line) });
  const { connectionString, directory, port } = postgres;
  expect(await query(connectionString, 'SHOW server_version')).toEqual([expect.stringMatching(/^18\./)]);
  expect(await query(connectionString, 'SHOW work_mem')).toEqual(['5MB']);
  expect(await query(connectionString, 'SHOW fsync')).toEqual(['off']);
  await query(connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer');

  const before = postgres.pid;
  await postgres.restart();
  expect(postgres.pid).not.toBe(before);
  await postgres.restart('immediate');
  expect(postgres.port).toBe(port);
  expect(await query(connectionString, 'SELECT answer FROM kept')).toEqual([42]);

  process.kill(postgres.pid ?? 0, 'SIGKILL');
  await expect.poll(() => postgres.pid).toBe(undefined);
  await postgres.restart();
  expect(await query(connectionString, 'SELECT answer FROM kept')).toEqual([42]);

  await postgres.stop();
  await postgres.stop();
  expect(existsSync(directory)).toBe(false);
  await expect(query(connectionString, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  await expect(postgres.restart()).rejects.toThrow('stopped');
  expect(lines.join('\n')).toContain('ready to accept connections');
  expect(lines.join('\n')).not.toContain(postgres.password);
}, 60_000);

test('a wrong password is refused', async () => {
  await using postgres = await startPostgres();
  const wrong = postgres.connectionString.replace(postgres.password, 'guess');
  await expect(query(wrong, 'SELECT 1')).rejects.toThrow('password authentication failed');
}, 60_000);

test('a setting that does not exist fails with the words of the server', async () => {
  await expect(startPostgres({ settings: { no_such_setting: 'on' } })).rejects.toThrow('no_such_setting');
}, 60_000);

// Each script starts the stack, shows its directory and ports, and ends in its own way.
test.each([
  ['an uncaught error', "throw new Error('boom')"],
  ['SIGKILL', "process.kill(process.pid, 'SIGKILL')"],
  ['Ctrl-C', "process.kill(process.pid, 'SIGINT')"],
  ['the end of the script', ''],
])(
  'PostgreSQL is stopped and its directory removed after %s',
  async (_, end) => {
    const module = new URL('../../examples/local/postgres.ts', import.meta.url).href;
    const script = `
    import { startPostgres } from ${JSON.stringify(module)};
    const postgres = await startPostgres();
    console.log(JSON.stringify([postgres.directory, postgres.connectionString]));
    ${end}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    await once(child, 'close');
    const [directory, connectionString] = JSON.parse(output) as [string, string];
    await expect.poll(() => existsSync(directory), { timeout: 20_000 }).toBe(false);
    await expect(query(connectionString, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
  },
  60_000,
);
