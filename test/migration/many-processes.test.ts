import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProcessOptions } from '../soak/kinds.ts';
import { Random } from '../support/random.ts';
import { rowsSent } from '../support/rows-text.ts';
import { World } from '../support/world.ts';

const script = fileURLToPath(new URL('../soak/process.ts', import.meta.url));
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  world.stack.api.setFaults(undefined);
  await world[Symbol.asyncDispose]();
});

function start(options: ProcessOptions): { readonly child: ChildProcess; readonly ended: Promise<unknown> } {
  const child = spawn(process.execPath, [script], {
    env: { PATH: process.env['PATH'], ...world.stack.env, SOAK_PROCESS: JSON.stringify(options) },
    stdio: 'ignore',
  });
  return { child, ended: once(child, 'close') };
}

/** A table without a key in D1: a row that is written twice is there twice. */
async function appendTable(table: string, rows: number): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (id bigint PRIMARY KEY, v text)`,
    `INSERT INTO ${table} SELECT i, 'v' || i FROM generate_series(1, ${rows}) AS i`,
  );
  await world.d1(`CREATE TABLE ${table} (id INTEGER, v TEXT)`);
}

/** Resolves once so many rows of the table are in D1. */
async function until(table: string, rows: number): Promise<void> {
  while ((world.stack.api.statistics().rowsChanged[table] ?? 0) < rows) await sleep(5);
}

test('three processes share a migration through its checkpoints alone; one is killed, one is added, each row is in once', async () => {
  await appendTable('shared', 20_000);
  const options = { table: 'shared', kind: 'append', concurrency: 2, batchSize: 100, pageSize: 500 } as const;
  const [victim, ...others] = [start(options), start(options), start(options)];
  await until('shared', 4_000);
  victim?.child.kill('SIGKILL');
  const added = start({ ...options, concurrency: 1, batchSize: 37 });
  await Promise.all([...others, added].map(({ ended }) => ended));
  expect([...others, added].map(({ child }) => child.exitCode)).toEqual([0, 0, 0]);
  expect(await world.sinkRows('shared', 'id')).toEqual(await world.sourceRows('shared', 'id'));
  expect(world.stack.api.statistics().rowsChanged['shared']).toBe(20_000);
  // The last owner of each checkpoint: the work was shared.
  const owners = await world.d1(
    `SELECT owner, count(*) AS checkpoints FROM migration_checkpoints WHERE table_name = 'shared' GROUP BY owner`,
  );
  expect(owners.length).toBeGreaterThanOrEqual(2);
});

test('after a kill at any moment only the batches in flight are sent again, and none is written twice', async () => {
  console.log(`many-processes.test.ts: TEST_SEED=${seed}`);
  const random = new Random(seed);
  const rows = 30_000;
  await appendTable('killed', rows);
  let sent = 0;
  world.stack.api.setFaults(({ queries }) => {
    for (const { sql, params } of queries) {
      if (sql.startsWith('INSERT INTO "killed"')) sent += rowsSent(sql, params);
    }
    return undefined;
  });
  let kills = 0;
  let most = 0;
  for (;;) {
    const options = {
      table: 'killed',
      kind: 'append',
      concurrency: random.whole(1, 4),
      batchSize: random.whole(20, 200),
      pageSize: 1_000,
    } as const;
    const { child, ended } = start(options);
    const written = world.stack.api.statistics().rowsChanged['killed'] ?? 0;
    const reached = until('killed', Math.min(rows, written + random.whole(100, 4_000)));
    await Promise.race([reached, ended]);
    if (kills < 12 && child.exitCode === null) {
      await sleep(random.whole(0, 15));
      child.kill('SIGKILL');
    }
    await ended;
    if (child.exitCode === 0) break;
    kills += 1;
    most += options.concurrency * options.batchSize;
  }
  const again = sent - rows;
  console.log(`${kills} kills: ${again} rows were sent again, of ${most} that may have been in flight`);
  expect(kills).toBeGreaterThan(5);
  expect(again).toBeGreaterThanOrEqual(0);
  expect(again).toBeLessThanOrEqual(most);
  expect(world.stack.api.statistics().rowsChanged['killed']).toBe(rows);
  expect(await world.sinkRows('killed', 'id')).toEqual(await world.sourceRows('killed', 'id'));
});
