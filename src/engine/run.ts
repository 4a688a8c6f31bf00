import pLimit from 'p-limit';
import type {
  CallContext,
  Checkpoint,
  CheckpointFailure,
  MigrationEvents,
  Progress,
  RunResult,
} from '../contract/index.ts';
import { isMigratorError, MigratorError } from '../errors.ts';
import { copyCheckpoint, type CopyJob } from './copy.ts';
import type { Budget, EngineOptions } from './options.ts';
import { ensurePlan, prepare, type Prepared } from './plan.ts';
import { emptyProgress, ProgressMeter, readProgress, storedError } from './progress.ts';
import { type RetryNotice, sleep, withRetries } from './retry.ts';
import { RunControl } from './run-control.ts';

/** How often a run that waits for others' leases looks again, at the latest. Milliseconds. */
const longestWaitMs = 2_000;

/** Errors after which no other checkpoint could succeed either: the run stops at once. */
const fatalCodes: ReadonlySet<string> = new Set([
  'SOURCE_CREDENTIALS',
  'SOURCE_TABLE_NOT_FOUND',
  'SOURCE_COLUMN_NOT_FOUND',
  'SINK_CREDENTIALS',
  'SINK_DATABASE_NOT_FOUND',
  'SINK_TABLE_NOT_FOUND',
  'SINK_COLUMN_MISSING',
  'SINK_QUOTA_EXHAUSTED',
  'INTERNAL',
]);

/** Emits an event of the migrator. Never throws. */
export type Emit = <Name extends keyof MigrationEvents>(event: Name, payload: MigrationEvents[Name]) => void;

/** Options of one run. */
export interface RunOptions {
  /** Ends the run between two batches; the batch in flight is waited for within the grace time. */
  readonly signal?: AbortSignal | undefined;
  readonly budget?: Budget | undefined;
}

/** Plans what is not planned, copies what is not copied, and says what was done. */
export async function runMigration(options: EngineOptions, run: RunOptions, emit: Emit): Promise<RunResult> {
  const control = new RunControl(run, options.graceMs);
  const execution = new Run(options, control, emit);
  try {
    // Adapters may be slow to notice a signal; nothing is to happen after it.
    if (control.stopped) return execution.pausedEarly();
    return await execution.execute();
  } catch (error) {
    // The host's signal before the first claim is a pause like any other.
    if (control.stopped && error === control.stop.reason) return execution.pausedEarly();
    throw execution.failed(error);
  } finally {
    control.dispose();
  }
}

class Run {
  readonly #options: EngineOptions;
  readonly #control: RunControl;
  readonly #emit: Emit;
  readonly #started = performance.now();
  readonly #id = crypto.randomUUID();
  readonly #failures: CheckpointFailure[] = [];
  #firstFailure: unknown = null;
  #rows = 0;
  #batches = 0;
  #completed = 0;
  #progress: Progress | null = null;
  #migration = '';
  #ended = false;

  constructor(options: EngineOptions, control: RunControl, emit: Emit) {
    this.#options = options;
    this.#control = control;
    this.#emit = emit;
  }

  async execute(): Promise<RunResult> {
    const { store } = this.#options;
    const stopContext: CallContext = { signal: this.#control.stop };
    const retried = (notice: RetryNotice): void =>
      this.#retried(this.#options.name ?? this.#migration, notice);
    const retrying = <T>(operation: string, call: () => Promise<T>, context = stopContext): Promise<T> =>
      withRetries(operation, call, this.#options.retry, context, retried);

    const prepared = await retrying('prepare', () => prepare(this.#options, stopContext));
    const { migration } = prepared;
    this.#migration = migration;
    this.#emit('run:start', {
      migration,
      runId: this.#id,
      source: prepared.description.identity,
      sink: prepared.target.identity,
      delivery: prepared.delivery,
      concurrency: this.#options.concurrency,
    });
    const added = await retrying('plan', () => ensurePlan(this.#options, prepared, stopContext));
    const before = await retrying('read progress', () => readProgress(store, migration, stopContext));
    this.#progress = before;
    this.#emit('plan:ready', {
      migration,
      checkpointSize: prepared.settings.checkpointSize,
      added,
      progress: before,
    });
    const meter = new ProgressMeter(before, prepared.description.estimatedRows, (event) =>
      this.#emit('progress', event),
    );

    await this.#copyAll(prepared, meter);

    const afterContext: CallContext = { signal: this.#control.abort };
    const progress = await retrying(
      'read progress',
      () => readProgress(store, migration, afterContext),
      afterContext,
    )
      // The copying error, if there is one, says more than a store that cannot be reached any more.
      .catch((error: unknown) => {
        if (this.#control.fatal === null) throw error;
        return before;
      });
    meter.finish();
    const failed = this.#failures.length > 0 || this.#control.fatal !== null;
    const done = progress.checkpoints.completed === progress.checkpoints.total;
    const result = this.#end(this.#result(failed ? 'failed' : done ? 'completed' : 'paused', progress));
    if (this.#control.fatal !== null) throw this.#fatalError(migration, result);
    if (failed) throw this.#failuresError(migration, result);
    return result;
  }

  /** What is known when the run ends before anything was claimed. */
  pausedEarly(): RunResult {
    const progress = this.#progress ?? emptyProgress(this.#options.name ?? this.#migration);
    return this.#end(this.#result('paused', progress));
  }

  /** Adds the summary to an error that ended the run before it had one. */
  failed(error: unknown): unknown {
    if (this.#ended) return error;
    const progress = this.#progress ?? emptyProgress(this.#options.name ?? this.#migration);
    const result = this.#end(this.#result('failed', progress));
    return isMigratorError(error) ? error.with({ result }) : error;
  }

  #end(result: RunResult): RunResult {
    this.#ended = true;
    this.#emit('run:end', result);
    return result;
  }

  #result(status: RunResult['status'], progress: Progress): RunResult {
    return {
      migration: progress.migration,
      status,
      reason: status === 'paused' ? this.#control.reason : null,
      rows: this.#rows,
      batches: this.#batches,
      completedCheckpoints: this.#completed,
      milliseconds: Math.round(performance.now() - this.#started),
      failures: this.#failures,
      progress,
    };
  }

  /** Claims checkpoints one after the other and copies several at a time, until nothing is left to claim. */
  async #copyAll(prepared: Prepared, meter: ProgressMeter): Promise<void> {
    const { store, concurrency, leaseMs, retry } = this.#options;
    const { migration } = prepared;
    const context: CallContext = { signal: this.#control.stop };
    const limit = pLimit(concurrency);
    const active = new Set<Promise<void>>();
    const job = this.#job(prepared);
    try {
      while (!this.#control.stopped) {
        if (active.size >= concurrency) {
          await Promise.race(active);
          continue;
        }
        const claim = await withRetries(
          'claim a checkpoint',
          // Not ended by the signal: a claim that nobody hears of would be held until its lease ends.
          () => store.claim(migration, { owner: this.#id, leaseMs }, { signal: this.#control.abort }),
          retry,
          context,
          job.retried,
        );
        if (claim.kind === 'claimed') {
          const task = limit(() => this.#copyOne(job, claim.checkpoint, meter)).finally(() =>
            active.delete(task),
          );
          active.add(task);
        } else if (active.size > 0) {
          await Promise.race(active);
        } else if (claim.kind === 'busy') {
          const waitMs = this.#control.admitWait(Math.min(Math.max(claim.waitMs, 50), longestWaitMs));
          if (waitMs === 0) break;
          this.#emit('wait', { migration, waitMs });
          await sleep(waitMs, this.#control.stop);
        } else {
          break;
        }
      }
    } catch (error) {
      if (!this.#control.stopped) this.#control.fail(error);
    }
    await Promise.all(active);
  }

  #job(prepared: Prepared): CopyJob {
    const { source, store, retry, leaseMs, pageSize, batchDelayMs, batchSize } = this.#options;
    const { migration, description, target, delivery } = prepared;
    return {
      migration,
      source,
      description,
      target,
      store,
      delivery,
      retry,
      leaseMs,
      pageSize,
      batchDelayMs,
      batchLimit: { rows: batchSize },
      stop: this.#control.stop,
      abort: this.#control.abort,
      admit: (rows) => this.#control.admit(rows),
      retried: (notice) => this.#retried(migration, notice),
    };
  }

  async #copyOne(job: CopyJob, checkpoint: Checkpoint, meter: ProgressMeter): Promise<void> {
    const { migration, store } = job;
    const { seq, range } = checkpoint;
    const event = { migration, seq, range };
    let { cursor, recordsProcessed: rows } = checkpoint;
    const lease = { migration, id: checkpoint.id, fenceToken: checkpoint.fenceToken };
    this.#emit('checkpoint:claimed', { ...event, cursor, rows });
    try {
      const end = await copyCheckpoint(job, checkpoint, (batch) => {
        cursor = batch.cursor;
        rows = batch.checkpointRows;
        this.#rows += batch.rows;
        this.#batches += 1;
        this.#emit('batch:committed', { migration, seq, ...batch });
        meter.batch(batch.rows);
      });
      if (end === 'completed') {
        this.#completed += 1;
        this.#emit('checkpoint:completed', { ...event, cursor, rows });
        meter.checkpointCompleted();
      } else if (end === 'lost') {
        this.#emit('checkpoint:lost', { ...event, cursor, rows });
      } else {
        // Best effort: an unreturned lease runs out by itself.
        await store.release(lease, { status: 'pending' }, { signal: job.abort }).catch(() => undefined);
      }
    } catch (error) {
      await this.#failOne(job, checkpoint, cursor, error);
    }
  }

  async #failOne(
    job: CopyJob,
    checkpoint: Checkpoint,
    cursor: CheckpointFailure['cursor'],
    error: unknown,
  ): Promise<void> {
    const { seq, range } = checkpoint;
    const { code, summary } = describeError(error);
    const place = { migration: job.migration, checkpoint: seq };
    const placed = isMigratorError(error) ? error.with(place) : error;
    const message = isMigratorError(placed) ? placed.message : summary;
    const failure: CheckpointFailure = { seq, range, cursor, code, message };
    this.#firstFailure ??= placed;
    this.#failures.push(failure);
    this.#emit('checkpoint:failed', { migration: job.migration, ...failure });
    if (fatalCodes.has(code)) this.#control.fail(placed);
    const lease = { migration: job.migration, id: checkpoint.id, fenceToken: checkpoint.fenceToken };
    const context: CallContext = { signal: job.abort };
    try {
      await withRetries(
        'record a failure',
        () =>
          job.store.release(lease, { status: 'failed', errorMessage: storedError(code, message) }, context),
        job.retry,
        context,
        job.retried,
      );
    } catch {
      // A store that cannot be written stops the run: going on would be work that nobody remembers.
      this.#control.fail(placed);
    }
  }

  #retried(migration: string, { operation, attempt, delayMs, error }: RetryNotice): void {
    this.#emit('retry', { migration, operation, attempt, delayMs, code: error.code, message: error.message });
  }

  #fatalError(migration: string, result: RunResult): unknown {
    const { fatal } = this.#control;
    return isMigratorError(fatal) ? fatal.with({ migration, result }) : fatal;
  }

  #failuresError(migration: string, result: RunResult): MigratorError {
    const [first] = this.#failures;
    const count = this.#failures.length;
    const many = count === 1 ? '1 checkpoint failed' : `${count} checkpoints failed`;
    return new MigratorError('CHECKPOINTS_FAILED', `${many}; the first: ${first?.message ?? ''}`, {
      migration,
      help: `${isMigratorError(this.#firstFailure) ? `${this.#firstFailure.help} ` : ''}Then run again: completed checkpoints are skipped, failed ones go on where they stopped.`,
      cause: this.#firstFailure,
      result,
    });
  }
}

function describeError(error: unknown): { code: string; summary: string } {
  if (isMigratorError(error)) return { code: error.code, summary: error.message };
  return { code: 'INTERNAL', summary: error instanceof Error ? error.message : String(error) };
}
