import { expect } from 'vitest';
import { unstable_readConfig as readConfig } from 'wrangler';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import type { ExtraWorker } from '../../examples/local/d1.ts';
import type { Budget } from 'resumable-migrator';
import { type Counts, FREE_BUDGET, FREE_QUERIES, mostQueries, PAID_QUERIES } from './counts.ts';

const examples = new URL('../../examples/', import.meta.url);

/** The part of a configuration that is used here; what wrangler exports of its own type is empty. */
interface Config {
  readonly compatibility_date: string;
  readonly compatibility_flags: string[];
  readonly vars: { readonly BUDGET: Budget };
  readonly hyperdrive: readonly { readonly binding: string }[];
  readonly durable_objects: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[];
  };
  readonly migrations: readonly { readonly new_sqlite_classes?: readonly string[] }[];
}

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
  const config = configOf(example);
  return {
    name: example,
    script: await bundleWorker(entry),
    hyperdrives: Object.fromEntries(config.hyperdrive.map(({ binding }) => [binding, postgres])),
    bindings: { ...config.vars, BUDGET: budget },
    miniflare: {
      compatibilityDate: config.compatibility_date,
      compatibilityFlags: config.compatibility_flags,
      serviceBindings: { COUNTS: counts.service },
      durableObjects: Object.fromEntries(
        config.durable_objects.bindings.map(({ name, class_name: className }) => [
          name,
          {
            className,
            useSQLite: config.migrations.some((one) => one.new_sqlite_classes?.includes(className)),
          },
        ]),
      ),
    },
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
  expect(mostQueries(configOf(example).vars.BUDGET)).toBeLessThanOrEqual(PAID_QUERIES);
}

function configOf(example: string): Config {
  return readConfig({ config: new URL(`${example}/wrangler.jsonc`, examples).pathname }) as Config;
}
