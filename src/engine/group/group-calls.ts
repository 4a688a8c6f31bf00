import type {
  BatchEvent,
  CallContext,
  PlanOptions,
  PlanPreview,
  Progress,
  RunResult,
} from '../../contract/index.ts';
import { type GroupResult, invalidOption, type MigratorError, refuseUnknown } from '../../errors.ts';
import { checkBudget, type EngineOptions } from '../options.ts';
import type { RunOptions } from '../run.ts';
import type { RepairResult, VerifyOptions, VerifyResult } from '../verifying/repair.ts';
import { arrange, askEach, asMigratorError, type GroupMember, pausedGroup, runGroup } from './group.ts';
import type { GroupOrder } from './group-options.ts';
import { provisionalName, refuseTwins } from './group-members.ts';
import {
  type GroupPlan,
  type GroupProgress,
  type GroupRepair,
  type GroupVerification,
  type GroupVerifyOptions,
  planTotals,
  progressOf,
  type TablePlan,
} from './group-results.ts';

export { describeMember } from './group-members.ts';

/** What a group calls of the migrator of a table. */
export interface GroupedMigrator {
  describe(context: CallContext): Promise<GroupMember>;
  plan(options: PlanOptions): Promise<PlanPreview>;
  run(options: RunOptions): Promise<RunResult>;
  status(context: CallContext): Promise<Progress>;
  verify(options: VerifyOptions): Promise<VerifyResult>;
  repair(options: VerifyOptions): Promise<RepairResult>;
  on(event: 'batch:committed', listener: (batch: BatchEvent) => unknown): unknown;
  off(event: 'batch:committed', listener: (batch: BatchEvent) => unknown): unknown;
}

/** A table of a group. */
export interface GroupTable<Migrator extends GroupedMigrator = GroupedMigrator> {
  readonly migrator: Migrator;
  readonly options: EngineOptions;
}

/** A table whose source has been asked what it is and what it refers to. */
interface DescribedTable<Migrator extends GroupedMigrator> extends GroupTable<Migrator>, GroupMember {}

/** What a group is made of. */
export interface GroupParts<Migrator extends GroupedMigrator = GroupedMigrator> {
  readonly tables: readonly GroupTable<Migrator>[];
  readonly concurrency: number;
  readonly order: GroupOrder;
}

/** Shows the order and what a run would do with each table. */
export async function planGroup(parts: GroupParts, options: PlanOptions): Promise<GroupPlan> {
  const { described, failed } = await describe(parts, options);
  options.signal?.throwIfAborted();
  const turns = arrange(described, parts.order);
  const answers = await askEach(turns, parts.concurrency, async ({ member, parents }): Promise<TablePlan> => {
    const table = { migration: member.migration, parents: parents.map(({ migration }) => migration) };
    try {
      return { ...table, plan: await member.migrator.plan(options), error: null };
    } catch (error) {
      options.signal?.throwIfAborted();
      return { ...table, plan: null, error: asMigratorError(error, member.migration) };
    }
  });
  const unknown = failed.map(({ migration, error }): TablePlan => ({
    migration,
    parents: [],
    plan: null,
    error,
  }));
  const tables = [...unknown, ...answers];
  return { tables, totals: planTotals(tables) };
}

/** Copies each table once its parents are complete. @param beforeTable - waited for when a table's turn comes. */
export async function runTables<Migrator extends GroupedMigrator>(
  parts: GroupParts<Migrator>,
  options: RunOptions,
  beforeTable: ((table: { readonly migration: string; readonly migrator: Migrator }) => unknown) | undefined,
): Promise<GroupResult> {
  refuseUnknown('The call', options, 'signal budget');
  checkBudget(options.budget ?? {});
  const { described, failed, names } = await describe(parts, { signal: options.signal });
  if (options.signal?.aborted) return pausedGroup(names);
  const turns = arrange(described, parts.order);
  const runTable: typeof runMember = async (table, ...how) => {
    const { migration, migrator } = table as DescribedTable<Migrator>;
    await beforeTable?.({ migration, migrator });
    return await runMember(table, ...how);
  };
  const known = new Set(described.map(({ table }) => table));
  const placeOf = (table: GroupTable): number =>
    parts.tables.findIndex(({ migrator }) => migrator === table.migrator);
  // What it is called where others refer to it is not known, but how that ends.
  const broken = failed.map((table) => ({
    ...table,
    mayBeParentOf: (member: DescribedTable<Migrator>): boolean =>
      (parts.order === 'references' || placeOf(table) < placeOf(member)) &&
      member.references.some((to) => !known.has(to) && to.endsWith(table.options.source.name ?? '')),
  }));
  return await runGroup(turns, runTable, broken, { ...options, concurrency: parts.concurrency });
}

/** Reads durable progress. */
export async function readGroup(
  { tables, concurrency }: GroupParts,
  context: CallContext,
): Promise<GroupProgress> {
  return progressOf(
    await askEach(tables, concurrency, async ({ migrator }) => await migrator.status(context)),
  );
}

/** Each table is compared whole, so that there is neither a budget nor a place to begin at. */
const comparing = 'signal mode';

/** Compares both sides of every table. */
export async function verifyGroup(
  { tables, concurrency }: GroupParts,
  options: GroupVerifyOptions,
): Promise<GroupVerification> {
  refuseUnknown('The call', options, comparing);
  const { mode, signal } = options;
  refuseEmpty(tables);
  const answers = await askEach(tables, concurrency, async ({ migrator, options: own }, index) => {
    try {
      return { result: await migrator.verify({ mode, signal }), error: null };
    } catch (error) {
      signal?.throwIfAborted();
      return { result: null, error: asMigratorError(error, provisionalName(own, index)) };
    }
  });
  return { equal: answers.every(({ result }) => result?.equal === true), tables: answers };
}

/** Mends every table: parents before their children, and back again. */
export async function repairGroup(parts: GroupParts, options: GroupVerifyOptions): Promise<GroupRepair> {
  refuseUnknown('The call', options, comparing);
  const { mode, signal } = options;
  const { described, failed } = await describe(parts, { signal });
  const parentsFirst = arrange(described, parts.order).map(({ member }) => member);
  const answers = new Map<GroupedMigrator, GroupRepair['tables'][number]>(
    failed.map(({ migrator, error }) => [migrator, { result: null, error }]),
  );
  // A parent's row that only the sink has goes once the rows that refer to it are gone.
  for (const { migrator, migration } of [...parentsFirst, ...parentsFirst.toReversed()]) {
    if (answers.get(migrator)?.result?.after.equal) continue;
    try {
      answers.set(migrator, { result: await migrator.repair({ mode, signal }), error: null });
    } catch (error) {
      signal?.throwIfAborted();
      answers.set(migrator, { result: null, error: asMigratorError(error, migration) });
    }
  }
  const tables = parts.tables.flatMap(({ migrator }) => answers.get(migrator) ?? []);
  return { equal: tables.every(({ result }) => result?.after.equal === true), tables };
}

/** Asks every source what it is and what it refers to. What fails here has no place in the order. */
async function describe<Migrator extends GroupedMigrator>(
  { tables, concurrency }: GroupParts<Migrator>,
  context: CallContext,
): Promise<{
  readonly described: readonly DescribedTable<Migrator>[];
  readonly failed: readonly (GroupTable<Migrator> & {
    readonly migration: string;
    readonly error: MigratorError;
  })[];
  readonly names: readonly string[];
}> {
  refuseEmpty(tables);
  const answers = await askEach([...tables], concurrency, async (table, index) => {
    try {
      return { ...table, ...(await table.migrator.describe(context)), error: null };
    } catch (error) {
      const migration = provisionalName(table.options, index);
      return { ...table, migration, error: asMigratorError(error, migration) };
    }
  });
  const described = answers.filter((answer) => answer.error === null);
  const failed = answers.filter((answer) => answer.error !== null);
  if (!context.signal?.aborted) await refuseTwins(described, context);
  return { described, failed, names: answers.map(({ migration }) => migration) };
}

function refuseEmpty(tables: readonly unknown[]): void {
  if (tables.length === 0) throw invalidOption('The group has no tables.', 'Add some with add().');
}

/** A table in its turn, whose batches are counted. */
async function runMember(
  { migrator }: GroupTable,
  options: RunOptions,
  onBatch: (rows: number) => void,
): Promise<RunResult> {
  const listener = ({ rows }: BatchEvent): void => onBatch(rows);
  migrator.on('batch:committed', listener);
  try {
    return await migrator.run(options);
  } finally {
    migrator.off('batch:committed', listener);
  }
}
