import type { CallContext, PlanOptions, ResultRow } from './contract/index.ts';
import {
  type CountVerification,
  type FullVerification,
  type GroupOrder,
  type GroupParts,
  type GroupPlan,
  type GroupProgress,
  type GroupRepair,
  type GroupTable,
  type GroupVerification,
  type GroupVerifyOptions,
  resolveGroupOptions,
  resolveOptions,
  type ResumableMigratorOptions,
  type RowOptions,
  type RunOptions,
} from './engine/index.ts';
import type * as GroupCalls from './engine/group/group-calls.ts';
import type { GroupResult } from './errors.ts';
import { ResumableMigrator } from './migrator.ts';

/** The options of a {@link MigrationGroup}. */
export interface MigrationGroupOptions {
  /** Tables that are copied at the same time; children wait for their parents all the same. Default 1. */
  readonly concurrency?: number | undefined;
  /**
   * `references`: parents before children by the source's foreign keys, else in the order of `add()`. `given`: in the
   * order of `add()`, whatever refers to what. Default `references`.
   */
  readonly order?: GroupOrder | undefined;
}

/** Options of {@link MigrationGroup.run}. */
export interface GroupRunOptions extends RunOptions {
  /**
   * Called, and waited for, when a table's turn comes, before anything of it is read or written: to show its plan, or to
   * reset it. Where it throws, the table counts as failed.
   */
  readonly beforeTable?:
    | ((table: {
        readonly migration: string;
        readonly migrator: ResumableMigrator<object, object>;
      }) => unknown)
    | undefined;
}

type AnyMigrator = ResumableMigrator<object, object>;

/** What the calls on a group do: most programs copy single tables, and never load it. */
const calls = async (): Promise<typeof GroupCalls> => await import('./engine/group/group-calls.ts');

/**
 * Copies several tables with one call, parents before children, and says in one object what became of each.
 *
 * Every table keeps a migrator of its own, with its events, its options, and its row types. A table that fails does not
 * stop the others; only what refers to it waits for the next run.
 *
 * @example
 * ```ts
 * const group = new MigrationGroup({ concurrency: 2 });
 * group.add({ source: source('customers'), sink: sink('customers') });
 * group.add({ source: source('orders'), sink: sink('orders') }).on('progress', show);
 * const { status, tables, totals } = await group.run({ signal, budget: { milliseconds: 25_000 } });
 * ```
 */
export class MigrationGroup implements AsyncDisposable {
  readonly #tables: GroupTable<AnyMigrator>[] = [];
  readonly #parts: GroupParts<AnyMigrator>;

  /** @throws MigratorError `INVALID_OPTION` */
  constructor(options: MigrationGroupOptions = {}) {
    this.#parts = { ...resolveGroupOptions(options), tables: this.#tables };
  }

  /**
   * Adds a table, and returns its migrator: to listen to its events, to repair or to reset it.
   *
   * @throws MigratorError `INVALID_OPTION`; nothing is read or written here.
   */
  add<
    SourceRow extends object,
    SinkRow extends object,
    Result extends ResultRow<SinkRow> = ResultRow<SinkRow>,
  >(
    options: ResumableMigratorOptions<SourceRow, SinkRow, Result>,
  ): ResumableMigrator<SourceRow, SinkRow, Result> {
    const migrator = new ResumableMigrator<SourceRow, SinkRow, Result>(options);
    this.#tables.push({
      migrator,
      options: resolveOptions(options, options as RowOptions & typeof options),
    });
    return migrator;
  }

  /** The migrators of the tables, in the order of `add()`. */
  get migrators(): readonly ResumableMigrator<object, object>[] {
    return this.#tables.map(({ migrator }) => migrator);
  }

  /**
   * Shows the order and what {@link run} would do with each table, and changes nothing on either side. A table that
   * cannot be planned does not hide the others: its `error` says why.
   *
   * @throws MigratorError `GROUP_CYCLE`, `INVALID_OPTION`
   */
  async plan(options: PlanOptions = {}): Promise<GroupPlan> {
    return await (await calls()).planGroup(this.#parts, options);
  }

  /**
   * Copies what is not copied yet, each table once its parents are complete. Resolves `completed`, or `paused` where the
   * signal or the budget ended the run. The budget counts over all tables; tables that are copied at the same time
   * exceed it by no more than the batches that they have in flight.
   *
   * @throws MigratorError `GROUP_FAILED` where tables failed (the others were copied); `error.group` holds the same
   * object that a run resolves with. `GROUP_CYCLE` and `INVALID_OPTION` before anything is written.
   */
  async run({ beforeTable, ...options }: GroupRunOptions = {}): Promise<GroupResult> {
    return await (await calls()).runTables(this.#parts, options, beforeTable);
  }

  /** Reads durable progress. */
  async status(context: CallContext = {}): Promise<GroupProgress> {
    return await (await calls()).readGroup(this.#parts, context);
  }

  /**
   * Compares both sides of every table, and changes nothing. A table that cannot be compared does not stop the others:
   * its `error` says why, and the group is not `equal`.
   *
   * @throws MigratorError `INVALID_OPTION`, where the group has no tables too.
   */
  async verify(
    options?: GroupVerifyOptions & { readonly mode?: 'count' },
  ): Promise<GroupVerification<CountVerification>>;
  async verify(
    options: GroupVerifyOptions & { readonly mode: 'full' },
  ): Promise<GroupVerification<FullVerification>>;
  async verify(options: GroupVerifyOptions = {}): Promise<GroupVerification> {
    return await (await calls()).verifyGroup(this.#parts, options);
  }

  /**
   * Mends what {@link verify} of the same mode finds: rows are added to parents before their children, and go from
   * children before their parents. A table that cannot be mended does not stop the others: its `error` says why.
   *
   * @throws MigratorError `GROUP_CYCLE` and `INVALID_OPTION` before anything is written.
   */
  async repair(
    options?: GroupVerifyOptions & { readonly mode?: 'count' },
  ): Promise<GroupRepair<CountVerification>>;
  async repair(
    options: GroupVerifyOptions & { readonly mode: 'full' },
  ): Promise<GroupRepair<FullVerification>>;
  async repair(options: GroupVerifyOptions = {}): Promise<GroupRepair> {
    return await (await calls()).repairGroup(this.#parts, options);
  }

  /** Forgets the checkpoints of every table. The rows stay; the next run plans anew. */
  async reset(context: CallContext = {}): Promise<void> {
    for (const { migrator } of this.#tables) await migrator.reset(context);
  }

  /** Ends what the sources and sinks opened themselves. Pools and bindings that the host passed in stay open. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const { migrator } of this.#tables)
      await migrator.close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  /** Calls {@link close}: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
