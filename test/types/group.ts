// Compiled by `tsc`, never run: a group keeps the types of its tables.
import {
  type CountVerification,
  type FullVerification,
  type GroupResult,
  isMigratorError,
  MigrationGroup,
  type MigratorError,
  type PlanPreview,
  type ResumableMigrator,
  type RunResult,
  type Sink,
  type Source,
} from 'resumable-migrator';
import { renderPlan } from 'resumable-migrator/report';

interface Customer {
  readonly id: number;
  readonly name: string;
}
interface Order {
  readonly id: number;
  readonly customer: number;
}
declare const customers: { readonly source: Source<Customer>; readonly sink: Sink<Customer> };
declare const orders: { readonly source: Source<Order>; readonly sink: Sink<Order & { note: string }> };

const group = new MigrationGroup({ concurrency: 2, order: 'given' });
// Tables of different rows, each checked on its own and returned with its own types.
export const first: ResumableMigrator<Customer, Customer> = group.add(customers);
group.add({ ...orders, name: 'orders', checkpointSize: 'auto' }).on('progress', ({ rows }) => rows.toFixed());
// @ts-expect-error -- the sink lacks the column name
group.add({ source: customers.source, sink: orders.sink });
// @ts-expect-error -- no sink
group.add({ source: customers.source });
// @ts-expect-error -- no such order
new MigrationGroup({ order: 'alphabetical' });
// @ts-expect-error -- the budget is an option of run()
new MigrationGroup({ budget: { rows: 1 } });

export async function results(): Promise<void> {
  const { tables, totals }: GroupResult = await group.run({ budget: { rows: 1 } });
  totals.rows.toFixed();
  for (const table of tables) {
    // @ts-expect-error -- a failed or skipped table has no result of its own
    table.result.rows.toFixed();
    if (table.status === 'completed') table.result satisfies RunResult;
    else if (table.status === 'failed') table.error satisfies MigratorError;
    else if (table.status === 'skipped') table.parents satisfies readonly string[];
    else table.status satisfies 'paused';
  }
  const planned = await group.plan({ values: 'all' });
  for (const table of planned.tables) {
    // @ts-expect-error -- a table that cannot be planned has no plan
    table.plan.totalRows.toFixed();
    if (table.error === null) table.plan satisfies PlanPreview;
    else table.error satisfies MigratorError;
  }
  renderPlan(planned) satisfies string;
  // @ts-expect-error -- no such choice of values
  await group.plan({ values: 'some' });
  const counted = await group.verify();
  counted.tables[0]?.result satisfies CountVerification | null | undefined;
  const full = await group.verify({ mode: 'full' });
  full.tables[0]?.result satisfies FullVerification | null | undefined;
  // @ts-expect-error -- full was asked for
  full.tables[0]?.result satisfies CountVerification | null | undefined;
}

export function failed(error: unknown): number {
  return isMigratorError(error) ? (error.group?.totals.failed ?? 0) : 0;
}
