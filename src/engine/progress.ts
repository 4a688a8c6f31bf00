import type { CheckpointStore, CallContext, Progress, ProgressEvent } from '../contract/index.ts';

/** How far back the current rate looks. */
const windowMs = 10_000;

/** Turns committed batches into progress events: the rate over the last seconds, and the time left at that rate. */
export class ProgressMeter {
  #runRows = 0;
  #runRejected = 0;
  #planned = 0;
  #completed: number;
  #lastEmit = 0;
  readonly #samples: { readonly at: number; readonly rows: number }[] = [];
  #start: Progress;
  readonly #estimatedRows: number;
  readonly #emit: (event: ProgressEvent) => void;

  constructor(start: Progress, estimatedRows: number, emit: (event: ProgressEvent) => void) {
    this.#start = start;
    this.#estimatedRows = estimatedRows;
    this.#completed = start.checkpoints.completed;
    this.#emit = emit;
    this.#samples.push({ at: performance.now(), rows: 0 });
  }

  batch(rows: number, rejected: number): void {
    this.#runRows += rows;
    this.#runRejected += rejected;
    this.#tick(false);
  }

  /** Checkpoints that were added to the plan since the run began. */
  planned(checkpoints: number): void {
    this.#planned = checkpoints;
  }

  checkpointCompleted(): void {
    this.#completed += 1;
    this.#tick(false);
  }

  /** The last event of a run. @param now - what is stored by now, the work of other runs included; null: that is not known. */
  finish(now: Progress | null): void {
    if (now) {
      const [rows, rejected] = [now.rows - this.#runRows, now.rejected - this.#runRejected];
      this.#start = { ...now, rows, rejected };
      this.#planned = 0;
      this.#completed = now.checkpoints.completed;
    }
    this.#tick(true);
  }

  #tick(always: boolean): void {
    const now = performance.now();
    if (!always && now - this.#lastEmit < 100) return;
    this.#lastEmit = now;
    this.#samples.push({ at: now, rows: this.#runRows });
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? now) > windowMs) this.#samples.shift();
    const oldest = this.#samples[0] ?? { at: now, rows: 0 };
    const elapsed = now - oldest.at;
    const rowsPerSecond = elapsed > 0 ? ((this.#runRows - oldest.rows) / elapsed) * 1000 : 0;
    const total = this.#start.checkpoints.total + this.#planned;
    const rows = this.#start.rows + this.#runRows;
    const done = this.#completed >= total;
    const totalRows = done ? rows : Math.max(rows, this.#estimatedRows);
    this.#emit({
      migration: this.#start.migration,
      rows,
      runRows: this.#runRows,
      rejected: this.#start.rejected + this.#runRejected,
      totalRows,
      completedCheckpoints: this.#completed,
      totalCheckpoints: total,
      percent: done ? 100 : Math.min(99.9, (rows / (totalRows || 1)) * 100),
      rowsPerSecond,
      remainingMs: done ? 0 : rowsPerSecond > 0 ? ((totalRows - rows) / rowsPerSecond) * 1000 : null,
    });
  }
}

/** The progress of a migration that has no plan yet, or one of which nothing is copied. */
export function emptyProgress(
  migration: string,
  pending: number = 0,
  next: Progress['next'] = null,
): Progress {
  return {
    migration,
    checkpoints: { total: pending, completed: 0, inProgress: 0, pending, failed: 0 },
    rows: 0,
    written: 0,
    rejected: 0,
    percent: 0,
    lastCompleted: null,
    next,
    failures: [],
  };
}

/** Reads durable progress from the store: counts, the resume point, and the failures (the first hundred). */
export async function readProgress(
  store: CheckpointStore,
  migration: string,
  context: CallContext,
): Promise<Progress> {
  const summary = await store.summarize(migration, context);
  const { completed, inProgress, pending, failed, missing = 0 } = summary;
  const total = completed + inProgress + pending + failed + missing;
  const failures = failed === 0 ? [] : await store.list(migration, { status: 'failed', limit: 100 }, context);
  return {
    migration,
    checkpoints: { total, completed, inProgress, pending, failed },
    rows: summary.recordsProcessed,
    written: summary.recordsWritten,
    rejected: summary.recordsRejected,
    percent: total === 0 ? 0 : (completed / total) * 100,
    lastCompleted: summary.lastCompleted && {
      seq: summary.lastCompleted.seq,
      range: summary.lastCompleted.range,
    },
    next: summary.next && { seq: summary.next.seq, range: summary.next.range, cursor: summary.next.cursor },
    failures: failures.map(({ seq, range, cursor, errorMessage }) => ({
      seq,
      range,
      cursor,
      ...splitStoredError(errorMessage ?? ''),
    })),
  };
}

/** `error_message` holds `CODE: message`, so that the guide's queries show both. */
export function storedError(code: string, message: string): string {
  return `${code}: ${message}`;
}

function splitStoredError(stored: string): { code: string; message: string } {
  const match = /^([A-Z][A-Z_]+): ([^]*)$/.exec(stored);
  return match?.[1] && match[2] !== undefined
    ? { code: match[1], message: match[2] }
    : { code: 'SINK_FAILED', message: stored };
}
