import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import { startD1, type LocalD1 } from '../../examples/local/d1.ts';
import { fillDrive } from '../../examples/local/sample-data.ts';
import { World } from '../support/world.ts';
import { expectCopied, prepareTarget } from './copied.ts';
import { Counts, FREE_QUERIES, isWrite } from './counts.ts';

const rows = 400_000;
let world: World;
let d1: LocalD1;
const counts = new Counts();

beforeAll(async () => {
  world = await World.start();
  await fillDrive(world.stack.env.DATABASE_URL, rows);
  d1 = await startD1({
    workers: [
      {
        name: 'cron',
        script: await bundleWorker(new URL('./counted-cron.ts', import.meta.url)),
        hyperdrives: { HYPERDRIVE: world.stack.env.DATABASE_URL },
        bindings: { TABLE: 'coordinate_speed_new', BUDGET: { milliseconds: 20_000, batches: 6 } },
        miniflare: { serviceBindings: { COUNTS: counts.service } },
      },
    ],
  });
  await prepareTarget(d1);
});
afterAll(async () => {
  await d1?.stop();
  await world?.[Symbol.asyncDispose]();
});

interface Status {
  readonly percent: number;
  readonly rows: number;
}

async function status(): Promise<Status> {
  return (await (await (await d1.worker('cron')).fetch('http://cron/')).json()) as Status;
}

async function tick(): Promise<string> {
  return (await (await d1.worker('cron')).scheduled({ cron: '*/5 * * * *' })).outcome;
}

test('ticks of a cron trigger copy slice by slice, go on after workerd was killed in slices, and rest at the end', async () => {
  expect(await status()).toMatchObject({ rows: 0, percent: 0 });
  expect(await tick()).toBe('ok');
  const first = await status();
  expect(first.rows).toBeGreaterThan(0);
  expect(first.percent).toBeLessThan(100);

  for (const where of ['before', 'during'] as const) {
    const before = await status();
    const stopped = counts.stop(where, isWrite('coordinate_speed_new'), 2);
    const killed = tick().catch(() => 'killed');
    await stopped;
    await d1.restart();
    expect(await killed).not.toBe('ok');
    expect((await status()).rows).toBeGreaterThan(before.rows);
  }

  for (let ticks = 0; (await status()).percent < 100 && ticks < 20; ticks++) expect(await tick()).toBe('ok');
  expect(await tick()).toBe('ok'); // where the last slice copied the last row, this one finds that there are no more
  const worked = counts.invocations('scheduled');
  expect(worked.filter(({ ended }) => !ended)).toHaveLength(2);
  expect(worked.length).toBeGreaterThan(4);

  expect(await tick()).toBe('ok');
  expect(counts.invocations('scheduled').slice(worked.length)).toEqual([
    { handler: 'scheduled', calls: 1, queries: 2, connections: 0, ended: true },
  ]);
  for (const { queries, connections } of counts.invocations()) {
    expect(queries).toBeLessThanOrEqual(FREE_QUERIES);
    expect(connections).toBeLessThanOrEqual(1);
  }
  if (process.env['FIGURES']) console.log(counts.invocations());
  await expectCopied(world, d1, rows);
}, 180_000);
