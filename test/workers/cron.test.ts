import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectCopied } from './copied.ts';
import { isWrite } from './counts.ts';
import { type Deployed, expectWithinLimits, startDeployed } from './deployed.ts';

const rows = 400_000;
let deployed: Deployed;
let { world, d1, counts } = {} as Deployed;

beforeAll(async () => {
  deployed = await startDeployed('worker-cron', new URL('./counted-cron.ts', import.meta.url), rows);
  ({ world, d1, counts } = deployed);
});
afterAll(async () => await deployed?.[Symbol.asyncDispose]());

interface Status {
  readonly percent: number;
  readonly rows: number;
}

async function status(): Promise<Status> {
  return (await (await (await d1.worker('worker-cron')).fetch('http://cron/')).json()) as Status;
}

async function tick(): Promise<string> {
  return (await (await d1.worker('worker-cron')).scheduled({ cron: '*/5 * * * *' })).outcome;
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

  // New rows are left alone too, until it is told to look for them.
  await world.postgres(
    `INSERT INTO coordinate_speed_new SELECT ${rows + 1}, latitude, longitude, speed, recorded_at FROM coordinate_speed_new WHERE id = 1`,
  );
  expect(await tick()).toBe('ok');
  expect(counts.invocations('scheduled').slice(worked.length)).toEqual([
    { handler: 'scheduled', calls: 1, queries: 2, batches: 0, connections: 0, ended: true },
  ]);
  await expectCopied(world, d1, rows);
  await (await d1.database()).prepare('DELETE FROM cron_completed').run();
  expect(await tick()).toBe('ok');
  expect(await status()).toMatchObject({ rows: rows + 1, percent: 100 });
  expectWithinLimits('worker-cron', counts);
}, 180_000);
