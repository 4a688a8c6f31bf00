import type {
  BatchEvent,
  BatchLimitEvent,
  CallContext,
  Checkpoint,
  CheckpointFailedEvent,
  MigrationEvents,
  MigrationEventSource,
  PlanEvent,
  Progress,
  RetryEvent,
  RowRejectedEvent,
  RunResult,
  RunStartEvent,
} from '../contract/index.ts';
import type { VerifyResult } from '../engine/index.ts';
import { isMigratorError, showKey } from '../errors.ts';
import { CheckpointStrip } from './checkpoint-strip.ts';
import type {
  MigrationRecord,
  RecordedError,
  RecordedFailure,
  RecordedLimit,
  RecordedRetry,
  RecordedRun,
  RecordedTotals,
  RecordedVerification,
} from './record.ts';
import { TimeSeriesRecorder } from './time-series.ts';
import { verificationRecord } from './verification.ts';

/** What a recorder needs of a migrator: any `ResumableMigrator` has it. */
export interface RecordedMigrator extends MigrationEventSource {
  /** Durable progress. */
  status(context?: CallContext): Promise<Progress>;
  /** The stored checkpoints, in the order of their ranges. */
  checkpoints(context?: CallContext): AsyncIterable<Checkpoint>;
}

/** Options of {@link recordRun}. */
export interface RecordOptions {
  /** What the record is called until the first event, or {@link RunRecorder.load}, tells the migration's name. */
  readonly migration?: string | undefined;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** How much is kept of what could grow without an end; the sums go on counting. */
const kept = { runs: 20, limits: 50, retries: 50, failures: 100, rejectCodes: 20, rejectKeys: 5 };

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * Listens to a migrator and keeps a record of what it does, for {@link renderReport}. An event costs a few additions,
 * and the record does not grow with the rows, nor with the time.
 *
 * @example
 * ```ts
 * const recorder = recordRun(migrator);
 * await migrator.run();
 * recorder.verified(await migrator.verify({ mode: 'full' }));
 * await writeFile('report.html', renderReport([recorder.toJSON()]));
 * ```
 */
export function recordRun(migrator: RecordedMigrator, options: RecordOptions = {}): RunRecorder {
  return new RunRecorder(migrator, options);
}

/** See {@link recordRun}. */
export class RunRecorder implements Disposable {
  readonly #migrator: RecordedMigrator;
  readonly #now: () => number;
  readonly #detach: (() => void)[] = [];
  readonly #series = new TimeSeriesRecorder();
  #strip = new CheckpointStrip();
  readonly #runs: Mutable<RecordedRun>[] = [];
  readonly #limits: RecordedLimit[] = [];
  readonly #retries = new Map<string, Mutable<RecordedRetry>>();
  readonly #rejects = new Map<string, { code: string; rows: number; keys: string[] }>();
  readonly #failures = new Map<number, RecordedFailure>();
  readonly #totals: Mutable<RecordedTotals> = {
    runs: 0,
    rows: 0,
    written: 0,
    rejected: 0,
    bytes: 0,
    batches: 0,
    retries: 0,
    retryDelayMs: 0,
    waits: 0,
    waitMs: 0,
    lost: 0,
    failures: 0,
    limits: 0,
  };
  #migration: string;
  #start: RunStartEvent | null = null;
  #checkpointSize: number | null = null;
  #progress: MigrationRecord['progress'] = null;
  #totalRows: number | null = null;
  #error: RecordedError | null = null;
  #verification: RecordedVerification | null = null;

  /** @internal */
  constructor(migrator: RecordedMigrator, { migration = '', now = Date.now }: RecordOptions) {
    this.#migrator = migrator;
    this.#migration = migration;
    this.#now = now;
    this.#listen('run:start', (event) => this.#began(event));
    this.#listen('plan:ready', (event) => this.#planned(event));
    this.#listen('checkpoint:claimed', ({ seq }) => {
      this.#failures.delete(seq);
      this.#strip.set(seq, 'in_progress');
    });
    this.#listen('checkpoint:completed', ({ seq }) => this.#strip.set(seq, 'completed'));
    this.#listen('checkpoint:failed', (event) => this.#checkpointFailed(event));
    this.#listen('checkpoint:lost', () => {
      this.#totals.lost += 1;
    });
    this.#listen('batch:committed', (event) => this.#batch(event));
    this.#listen('batch:limit', (event) => this.#limit(event));
    this.#listen('row:rejected', (event) => this.#rejected(event));
    this.#listen('progress', (event) => {
      const { rows, rejected, totalRows, completedCheckpoints, totalCheckpoints, percent } = event;
      this.#totalRows = totalRows;
      this.#strip.grow(totalCheckpoints);
      if (!this.#progress) return;
      const checkpoints = {
        ...this.#progress.checkpoints,
        total: totalCheckpoints,
        completed: completedCheckpoints,
      };
      this.#progress = { ...this.#progress, rows, rejected, percent, checkpoints };
    });
    this.#listen('retry', (event) => this.#retry(event));
    this.#listen('wait', ({ waitMs }) => {
      this.#totals.waits += 1;
      this.#totals.waitMs += waitMs;
      this.#series.count(this.#now(), 'waits');
    });
    this.#listen('run:end', (result) => this.#ended(result));
  }

  /** The migration's name, as far as it is known. */
  get migration(): string {
    return this.#migration;
  }

  /** Ends the listening. What was recorded stays. */
  detach(): void {
    for (const off of this.#detach.splice(0)) off();
  }

  /** The same as {@link RunRecorder.detach}. */
  [Symbol.dispose](): void {
    this.detach();
  }

  /**
   * Reads durable progress and every stored checkpoint: what earlier runs and other processes did is known from then on.
   * Without a run it makes a record of a migration that ran elsewhere. Needs memory for one page of checkpoints.
   */
  async load(context: CallContext = {}): Promise<void> {
    const progress = await this.#migrator.status(context);
    this.#migration = progress.migration;
    this.#setProgress(progress);
    // Beside the former one: where the listing breaks off, that stays.
    const strip = new CheckpointStrip();
    for await (const { seq, status } of this.#migrator.checkpoints(context)) strip.set(seq, status);
    this.#strip = strip;
    const heard = new Map(this.#failures);
    this.#failures.clear();
    // What was heard has a time, what is stored has none.
    for (const failure of progress.failures)
      this.#noteFailure({ ...failure, at: heard.get(failure.seq)?.at ?? null });
  }

  /** Adds what a comparison of both sides found: the result of `verify()`, or `after` of `repair()`. */
  verified(result: VerifyResult): void {
    this.#migration = result.migration;
    this.#verification = verificationRecord(result, this.#time());
  }

  /** Adds the error that `run()` rejected with. Failed checkpoints alone are known from the events. */
  failed(error: unknown): void {
    if (!isMigratorError(error)) {
      const message = error instanceof Error ? error.message : String(error);
      this.#error = { code: null, message, help: null };
    } else if (error.code !== 'CHECKPOINTS_FAILED') {
      this.#error = { code: error.code, message: error.message, help: error.help };
    }
  }

  /** The record, for `renderReport()` or to be kept. */
  toJSON(): MigrationRecord {
    const running = this.#runs.at(-1)?.status === 'running';
    if (running) this.#series.reach(this.#now());
    return {
      version: 1,
      migration: this.#migration,
      source: this.#start?.source ?? null,
      sink: this.#start?.sink ?? null,
      delivery: this.#start?.delivery ?? null,
      checkpointSize: this.#checkpointSize,
      recordedAt: this.#time(),
      progress: this.#progress,
      totalRows: this.#totalRows,
      runs: this.#runs.map((run) => ({ ...run })),
      totals: { ...this.#totals },
      series: this.#series.toJSON(),
      limits: [...this.#limits],
      retries: [...this.#retries.values()].map((retry) => ({ ...retry })),
      rejects: [...this.#rejects.values()].map((reject) => ({ ...reject, keys: [...reject.keys] })),
      checkpoints: this.#strip.cells(),
      failures: [...this.#failures.values()].toSorted((a, b) => a.seq - b.seq),
      error: this.#error,
      verification: this.#verification,
    };
  }

  #listen<Name extends keyof MigrationEvents>(
    event: Name,
    listener: (payload: MigrationEvents[Name]) => void,
  ): void {
    this.#migrator.on(event, listener);
    this.#detach.push(() => this.#migrator.off(event, listener));
  }

  #time(): string {
    return new Date(this.#now()).toISOString();
  }

  #began(event: RunStartEvent): void {
    this.#start = event;
    this.#migration = event.migration;
    this.#addRun(this.#now());
  }

  #addRun(startedAt: number): Mutable<RecordedRun> {
    const run: Mutable<RecordedRun> = {
      startedAt: new Date(startedAt).toISOString(),
      endedAt: null,
      status: 'running',
      reason: null,
      resumeAt: null,
      rows: 0,
      batches: 0,
      completedCheckpoints: 0,
      milliseconds: 0,
    };
    this.#error = null;
    this.#totals.runs += 1;
    this.#series.begin(startedAt);
    this.#runs.push(run);
    if (this.#runs.length > kept.runs) this.#runs.shift();
    return run;
  }

  #planned({ checkpointSize, progress }: PlanEvent): void {
    this.#checkpointSize = checkpointSize;
    this.#setProgress(progress);
    for (const failure of progress.failures) this.#noteFailure({ ...failure, at: null });
  }

  #setProgress(progress: Progress): void {
    const { failures: _failures, lastCompleted: _last, next: _next, ...counts } = progress;
    this.#progress = counts;
    this.#strip.progress(progress);
  }

  #ended(result: RunResult): void {
    const now = this.#now();
    const { status, reason, resumeAt, rows, batches, completedCheckpoints, milliseconds } = result;
    const latest = this.#runs.at(-1);
    // One that ends before it began has its end alone, and knows nothing of durable progress.
    const early = latest?.status !== 'running';
    const run = early ? this.#addRun(now - milliseconds) : latest;
    this.#series.reach(now);
    if (!early) {
      this.#strip.giveBack();
      this.#setProgress(result.progress);
    }
    Object.assign(run, { status, reason, rows, batches, completedCheckpoints, milliseconds });
    run.endedAt = this.#time();
    run.resumeAt = resumeAt?.toISOString() ?? null;
  }

  #batch({ rows, written, rejected, bytes, milliseconds }: BatchEvent): void {
    const totals = this.#totals;
    totals.batches += 1;
    totals.rows += rows;
    totals.written += written;
    totals.rejected += rejected;
    totals.bytes += bytes;
    this.#series.batch(this.#now(), rows, milliseconds);
  }

  #limit({ rows, previous, reason }: BatchLimitEvent): void {
    this.#totals.limits += 1;
    this.#limits.push({ at: this.#time(), rows, previous, reason });
    if (this.#limits.length > kept.limits) this.#limits.shift();
  }

  #rejected({ code, key }: RowRejectedEvent): void {
    const known = this.#rejects.get(code);
    if (!known && this.#rejects.size >= kept.rejectCodes) return;
    const reject = known ?? { code, rows: 0, keys: [] };
    reject.rows += 1;
    // Keys and never the reason: that may hold values of the row.
    if (reject.keys.length < kept.rejectKeys) reject.keys.push(showKey(key));
    this.#rejects.set(code, reject);
  }

  #retry({ code, operation, delayMs, message }: RetryEvent): void {
    this.#totals.retries += 1;
    this.#totals.retryDelayMs += delayMs;
    this.#series.count(this.#now(), 'retries');
    const name = `${code} ${operation}`;
    const known = this.#retries.get(name);
    if (!known && this.#retries.size >= kept.retries) return;
    const at = this.#time();
    const retry = known ?? { code, operation, count: 0, firstAt: at, lastAt: at, message };
    Object.assign(retry, { count: retry.count + 1, lastAt: at, message });
    this.#retries.set(name, retry);
  }

  #checkpointFailed({ migration: _migration, ...failure }: CheckpointFailedEvent): void {
    this.#totals.failures += 1;
    this.#series.count(this.#now(), 'failures');
    this.#strip.set(failure.seq, 'failed');
    this.#noteFailure({ ...failure, at: this.#time() });
  }

  #noteFailure(failure: RecordedFailure): void {
    if (this.#failures.size < kept.failures || this.#failures.has(failure.seq))
      this.#failures.set(failure.seq, failure);
  }
}
