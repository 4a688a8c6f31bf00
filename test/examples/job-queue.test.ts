import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { Command, rowsWritten, untilSaid } from './command.ts';

const worker = fileURLToPath(new URL('../../examples/job-queue/worker.ts', import.meta.url));
const enqueue = fileURLToPath(new URL('../../examples/job-queue/enqueue.ts', import.meta.url));
const rows = 100_000;
const table = 'queued';

let world: World;
const commands: Command[] = [];
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  for (const { child } of commands) child.kill('SIGKILL');
  await world?.[Symbol.asyncDispose]();
});

function start(file: string, ...args: string[]): Command {
  const settings = {
    CHECKPOINT_SIZE: '5000',
    BATCH_SIZE: '250',
    CONCURRENCY: '2',
    BATCH_DELAY_MS: '20',
    SLICE_MS: '1000',
  };
  const command = new Command({ ...world.stack.env, ...settings }, args, file);
  commands.push(command);
  return command;
}

/** The jobs that a worker began. */
function begun({ stdout }: Command): string[] {
  return [...stdout.matchAll(/^queued: job (\S+) begins$/gm)].map((match) => match[1] ?? '');
}

/** The slices that it ended, as it printed them. */
function slices({ stdout }: Command): string[] {
  return [...stdout.matchAll(/^queued: ((?:paused|completed).*)$/gm)].map((match) => match[1] ?? '');
}

/** Whether it has a slice in hand. */
function isBusy(one: Command): boolean {
  return begun(one).length > slices(one).length;
}

test('jobs copy a table slice by slice; a killed worker is replaced, one that is told to end hands over, and each row is in once', async () => {
  await world.postgres(
    `CREATE TABLE ${table} (id bigint PRIMARY KEY, v text)`,
    `INSERT INTO ${table} SELECT i, 'v' || i FROM generate_series(1, ${rows}) AS i`,
    `ANALYZE ${table}`,
  );
  // Without a key: a row that is written twice is there twice.
  await world.d1(`CREATE TABLE ${table} (id INTEGER, v TEXT)`);

  const asked = await start(enqueue, table).ended();
  expect(asked).toEqual({ exitCode: 0, stdout: 'queued: will be copied\n', stderr: '' });
  const again = await start(enqueue, table).ended();
  expect(again).toEqual({ exitCode: 0, stdout: 'queued: is asked for already\n', stderr: '' });

  const workers = [start(worker), start(worker)];
  let killed: Command | undefined;
  world.stack.api.setFaults(({ sql }) => {
    if (killed || !sql.some((text) => text.startsWith(`INSERT INTO "${table}"`))) return undefined;
    if (rowsWritten(world, table) < 30_000) return undefined;
    const [busy, ...others] = workers.filter(isBusy);
    if (busy && others.length === 0 && busy.child.kill('SIGKILL')) killed = busy;
    return undefined;
  });
  await expect.poll(() => killed, { timeout: 60_000 }).toBeDefined();
  const victim = killed ?? start(worker);
  expect(await victim.ended()).toMatchObject({ exitCode: null, stderr: '' });
  world.stack.api.setFaults(undefined);
  const interrupted = begun(victim).at(-1) ?? '';
  const survivor = workers.find((one) => one !== victim) ?? victim;

  // Its job goes to the other worker, and from there on the chain goes on.
  await untilSaid(survivor, `queued: job ${interrupted} begins`);
  await expect.poll(() => rowsWritten(world, table), { timeout: 60_000 }).toBeGreaterThan(50_000);
  const successor = start(worker);
  await untilSaid(successor, 'ready');
  await expect.poll(() => [survivor, successor].some(isBusy), { interval: 5, timeout: 30_000 }).toBe(true);
  const [told, last] = isBusy(survivor) ? [survivor, successor] : [successor, survivor];
  told.child.kill('SIGTERM');
  expect(await told.ended()).toMatchObject({ exitCode: 0, stderr: '' });
  expect(slices(told).at(-1)).toMatch(/^paused/);
  await untilSaid(last, 'queued: completed');
  last.child.kill('SIGTERM');
  expect(await last.ended()).toMatchObject({ exitCode: 0, stderr: '' });

  expect(slices(last).at(-1)).toMatch(
    /^completed, [\d,]+ rows in this slice, 100,000 in all, 20 of 20 checkpoints$/,
  );
  expect(await world.sinkRows(table, 'id')).toEqual(await world.sourceRows(table, 'id'));
  expect(rowsWritten(world, table)).toBe(rows);

  // Every job of the chain ended well; the one of the killed worker at its second try.
  const { rows: jobs } = await world.pool.query<{ id: string; state: string; retry_count: number }>(
    `SELECT id, state::text, retry_count FROM pgboss.job WHERE name = 'copy-slice'`,
  );
  expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(['completed']));
  expect(jobs.filter(({ retry_count }) => retry_count > 0)).toEqual([
    { id: interrupted, state: 'completed', retry_count: 1 },
  ]);
  expect(jobs.length).toBeGreaterThan(3);
  expect(jobs).toHaveLength([victim, survivor, successor].flatMap(begun).length - 1);
}, 180_000);
