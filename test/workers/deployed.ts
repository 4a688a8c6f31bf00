import { expect } from 'vitest';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import type { ExtraWorker } from '../../examples/local/d1.ts';
import { workerOptions } from '../../examples/local/worker-options.ts';
import type { Budget } from 'resumable-migrator';
import { type Counts, FREE_BUDGET, FREE_QUERIES, mostQueries, PAID_QUERIES } from './counts.ts';

/** An example as its `wrangler.jsonc` deploys it, but counted, with a PostgreSQL of ours and another budget. */
export async function deployed(
  example: string,
  entry: URL,
  {
    postgres,
    counts,
    budget,
  }: { readonly postgres: string; readonly counts: Counts; readonly budget: Budget },
): Promise<ExtraWorker> {
  const { bindings, miniflare } = optionsOf(example);
  return {
    name: example,
    script: await bundleWorker(entry),
    hyperdrives: { HYPERDRIVE: postgres },
    bindings: { ...bindings, BUDGET: budget },
    miniflare: { ...miniflare, serviceBindings: { COUNTS: counts.service } },
  };
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
