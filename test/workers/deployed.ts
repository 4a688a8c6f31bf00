import { expect } from 'vitest';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import { type ExtraWorker, type LocalD1, startD1 } from '../../examples/local/d1.ts';
import { fillDrive } from '../../examples/local/sample-data.ts';
import { workerOptions } from '../../examples/local/worker-options.ts';
import type { Budget } from 'resumable-migrator';
import { World } from '../support/world.ts';
import { prepareTarget } from './copied.ts';
import { Counts, FREE_BUDGET, FREE_QUERIES, mostQueries, PAID_QUERIES } from './counts.ts';

/** PostgreSQL with the recorded drive, and workerd with an example in it. */
export interface Deployed extends AsyncDisposable {
  readonly world: World;
  readonly d1: LocalD1;
  readonly counts: Counts;
}

/** Starts an example as its `wrangler.jsonc` deploys it, but counted, with a PostgreSQL of ours and the free plan's budget. */
export async function startDeployed(example: string, entry: URL, rows: number): Promise<Deployed> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await World.start());
  await fillDrive(world.stack.env.DATABASE_URL, rows);
  const counts = new Counts();
  const { bindings, miniflare } = optionsOf(example);
  const worker: ExtraWorker = {
    name: example,
    script: await bundleWorker(entry),
    hyperdrives: { HYPERDRIVE: world.stack.env.DATABASE_URL },
    bindings: { ...bindings, BUDGET: FREE_BUDGET },
    miniflare: { ...miniflare, serviceBindings: { COUNTS: counts.service } },
  };
  const d1 = stack.use(await startD1({ workers: [worker] }));
  await prepareTarget(d1);
  const kept = stack.move();
  return { world, d1, counts, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

/** Every invocation asked D1 at most as often as its batches explain, so both plans' budgets keep to the plans' limits. */
export function expectWithinLimits(example: string, counts: Counts): void {
  for (const { queries, batches, connections } of counts.invocations()) {
    expect(queries).toBeLessThanOrEqual(mostQueries({ ...FREE_BUDGET, batches }));
    expect(queries).toBeLessThanOrEqual(FREE_QUERIES);
    expect(batches).toBeLessThanOrEqual(FREE_BUDGET.batches);
    expect(connections).toBeLessThanOrEqual(1);
  }
  expect(mostQueries(FREE_BUDGET)).toBeLessThanOrEqual(FREE_QUERIES);
  expect(mostQueries(optionsOf(example).bindings['BUDGET'] as Budget)).toBeLessThanOrEqual(PAID_QUERIES);
}

function optionsOf(example: string): ReturnType<typeof workerOptions> {
  return workerOptions(new URL(`../../examples/${example}/wrangler.jsonc`, import.meta.url));
}
