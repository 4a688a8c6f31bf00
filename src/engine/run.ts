import pLimit from 'p-limit';
import type { CallContext, Progress, RunResult } from '../contract/index.ts';
import { isMigratorError, MigratorError } from '../errors.ts';
import { ReadGate } from './copying/read-gate.ts';
import { RowSizes } from './paging.ts';
import { BatchLimit, type LimitChange, unlimitedRows } from './copying/batch-limit.ts';
import type { CopyJob } from './copying/job.ts';
import type { Budget, EngineOptions } from './options.ts';
import type { Prepared } from './planning/plan.ts';
import { Planning } from './planning/planning.ts';
import type * as Survey from './planning/survey.ts';
import { emptyProgress, ProgressMeter, readProgress } from './progress.ts';
import { retryEvent, type RetryNotice, withRetries } from './retry.ts';
import { RunControl } from './run-control.ts';
import { type Emit, Scheduler } from './copying/scheduler.ts';
import { emptyTally } from './copying/tally.ts';

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
    // What is asked and decided before a copy; the copy itself needs none of it.
    const survey = await import('./planning/survey.ts');
    // Adapters may be slow to notice a signal; nothing is to happen after it.
    if (control.stopped) return execution.pausedEarly();
    return await execution.execute(survey);
  } catch (error) {
    // The host's signal before the first claim is a pause like any other.
    if ((control.stopped && error === control.stop.reason) || control.pauseFor(error))
      return execution.pausedEarly();
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
  readonly #tally = emptyTally();
  #progress: Progress | null = null;
  #migration = '';
  #ended = false;

  constructor(options: EngineOptions, control: RunControl, emit: Emit) {
    this.#options = options;
    this.#control = control;
    this.#emit = emit;
  }

  async execute({ prepare, refuseErrors, checkpointsGone }: typeof Survey): Promise<RunResult> {
    const { store } = this.#options;
    const stopContext: CallContext = { signal: this.#control.stop };
    const retried = (notice: RetryNotice): void =>
      this.#retried(this.#options.name ?? this.#migration, notice);
    const retrying = <T>(operation: string, call: () => Promise<T>, context = stopContext): Promise<T> =>
      withRetries(operation, call, this.#options.retry, context, retried);

    const prepared = await retrying('prepare', () => prepare(this.#options, stopContext));
    const { migration } = prepared;
    this.#migration = migration;
    refuseErrors(prepared);
    this.#emit('run:start', {
      migration,
      runId: this.#id,
      source: prepared.description.identity,
      sink: prepared.target.identity,
      delivery: prepared.delivery,
      concurrency: this.#options.concurrency,
    });
    const planning = new Planning(this.#options, prepared, stopContext, retried);
    await planning.headStart(this.#options.planAheadMs, this.#control.stop);
    const before =
      planning.progress(migration) ??
      (await retrying('read progress', () => readProgress(store, migration, stopContext)));
    this.#progress = before;
    this.#emit('plan:ready', {
      migration,
      checkpointSize: prepared.settings.checkpointSize,
      added: planning.added,
      complete: planning.finished,
      progress: before,
    });
    const meter = new ProgressMeter(before, prepared.description.estimatedRows, (event) =>
      this.#emit('progress', event),
    );

    const scheduler = new Scheduler(
      {
        job: this.#job(prepared),
        owner: this.#id,
        concurrency: this.#options.concurrency,
        left: before.checkpoints.total - before.checkpoints.completed,
        planning,
        meter,
        control: this.#control,
        emit: this.#emit,
      },
      this.#tally,
    );
    const afterContext: CallContext = { signal: this.#control.abort };
    const hasFailed = (): boolean => this.#tally.failures.length > 0 || this.#control.fatal !== null;
    const readAfter = async (): Promise<Progress | null> =>
      await retrying('read progress', () => readProgress(store, migration, afterContext), afterContext)
        // What failed, if anything did, says more than a store that cannot be reached any more.
        .catch((error: unknown) => {
          if (!hasFailed() && this.#tally.gone === 0) throw error;
          return null;
        });
    const asked = await scheduler.run(true);
    let read = await readAfter();
    if (!asked && read && read.checkpoints.pending + read.checkpoints.inProgress > 0) {
      // Somebody made more of it, or opened some again.
      await scheduler.run(false);
      read = await readAfter();
    }

    const { fatal } = this.#control;
    const failed = hasFailed();
    const progress = read ?? before;
    const { total, completed, inProgress, pending, failed: failing } = progress.checkpoints;
    const known = Math.max(planning.lastSeq, before.checkpoints.total, total);
    // What is deleted needs no copying any more, so the rest may be complete without it.
    const missing = read ? known - completed - inProgress - pending - failing : 0;
    const gone = Math.max(this.#tally.gone, failed || this.#control.stopped ? 0 : missing);
    meter.finish(gone > 0 ? null : read);
    const copied = planning.finished && completed === known;
    const done = copied && !failed && gone === 0 && (await this.#finish(prepared, progress, retrying));
    const result = this.#end(failed || gone > 0 ? 'failed' : done ? 'completed' : 'paused', progress);
    if (fatal) throw isMigratorError(fatal.error) ? fatal.error.with({ migration, result }) : fatal.error;
    if (gone > 0) throw checkpointsGone(migration, Math.max(gone, missing), known).with({ result });
    if (failed) throw this.#failuresError(migration, result);
    return result;
  }

  /** Has the sink make what it makes after the copy. False: the run was stopped before, and the next one does it. */
  async #finish(
    { target }: Prepared,
    progress: Progress,
    retrying: (operation: string, call: () => Promise<void>, context: CallContext) => Promise<void>,
  ): Promise<boolean> {
    if (!target.finish) return true;
    if (this.#control.stopped) return false;
    // What is copied stays copied, whatever becomes of the rest.
    this.#progress = progress;
    const context: CallContext = { signal: this.#control.abort };
    await retrying('finish', async () => await target.finish?.(context), context);
    return true;
  }

  /** What is known when the run ends before anything was claimed. */
  pausedEarly(): RunResult {
    return this.#end('paused');
  }

  /** Adds the summary to an error that ended the run before it had one. */
  failed(error: unknown): unknown {
    if (this.#ended) return error;
    const result = this.#end('failed');
    return isMigratorError(error) ? error.with({ result }) : error;
  }

  #end(status: RunResult['status'], known: Progress | null = this.#progress): RunResult {
    const progress = known ?? emptyProgress(this.#options.name ?? this.#migration);
    const { rows, written, rejected, batches, completed, failures } = this.#tally;
    const isPaused = status === 'paused';
    const result = {
      migration: progress.migration,
      status,
      reason: isPaused ? this.#control.reason : null,
      resumeAt: isPaused ? this.#control.resumeAt : null,
      rows,
      written,
      rejected,
      batches,
      completedCheckpoints: completed,
      milliseconds: Math.round(performance.now() - this.#started),
      failures,
      progress,
    };
    this.#ended = true;
    this.#emit('run:end', result);
    return result;
  }

  #job(prepared: Prepared): CopyJob {
    const { batchSize, targetBatchMs, onReject, concurrency } = this.#options;
    const { migration, pipeline } = prepared;
    const writes = pLimit(concurrency);
    const gate = new ReadGate(concurrency, writes);
    // With a pipeline rows of the source are not rows of a batch: only what the sink asks for limits them.
    const batchLimit = new BatchLimit(
      pipeline === null ? batchSize : undefined,
      batchSize === undefined ? targetBatchMs : Infinity,
      (change) => this.#limited(migration, change),
    );
    if (pipeline === null && batchSize === undefined) batchLimit.begin(prepared.description);
    return {
      ...this.#options,
      ...prepared,
      setAside: onReject === 'set-aside',
      batchLimit,
      encoders: [],
      sizes: new RowSizes(prepared.description.estimatedRowBytes),
      gate,
      inFlight: async (write) => await writes(write).finally(() => gate.wake()),
      stop: this.#control.stop,
      abort: this.#control.abort,
      admit: (rows) => this.#control.admit(rows),
      retried: (notice) => this.#retried(migration, notice),
    };
  }

  #limited(migration: string, { rows, previous, reason }: LimitChange): void {
    const shown = (limit: number): number | null => (limit === unlimitedRows ? null : limit);
    this.#emit('batch:limit', { migration, rows: shown(rows), previous: shown(previous), reason });
  }

  #retried(migration: string, notice: RetryNotice): void {
    const { error, delayMs } = notice;
    this.#emit('retry', retryEvent(migration, notice));
    const told = error.retryAfterMs !== undefined && !error.ambiguous;
    if (told && !this.#control.admitDelay(delayMs)) throw this.#control.stop.reason;
  }

  #failuresError(migration: string, result: RunResult): MigratorError {
    const { failures, firstFailure: cause, retryable } = this.#tally;
    const many = failures.length === 1 ? '1 checkpoint failed' : `${failures.length} checkpoints failed`;
    return new MigratorError('CHECKPOINTS_FAILED', `${many}; the first: ${failures[0]?.message ?? ''}`, {
      migration,
      help: `${isMigratorError(cause) ? `${cause.help} ` : ''}Then run again: completed checkpoints are skipped, failed ones go on where they stopped.`,
      retryable,
      cause,
      result,
    });
  }
}
