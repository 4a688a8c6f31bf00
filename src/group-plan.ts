import type { PlanPreview, SinkPrice } from './contract/index.ts';
import type { MigratorError } from './errors.ts';

/** What a run of a group would do with one table, or why it cannot be planned. */
export type TablePlan = {
  readonly migration: string;
  /** Migrations of the group that have to be complete before this one begins. */
  readonly parents: readonly string[];
} & (
  | { readonly plan: PlanPreview; readonly error: null }
  | { readonly plan: null; readonly error: MigratorError }
);

/** What a run of a group would do. */
export interface GroupPlan {
  /** In the order of copying; first those that could not be described, which have no place in it. */
  readonly tables: readonly TablePlan[];
  /** Sums over the tables that could be planned; null where a sink cannot tell. */
  readonly totals: {
    readonly tables: number;
    /** Tables that cannot be planned. */
    readonly failed: number;
    readonly rows: number;
    readonly bytes: number;
    readonly checkpoints: number;
    readonly newCheckpoints: number;
    readonly requests: number | null;
    readonly quotaMs: number | null;
    readonly rowsWritten: number | null;
    readonly price: SinkPrice | null;
    readonly storedBytes: number | null;
  };
}

/** The sums of the tables that could be planned. */
export function planTotals(tables: readonly TablePlan[]): GroupPlan['totals'] {
  const plans = tables.map(({ plan }) => plan).filter((plan) => plan !== null);
  const known = (value: (plan: PlanPreview) => number | null | undefined): number | null =>
    plans.some((plan) => value(plan) == null) ? null : sum(plans, (plan) => value(plan) ?? 0);
  const least = known(({ estimate }) => estimate.price?.least);
  const most = known(({ estimate }) => estimate.price?.most);
  return {
    tables: tables.length,
    failed: tables.length - plans.length,
    rows: sum(plans, ({ totalRows }) => totalRows),
    bytes: sum(plans, ({ totalBytes }) => totalBytes),
    checkpoints: sum(plans, ({ checkpoints }) => checkpoints),
    newCheckpoints: sum(plans, ({ newCheckpoints }) => newCheckpoints),
    requests: known(({ estimate }) => estimate.requests),
    quotaMs: known(({ estimate }) => estimate.quotaMs),
    rowsWritten: known(({ estimate }) => estimate.rowsWritten),
    price: least === null || most === null ? null : { least, most },
    storedBytes: known(({ estimate }) => estimate.storedBytes),
  };
}

export function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
