import type { Progress, ProgressEvent, RunResult } from 'resumable-migrator';
import { shownError } from './logging.ts';
import type { AnyMigrator } from './migrator.ts';

export type RunnerState = 'idle' | 'running' | 'pausing' | 'paused' | 'completed' | 'failed';

/** What the service says of its migration. Nothing in it is a value of a row. */
export interface RunnerStatus {
  readonly state: RunnerState;
  readonly migration: string | null;
  readonly rows: number;
  readonly totalRows: number | null;
  readonly percent: number;
  readonly rowsPerSecond: number;
  readonly remainingMs: number | null;
  readonly checkpoints: { readonly total: number; readonly completed: number };
  readonly failures: readonly { readonly checkpoint: number; readonly code: string }[];
  /** Why it paused, and from when on it goes on by itself. */
  readonly reason: RunResult['reason'];
  readonly resumeAt: Date | null;
  readonly error: ReturnType<typeof shownError> | null;
}

/** The longest wait that a timer takes. */
const mostWaitMs = 2_147_483_647;

/** Runs one migration, one run at a time, and knows where it stands without asking either database. */
export class Runner {
  readonly #migrator: AnyMigrator;
  readonly #onFailure: (error: unknown) => void;
  #state: RunnerState = 'idle';
  #abort = new AbortController();
  #running: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #progress: Progress | null = null;
  #latest: ProgressEvent | null = null;
  #result: RunResult | null = null;
  #error: unknown = null;

  constructor(migrator: AnyMigrator, onFailure: (error: unknown) => void) {
    this.#migrator = migrator;
    this.#onFailure = onFailure;
    migrator.on('plan:ready', ({ progress }) => (this.#progress = progress));
    migrator.on('progress', (event) => (this.#latest = event));
    migrator.on('run:end', (result) => {
      this.#result = result;
      this.#progress = result.progress;
    });
  }

  /** Begins a run, unless one is under way. Does not wait for it. */
  start(): void {
    if (this.#running) return;
    clearTimeout(this.#timer);
    this.#abort = new AbortController();
    this.#state = 'running';
    this.#error = null;
    this.#running = this.#run(this.#abort.signal).finally(() => (this.#running = null));
  }

  /** Ends the run: what is in flight is finished and saved. Resolves when it is. */
  async pause(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#running) this.#state = 'pausing';
    this.#abort.abort();
    await this.#running;
  }

  status(): RunnerStatus {
    const running = this.#running !== null;
    const failures = this.#progress?.failures ?? [];
    const checkpoints = this.#progress?.checkpoints;
    return {
      state: this.#state,
      migration: this.#latest?.migration ?? this.#progress?.migration ?? null,
      rows: Math.max(this.#latest?.rows ?? 0, this.#progress?.rows ?? 0),
      totalRows: this.#latest?.totalRows ?? null,
      percent: this.#state === 'completed' ? 100 : (this.#latest?.percent ?? this.#progress?.percent ?? 0),
      rowsPerSecond: running ? Math.round(this.#latest?.rowsPerSecond ?? 0) : 0,
      remainingMs: running ? (this.#latest?.remainingMs ?? null) : null,
      checkpoints: {
        total: Math.max(this.#latest?.totalCheckpoints ?? 0, checkpoints?.total ?? 0),
        completed: Math.max(this.#latest?.completedCheckpoints ?? 0, checkpoints?.completed ?? 0),
      },
      failures: failures.map(({ seq, code }) => ({ checkpoint: seq, code })),
      reason: running ? null : (this.#result?.reason ?? null),
      resumeAt: running ? null : (this.#result?.resumeAt ?? null),
      error: this.#error === null ? null : shownError(this.#error),
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      const { status, resumeAt } = await this.#migrator.run({ signal });
      this.#state = status;
      if (resumeAt) this.#startAt(resumeAt);
    } catch (error) {
      this.#state = 'failed';
      this.#error = error;
      this.#onFailure(error);
    }
  }

  /** A quota is used up until a known time; nobody has to wait for it at the keyboard. */
  #startAt(at: Date): void {
    const waitMs = Math.min(Math.max(at.getTime() - Date.now(), 0), mostWaitMs);
    this.#timer = setTimeout(() => this.start(), waitMs);
  }
}
