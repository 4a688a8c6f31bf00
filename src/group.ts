import type { BatchEvent, CallContext, PlanOptions, Progress, RunResult } from './contract/index.ts';
import {
  arrange,
  askEach,
  asMigratorError,
  checkBudget,
  checkGroupOptions,
  type CountVerification,
  type EngineOptions,
  describeMember,
  type FullVerification,
  type GroupMember,
  type GroupOrder,
  pausedGroup,
  resolveOptions,
  provisionalName,
  refuseTwins,
  runGroup,
  type RunOptions,
  type VerifyResult,
} from './engine/index.ts';
import { type GroupResult, MigratorError } from './errors.ts';
import { type GroupPlan, planTotals, sum, type TablePlan } from './group-plan.ts';
import { ResumableMigrator, type ResumableMigratorOptions } from './migrator.ts';

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

/** Durable progress of a group: the sums of its tables. */
export interface GroupProgress extends Pick<Progress, 'checkpoints' | 'rows' | 'percent'> {
  /** In the order of `add()`. */
  readonly tables: readonly Progress[];
}

/** What to compare. */
export interface GroupVerifyOptions extends CallContext {
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

interface Member {
  readonly migrator: ResumableMigrator<object, object>;
  readonly options: EngineOptions;
}

/** A member whose source has been asked what it is and what it refers to. */
interface DescribedMember extends Member, GroupMember {}

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
  readonly #members: Member[] = [];
  readonly #concurrency: number;
  readonly #order: GroupOrder;

  /** @throws MigratorError `INVALID_OPTION` */
  constructor(options: MigrationGroupOptions = {}) {
    const { concurrency = 1, order = 'references' } = options;
    checkGroupOptions(concurrency, order);
    this.#concurrency = concurrency;
    this.#order = order;
  }

  /**
   * Adds a table, and returns its migrator: to listen to its events, to repair or to reset it.
   *
   * @throws MigratorError `INVALID_OPTION`; nothing is read or written here.
   */
  add<SourceRow extends object, SinkRow extends object>(
    options: ResumableMigratorOptions<SourceRow, SinkRow>,
  ): ResumableMigrator<SourceRow, SinkRow> {
    const migrator = new ResumableMigrator(options);
    this.#members.push({ migrator, options: resolveOptions(options, options) });
    return migrator;
  }

  /** The migrators of the tables, in the order of `add()`. */
  get migrators(): readonly ResumableMigrator<object, object>[] {
    return this.#members.map(({ migrator }) => migrator);
  }

  /**
   * Shows the order and what {@link run} would do with each table, and changes nothing on either side. A table that
   * cannot be planned does not hide the others: its `error` says why.
   *
   * @throws MigratorError `GROUP_CYCLE`, `INVALID_OPTION`
   */
  async plan(options: PlanOptions = {}): Promise<GroupPlan> {
    const { described, failed } = await this.#describe(options);
    options.signal?.throwIfAborted();
    const turns = arrange(described, this.#order);
    const answers = await askEach(
      turns,
      this.#concurrency,
      async ({ member, parents }): Promise<TablePlan> => {
        const table = { migration: member.migration, parents: parents.map(({ migration }) => migration) };
        try {
          return { ...table, plan: await member.migrator.plan(options), error: null };
        } catch (error) {
          options.signal?.throwIfAborted();
          return { ...table, plan: null, error: asMigratorError(error, member.migration) };
        }
      },
    );
    const unknown = failed.map(({ migration, error }): TablePlan => ({
      migration,
      parents: [],
      plan: null,
      error,
    }));
    const tables = [...unknown, ...answers];
    return { tables, totals: planTotals(tables) };
  }

  /**
   * Copies what is not copied yet, each table once its parents are complete. Resolves `completed`, or `paused` where the
   * signal or the budget ended the run. The budget counts over all tables; tables that are copied at the same time
   * exceed it by no more than the batches that they have in flight.
   *
   * @throws MigratorError `GROUP_FAILED` where tables failed (the others were copied); `error.group` holds the same
   * object that a run resolves with. `GROUP_CYCLE` and `INVALID_OPTION` before anything is written.
   */
  async run(options: RunOptions = {}): Promise<GroupResult> {
    checkBudget(options.budget ?? {});
    const { described, failed, names } = await this.#describe({ signal: options.signal });
    if (options.signal?.aborted) return pausedGroup(names);
    const turns = arrange(described, this.#order);
    return await runGroup(turns, runMember, failed, { ...options, concurrency: this.#concurrency });
  }

  /** Reads durable progress. */
  async status(context: CallContext = {}): Promise<GroupProgress> {
    const tables = await askEach(
      this.#members,
      this.#concurrency,
      async ({ migrator }) => await migrator.status(context),
    );
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
    return { tables, checkpoints, rows: sum(tables, ({ rows }) => rows), percent };
  }

  /**
   * Compares both sides of every table, and changes nothing. A table that cannot be compared does not stop the others:
   * its `error` says why, and the group is not `equal`.
   */
  async verify(
    options?: GroupVerifyOptions & { readonly mode?: 'count' },
  ): Promise<GroupVerification<CountVerification>>;
  async verify(
    options: GroupVerifyOptions & { readonly mode: 'full' },
  ): Promise<GroupVerification<FullVerification>>;
  async verify({ mode, signal }: GroupVerifyOptions = {}): Promise<GroupVerification> {
    const tables = await askEach(this.#members, this.#concurrency, async ({ migrator, options }, index) => {
      try {
        const result =
          mode === 'full' ? await migrator.verify({ mode, signal }) : await migrator.verify({ signal });
        return { result, error: null };
      } catch (error) {
        signal?.throwIfAborted();
        return { result: null, error: asMigratorError(error, provisionalName(options, index)) };
      }
    });
    return { equal: tables.every(({ result }) => result?.equal === true), tables };
  }

  /** Ends what the sources and sinks opened themselves. Pools and bindings that the host passed in stay open. */
  async close(): Promise<void> {
    for (const { migrator } of this.#members) await migrator.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Asks every source what it is and what it refers to. What fails here has no place in the order. */
  async #describe(context: CallContext): Promise<{
    readonly described: readonly DescribedMember[];
    readonly failed: readonly { readonly migration: string; readonly error: MigratorError }[];
    readonly names: readonly string[];
  }> {
    if (this.#members.length === 0) {
      throw new MigratorError('INVALID_OPTION', 'The group has no tables.', { help: 'Add some with add().' });
    }
    const answers = await askEach([...this.#members], this.#concurrency, async (member, index) => {
      try {
        return { ...member, ...(await describeMember(member.options, context)), error: null };
      } catch (error) {
        const migration = provisionalName(member.options, index);
        return { migration, error: asMigratorError(error, migration) };
      }
    });
    const described = answers.filter((answer) => answer.error === null);
    const failed = answers.filter((answer) => answer.error !== null);
    if (!context.signal?.aborted) await refuseTwins(described, context);
    return { described, failed, names: answers.map(({ migration }) => migration) };
  }
}

/** A table in its turn, whose batches are counted. */
async function runMember(
  { migrator }: DescribedMember,
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
