import { EventEmitter } from 'eventemitter3';
import type {
  CallContext,
  Checkpoint,
  CheckpointFilter,
  MigrationEvents,
  PlanOptions,
  PlanPreview,
  Progress,
  ResultRow,
  RunResult,
  StoredReject,
} from './contract/index.ts';
import { invalidOption } from './errors.ts';
import {
  checkBudget,
  emptyProgress,
  type EngineOptions,
  type GroupMember,
  listCheckpoints,
  type Lister,
  listRejects,
  readProgress,
  type RepairResult,
  resolveOptions,
  retryEvent,
  type ResumableMigratorOptions,
  runMigration,
  type RowOptions,
  type RunOptions,
  type CountVerification,
  type FullVerification,
  type VerifyOptions,
  withRetries,
} from './engine/index.ts';

/**
 * Copies one table so that the copy can be stopped at any instant and goes on where it stopped.
 *
 * @example
 * ```ts
 * const migrator = new ResumableMigrator({ source, sink, checkpointSize: 50_000 });
 * migrator.on('progress', ({ rows, totalRows }) => console.log(`${rows} of ${totalRows}`));
 * const result = await migrator.run({ signal: AbortSignal.timeout(60_000) });
 * console.log(result.status); // 'completed', or 'paused' after a minute
 * ```
 */
export class ResumableMigrator<
  SourceRow extends object = Record<string, unknown>,
  SinkRow extends object = Record<string, unknown>,
  Result extends ResultRow<SinkRow> = ResultRow<SinkRow>,
> implements AsyncDisposable {
  readonly #options: EngineOptions;
  readonly #events = new EventEmitter();
  /** A pool cannot be ended twice at the same time. */
  #closing: Promise<void> | null = null;
  /** For each event: of a listener, what is called in its place. A listener that nobody else keeps is not kept here. */
  readonly #guards = new Map<string, WeakMap<object, (payload: unknown) => void>>();

  /** @throws MigratorError `INVALID_OPTION`; nothing is read or written here. */
  constructor(options: ResumableMigratorOptions<SourceRow, SinkRow, Result>) {
    this.#options = resolveOptions(options, options as RowOptions & typeof options);
  }

  /** Calls `listener` at every event of this name. A listener that throws cannot break the run. */
  on<Name extends keyof MigrationEvents>(
    event: Name,
    listener: (payload: MigrationEvents[Name]) => unknown,
  ): this {
    this.#events.on(event, this.#guard(event, listener));
    return this;
  }

  /** Like {@link on}, for the next event only. */
  once<Name extends keyof MigrationEvents>(
    event: Name,
    listener: (payload: MigrationEvents[Name]) => unknown,
  ): this {
    this.#events.once(event, this.#guard(event, listener));
    return this;
  }

  /** Removes a listener. */
  off<Name extends keyof MigrationEvents>(
    event: Name,
    listener: (payload: MigrationEvents[Name]) => unknown,
  ): this {
    const guarded = this.#guards.get(event)?.get(listener);
    if (guarded) this.#events.off(event, guarded);
    return this;
  }

  /**
   * Shows what {@link run} would do, with every problem that can be seen beforehand among its `findings`. Changes
   * nothing on either side, and answers within seconds unless `exactCount` or `values: 'all'` ask for more.
   *
   * @throws MigratorError where there is nothing to plan: no such table, no key, no access, options that cannot work.
   * @example
   * ```ts
   * const plan = await migrator.plan({ values: 'all' });
   * console.log(renderPlan(plan));
   * if (plan.findings.some(({ severity }) => severity === 'error')) process.exitCode = 1;
   * ```
   */
  async plan(options: PlanOptions = {}): Promise<PlanPreview> {
    const { preflight } = await import('./engine/planning/preflight.ts');
    return await preflight(this.#options, options, this.#emitter);
  }

  /**
   * Copies what is not copied yet. Resolves `completed`, or `paused` where the signal or the budget ended the run.
   *
   * @throws MigratorError `CHECKPOINTS_FAILED` where checkpoints failed (the others were copied), or the error that
   * stopped the run; `error.result` holds the same summary that a run resolves with.
   */
  async run(options: RunOptions = {}): Promise<RunResult> {
    checkBudget(options.budget ?? {});
    return await runMigration(this.#options, options, this.#emitter);
  }

  /** Reads durable progress. Needs the store alone, and the source where the name of the migration is to be had from it. */
  async status(context: CallContext = {}): Promise<Progress> {
    const { store } = this.#options;
    return await this.#retrying(
      'read progress',
      async () => {
        const migration = await this.#name(context);
        const stored = await store.readPlan(migration, context);
        return stored ? await readProgress(store, migration, context) : emptyProgress(migration);
      },
      context,
    );
  }

  /**
   * Compares both sides and changes nothing. `count` compares the number of rows of every completed checkpoint, `full`
   * every value of every row: rows that miss, that differ (and in which columns), and that only the sink has. What
   * differs is read once more before it is reported, so rows that change meanwhile do no harm.
   *
   * @throws MigratorError `INVALID_OPTION`, or `VERIFY_UNSUPPORTED` where `full` is asked for and rows cannot be found by their key.
   * @example
   * ```ts
   * const { equal, missing, different, extra } = await migrator.verify({ mode: 'full' });
   * ```
   */
  async verify(options?: VerifyOptions & { readonly mode?: 'count' }): Promise<CountVerification>;
  async verify(options: VerifyOptions & { readonly mode: 'full' }): Promise<FullVerification>;
  async verify(options: VerifyOptions = {}): Promise<CountVerification | FullVerification> {
    checkVerify(options);
    const { verifyMigration } = await import('./engine/verifying/repair.ts');
    return await verifyMigration(this.#options, options, this.#emitter);
  }

  /**
   * Mends what `verify()` of the same mode finds, and compares once more. `count` copies the checkpoints that differ
   * again; rows that only the sink has stay there, and are still reported. `full` writes the rows again that miss or
   * differ, and deletes those that only the sink has.
   *
   * @throws MigratorError `INVALID_OPTION`
   */
  async repair(
    options?: VerifyOptions & { readonly mode?: 'count' },
  ): Promise<RepairResult<CountVerification>>;
  async repair(options: VerifyOptions & { readonly mode: 'full' }): Promise<RepairResult<FullVerification>>;
  async repair(
    options: VerifyOptions = {},
  ): Promise<RepairResult<CountVerification> | RepairResult<FullVerification>> {
    checkVerify(options);
    const { repairMigration } = await import('./engine/verifying/repair.ts');
    const repaired = await repairMigration(this.#options, options, this.#emitter);
    return repaired as RepairResult<CountVerification> | RepairResult<FullVerification>;
  }

  /**
   * The checkpoints as they are stored, in the order of their ranges. Of one status, where the filter says so.
   *
   * @example
   * ```ts
   * for await (const { seq, errorMessage } of migrator.checkpoints({ status: 'failed' })) console.log(seq, errorMessage);
   * ```
   */
  checkpoints(filter: CallContext & Pick<CheckpointFilter, 'status'> = {}): AsyncGenerator<Checkpoint, void> {
    return listCheckpoints(this.#lister, filter);
  }

  /**
   * The rows that were set aside, with their reasons, in the order in which they were.
   *
   * @example
   * ```ts
   * for await (const { key, code, reason } of migrator.rejects()) console.log(key, code, reason);
   * ```
   */
  rejects(context: CallContext = {}): AsyncGenerator<StoredReject, void> {
    return listRejects(this.#lister, context);
  }

  /**
   * Forgets the checkpoints, and the rows that were set aside. The rows in the sink stay; the next run plans anew and
   * copies from the start.
   */
  async reset(context: CallContext = {}): Promise<void> {
    const { store, sink } = this.#options;
    await this.#retrying(
      'reset',
      async () => {
        const migration = await this.#name(context);
        // First, so that a reset which is interrupted can be asked for again.
        await sink.rejects?.clear(migration, undefined, context);
        if (await store.readPlan(migration, context)) await store.clear(migration, context);
      },
      context,
    );
  }

  /**
   * What a group has to know of this table.
   *
   * @internal
   */
  async describe(context: CallContext): Promise<GroupMember> {
    const { describeMember } = await import('./engine/group/group-calls.ts');
    return await this.#retrying('describe', () => describeMember(this.#options, context), context);
  }

  /** Ends what source and sink opened themselves. Pools and bindings that the host passed in stay open. */
  async close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => (this.#closing = null));
    await this.#closing;
  }

  /** Calls {@link close}: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { source, sink } = this.#options;
    // One that cannot be closed must not keep the other open.
    try {
      await source.close?.();
    } finally {
      await sink.close?.();
    }
  }

  get #lister(): Lister {
    return {
      options: this.#options,
      name: async (context) => await this.#name(context),
      retrying: async (operation, call, context) => await this.#retrying(operation, call, context),
    };
  }

  async #name(context: CallContext): Promise<string> {
    const { name, source } = this.#options;
    return name ?? source.name ?? (await source.describe(context)).name;
  }

  /** Outside of a run calls are tried again as they are in one. */
  async #retrying<T>(operation: string, call: () => Promise<T>, context: CallContext): Promise<T> {
    const { retry, name } = this.#options;
    return await withRetries(operation, call, retry, context, (notice) =>
      this.#emitter('retry', retryEvent(name ?? '', notice)),
    );
  }

  readonly #emitter = <Name extends keyof MigrationEvents>(
    event: Name,
    payload: MigrationEvents[Name],
  ): void => {
    this.#events.emit(event, payload);
  };

  #guard<Name extends keyof MigrationEvents>(
    event: Name,
    listener: (payload: MigrationEvents[Name]) => unknown,
  ): (payload: unknown) => void {
    const ofEvent = this.#guards.get(event) ?? new WeakMap<object, (payload: unknown) => void>();
    this.#guards.set(event, ofEvent);
    const known = ofEvent.get(listener);
    if (known) return known;
    const report = (error: unknown): void => {
      // An error of an error listener has no one left to hear it.
      if (event !== 'listener:error') this.#emitter('listener:error', { event, error });
    };
    const guarded = (payload: unknown): void => {
      try {
        const returned: unknown = listener(payload as MigrationEvents[Name]);
        if (returned instanceof Promise) returned.catch(report);
      } catch (error) {
        report(error);
      }
    };
    ofEvent.set(listener, guarded);
    return guarded;
  }
}

/** Without types any word could be a mode, and compare less than was asked for. */
function checkVerify({ mode, budget }: VerifyOptions): void {
  if (!['count', 'full'].includes(mode ?? 'count')) {
    throw invalidOption(
      `mode must be "count" or "full", not "${String(mode)}".`,
      'Leave it out to compare the numbers of rows.',
    );
  }
  checkBudget(budget ?? {});
}
