import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { Command, type Ended, rowsWritten, untilSaid } from './command.ts';
import { createMarked, expectMarkedEqual } from './marked.ts';

const service = fileURLToPath(new URL('../../examples/node-service/main.ts', import.meta.url));

let world: World;
const commands: Command[] = [];
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  for (const { child } of commands) child.kill('SIGKILL');
  await world?.[Symbol.asyncDispose]();
});

function start(table: string, more: Record<string, string> = {}): Command {
  const settings = { CHECKPOINT_SIZE: '1000', BATCH_SIZE: '100', CONCURRENCY: '2', BATCH_DELAY_MS: '10' };
  const env = { ...world.stack.env, ...settings, TABLE_NAME: table, PORT: '0', LOG_LEVEL: 'debug' };
  const command = new Command({ ...env, ...more }, [], service);
  commands.push(command);
  return command;
}

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

function log({ stdout }: Pick<Ended, 'stdout'>): LogLine[] {
  const complete = stdout.slice(0, stdout.lastIndexOf('\n') + 1);
  return complete
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine);
}

interface Status {
  readonly state: string;
  readonly rows: number;
  readonly percent: number;
  readonly [field: string]: unknown;
}

/** The endpoint of a service that listens. */
async function endpoint(command: Command): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  await untilSaid(command, '"msg":"listening"');
  const port = log(command).find(({ msg }) => msg === 'listening')?.['port'];
  return async (path, init) => await fetch(`http://127.0.0.1:${String(port)}${path}`, init);
}

type Ask = Awaited<ReturnType<typeof endpoint>>;

async function statusOf(ask: Ask): Promise<Status> {
  return (await (await ask('/status')).json()) as Status;
}

async function untilState(ask: Ask, state: string): Promise<void> {
  await expect.poll(async () => (await statusOf(ask)).state, { timeout: 50_000 }).toBe(state);
}

/** Calls back while D1 is asked to write, once so many rows of the table are in; once only. The answer comes late. */
function atRows(table: string, rows: number, act: () => void): void {
  let acted = false;
  world.stack.api.setFaults(({ sql }) => {
    if (acted || !sql.some((text) => text.startsWith(`INSERT INTO "${table}"`))) return undefined;
    if (rowsWritten(world, table) < rows) return undefined;
    acted = true;
    act();
    return { kind: 'delay', milliseconds: 300, commit: true };
  });
}

/** Rows of the checkpoints, and rows of the table: the same wherever a batch in flight was saved. */
async function expectSaved(table: string): Promise<void> {
  const [recorded] = await world.d1(
    `SELECT sum(records_processed) AS n FROM migration_checkpoints WHERE table_name = '${table}'`,
  );
  expect(recorded).toEqual({ n: rowsWritten(world, table) });
}

async function expectEndsWell(command: Command): Promise<Ended> {
  const ended = await command.ended();
  expect(ended, ended.stdout.slice(-2_000)).toMatchObject({ exitCode: 0, stderr: '' });
  return ended;
}

test('a service is killed, started again, paused, run, told to end, and started again: each row is in once', async () => {
  const table = 'served';
  const rows = 12_000;
  await createMarked(world, table, rows);

  const killed = start(table);
  atRows(table, 3_000, () => killed.child.kill('SIGKILL'));
  expect(await killed.ended()).toMatchObject({ exitCode: null, stderr: '' });

  const told = start(table);
  const ask = await endpoint(told);
  expect(await (await ask('/healthz')).json()).toEqual({ status: 'ok' });
  let pausing: Promise<Response> | undefined;
  atRows(table, 4_000, () => {
    pausing = ask('/pause', { method: 'POST' });
  });
  await expect.poll(() => pausing, { timeout: 30_000 }).toBeDefined();
  const paused = (await pausing) ?? Response.error();
  expect([paused.status, ((await paused.json()) as Status).state]).toEqual([202, 'pausing']);
  await untilState(ask, 'paused');
  await expectSaved(table);
  const before = rowsWritten(world, table);
  expect(before).toBeLessThan(rows);
  expect(await statusOf(ask)).toMatchObject({
    migration: table,
    rows: before,
    reason: 'signal',
    rowsPerSecond: 0,
  });

  const run = await ask('/run', { method: 'POST' });
  expect([run.status, ((await run.json()) as Status).state]).toEqual([202, 'running']);
  atRows(table, before + 1_000, () => told.child.kill('SIGTERM'));
  const ended = await expectEndsWell(told);
  await expectSaved(table);
  expect(rowsWritten(world, table)).toBeLessThan(rows);
  world.stack.api.setFaults(undefined);

  const last = start(table);
  const askLast = await endpoint(last);
  await untilState(askLast, 'completed');
  expect(await statusOf(askLast)).toMatchObject({ rows, percent: 100, error: null, failures: [] });
  last.child.kill('SIGTERM');
  const { stdout } = await expectEndsWell(last);
  await expectMarkedEqual(world, table);
  expect(rowsWritten(world, table)).toBe(rows);

  // The log: every line is JSON, with the event as its message and a level by what happened.
  const lines = [killed, ended, { stdout }].flatMap(log);
  const levels = new Map(lines.map(({ msg, level }) => [msg, level]));
  expect(Object.fromEntries(levels)).toMatchObject({
    listening: 30,
    'run:start': 30,
    'plan:ready': 30,
    'checkpoint:claimed': 20,
    'batch:committed': 20,
    'checkpoint:completed': 30,
    'run:end': 30,
    'ending: the batch in flight is finished and saved': 30,
  });
  for (const line of lines.filter(({ msg }) => msg === 'batch:committed'))
    expect(line).toMatchObject({ table, rows: 100, written: 100, rejected: 0, end: expect.any(String) });
  const runs = log(ended).filter(({ msg }) => msg === 'run:end');
  expect(runs.map(({ status, reason }) => [status, reason])).toEqual([
    ['paused', 'signal'],
    ['paused', 'signal'],
  ]);
  // It went on by itself, with the plan that was there.
  expect(log(ended).find(({ msg }) => msg === 'plan:ready')).toMatchObject({ added: 0, checkpoints: 12 });
  expect(killed.stdout + ended.stdout + stdout).not.toContain('marked-');
}, 120_000);

test('the endpoint speaks JSON and text, and refuses what it does not know, and web pages', async () => {
  const table = 'asked';
  await createMarked(world, table, 1_234);
  const command = start(table);
  const ask = await endpoint(command);
  await untilState(ask, 'completed');
  const text = await ask('/status', { headers: { accept: 'text/plain' } });
  expect(text.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(await text.text()).toBe(
    'asked: completed\nrows: 1,234 of about 1,234 (100.0 %)\ncheckpoints: 2 of 2\n',
  );
  expect((await ask('/status')).headers.get('content-type')).toBe('application/json');
  expect((await ask('/')).status).toBe(404);
  expect((await ask('/constructor')).status).toBe(404);
  const wrong = await ask('/run');
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  const page = await ask('/run', { method: 'POST', headers: { origin: 'https://example.com' } });
  expect(page.status).toBe(403);
  expect(log(command).filter(({ msg }) => msg === 'run:start')).toHaveLength(1);
  // Running what is complete finds nothing to do.
  expect((await ask('/run', { method: 'POST' })).status).toBe(202);
  await untilState(ask, 'completed');
  command.child.kill('SIGTERM');
  await expectEndsWell(command);
  expect(rowsWritten(world, table)).toBe(1_234);
});

test('a run that fails leaves the service up; its code is told, and neither key nor value', async () => {
  const table = 'refused';
  await createMarked(world, table, 500);
  await world.postgres(`UPDATE ${table} SET amount = 'NaN' WHERE id = 'marked-key-000250'`);
  const command = start(table);
  const ask = await endpoint(command);
  await untilState(ask, 'failed');
  const status = await statusOf(ask);
  expect(status).toMatchObject({ error: { code: 'CHECKPOINTS_FAILED' }, rows: 200 });
  expect(status['failures']).toEqual([{ checkpoint: 1, code: 'VALUE_REFUSED' }]);
  expect((await ask('/healthz')).status).toBe(200);
  const text = await (await ask('/status', { headers: { accept: 'text/plain' } })).text();
  expect(text).toContain('failed: checkpoint 1, VALUE_REFUSED');
  // The source does have the marks, and the checkpoint table says which row it was.
  const [stored] = await world.d1(
    `SELECT error_message FROM migration_checkpoints WHERE table_name = '${table}'`,
  );
  expect(String(stored?.['error_message'])).toContain('marked-key-000250');
  expect(JSON.stringify(status) + text + command.stdout).not.toContain('marked-');
  const errors = log(command).filter(({ level }) => level === 50);
  expect(errors.map(({ msg }) => msg)).toEqual(['checkpoint:failed', 'run:end', 'run failed']);

  await world.postgres(`UPDATE ${table} SET amount = 1 WHERE id = 'marked-key-000250'`);
  await ask('/run', { method: 'POST' });
  await untilState(ask, 'completed');
  expect(await statusOf(ask)).toMatchObject({ error: null, failures: [] });
  command.child.kill('SIGTERM');
  await expectEndsWell(command);
  await expectMarkedEqual(world, table);
  expect(rowsWritten(world, table)).toBe(500);
});

test('a second signal ends the service at once; the first made it unhealthy', async () => {
  const table = 'stalled';
  await createMarked(world, table, 500);
  let stalled = false;
  world.stack.api.setFaults(({ sql }) => {
    if (!sql.some((text) => text.startsWith(`INSERT INTO "${table}"`))) return undefined;
    stalled = true;
    return { kind: 'stall' };
  });
  const command = start(table);
  const ask = await endpoint(command);
  await expect.poll(() => stalled, { interval: 5, timeout: 30_000 }).toBe(true);
  command.child.kill('SIGTERM');
  await untilSaid(command, 'ending: the batch');
  expect((await ask('/healthz')).status).toBe(503);
  expect((await ask('/run', { method: 'POST' })).status).toBe(503);
  await sleep(1_200); // less could be the same keypress
  command.child.kill('SIGTERM');
  const ended = await command.ended();
  expect(ended).toMatchObject({ exitCode: 143, stderr: '' });
  expect(log(ended).at(-1)).toMatchObject({ level: 40, msg: 'ended at once' });
  world.stack.api.setFaults(undefined);
});

test('a service whose configuration is not right says so, and ends with 2', async () => {
  const ended = await start('any', { DATABASE_URL: '', CHECKPOINT_SIZE: 'many' }).ended();
  expect(ended).toMatchObject({ exitCode: 2, stderr: '' });
  const [line, ...others] = log(ended);
  expect(others).toEqual([]);
  expect(line).toMatchObject({ level: 60, msg: 'the configuration is not right' });
  expect(line?.['problem']).toMatch(/Missing: DATABASE_URL.*CHECKPOINT_SIZE=many/s);
});
