import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import { startD1, type LocalD1 } from '../../examples/local/d1.ts';
import { fillDrive } from '../../examples/local/sample-data.ts';
import { World } from '../support/world.ts';

const rows = 300_000;
let world: World;
let d1: LocalD1;

beforeAll(async () => {
  world = await World.start();
  await fillDrive(world.stack.env.DATABASE_URL, rows);
  // The Worker imports the built package by its name, as a user's Worker does.
  const script = await bundleWorker(new URL('../../examples/worker/worker.ts', import.meta.url));
  const hyperdrives = { HYPERDRIVE: world.stack.env.DATABASE_URL };
  d1 = await startD1({ workers: [{ name: 'copy', script, hyperdrives }] });
});
afterAll(async () => {
  await d1.stop();
  await world[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: string;
  readonly rows: number;
  readonly progress: { readonly rows: number };
}

/** Copies for so long, and answers with what was done. */
async function slice(milliseconds: number): Promise<Answer> {
  const worker = await d1.worker('copy');
  return (await (await worker.fetch(`http://copy/?milliseconds=${milliseconds}`)).json()) as Answer;
}

async function copied(): Promise<number> {
  const database = await d1.database();
  const { results } = await database.prepare('SELECT count(*) AS n FROM coordinate_speed_new').all();
  return Number(results[0]?.['n']);
}

test('a migration inside a Worker, over Hyperdrive and the binding, in slices, through a kill, gives the same table as over REST', async () => {
  const answers = [await slice(200)];
  expect(answers[0]?.status, 'a slice ends by its budget').toBe('paused');

  const before = await copied();
  const killed = slice(60_000).catch(() => 'killed');
  while ((await copied()) === before);
  await d1.restart();
  expect(await killed).toBe('killed');
  expect(await copied()).toBeGreaterThan(before);

  // Until the lease of the killed slice ends, its checkpoint waits.
  while (answers.at(-1)?.status === 'paused' && answers.length < 200) answers.push(await slice(200));
  expect(answers.at(-1)).toMatchObject({ status: 'completed', progress: { rows } });
  expect(answers.reduce((sum, answer) => sum + answer.rows, 0)).toBeLessThan(rows);

  expect(await world.migrator('coordinate_speed_new').run()).toMatchObject({ status: 'completed', rows });
  const database = await d1.database();
  for (let from = 1; from <= rows; from += 20_000) {
    const query = `SELECT * FROM coordinate_speed_new WHERE id >= ${from} AND id < ${from + 20_000} ORDER BY id`;
    expect((await database.prepare(query).all()).results).toEqual(await world.d1(query));
  }
  const [schema] = await world.d1(`SELECT sql FROM sqlite_master WHERE name = 'coordinate_speed_new'`);
  expect(
    await database.prepare(`SELECT sql FROM sqlite_master WHERE name = 'coordinate_speed_new'`).first(),
  ).toEqual(schema);
});
