import type { CallContext, PlanPreview, Progress, SinkPrice } from '../../contract/index.ts';
import type { MigratorError } from '../../errors.ts';
import type { RepairResult, VerifyResult } from '../verifying/repair.ts';

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

/** Durable progress of a group: the sums of its tables. */
export interface GroupProgress extends Pick<
  Progress,
  'checkpoints' | 'rows' | 'written' | 'rejected' | 'percent'
> {
  /** In the order of `add()`. */
  readonly tables: readonly Progress[];
}

/** What to compare. */
export interface GroupVerifyOptions extends Pick<CallContext, 'signal'> {
  /** `count`: the number of rows of every completed checkpoint. `full`: every value. Default `count`. */
  readonly mode?: 'count' | 'full' | undefined;
}

/** What comparing the tables of a group gave. */
export interface GroupVerification<Result extends VerifyResult = VerifyResult> {
  /** True: every table was compared, and every table is equal. */
  readonly equal: boolean;
  /** In the order of `add()`; `error` says why a table could not be compared. */
  readonly tables: readonly (
    | { readonly result: Result; readonly error: null }
    | { readonly result: null; readonly error: MigratorError }
  )[];
}

/** What mending the tables of a group gave. */
export interface GroupRepair<Result extends VerifyResult = VerifyResult> {
  /** True: every table is the same on both sides now. */
  readonly equal: boolean;
  /** In the order of `add()`; `error` says why a table could not be mended. */
  readonly tables: readonly (
    | { readonly result: RepairResult<Result>; readonly error: null }
    | { readonly result: null; readonly error: MigratorError }
  )[];
}

/** The sums of a plan of a group. */
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

/** The progress of a group: that of its tables, added up. */
export function progressOf(tables: readonly Progress[]): GroupProgress {
  const total = (field: keyof Progress['checkpoints']): number =>
    sum(tables, ({ checkpoints }) => checkpoints[field]);
  const checkpoints = {
    total: total('total'),
    completed: total('completed'),
    inProgress: total('inProgress'),
    pending: total('pending'),
    failed: total('failed'),
  };
  const percent = checkpoints.total === 0 ? 0 : (checkpoints.completed / checkpoints.total) * 100;
  return {
    tables,
    checkpoints,
    rows: sum(tables, ({ rows }) => rows),
    written: sum(tables, ({ written }) => written),
    rejected: sum(tables, ({ rejected }) => rejected),
    percent,
  };
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
