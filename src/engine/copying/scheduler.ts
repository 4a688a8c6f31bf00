import type {
  CallContext,
  Checkpoint,
  CheckpointFailure,
  Lease,
  MigrationEvents,
} from '../../contract/index.ts';
import { isMigratorError, oneLine } from '../../errors.ts';
import { copyCheckpoint, type OnCommitted } from './copy.ts';
import type { CopyJob } from './job.ts';
import type { Planning } from '../planning/planning.ts';
import { type ProgressMeter, storedError } from '../progress.ts';
import { sleep, withRetries } from '../retry.ts';
import type { RunControl } from '../run-control.ts';

/** How often a run that waits for others' leases looks again, at the latest. Milliseconds. */
const longestWaitMs = 2_000;

/** Errors after which no other checkpoint could succeed either: the run stops at once. */
const fatalCodes: ReadonlySet<string> = new Set([
  'SOURCE_CREDENTIALS',
  'SOURCE_TABLE_NOT_FOUND',
  'SOURCE_COLUMN_NOT_FOUND',
  'SOURCE_CHANGED',
  'SINK_CREDENTIALS',
  'SINK_DATABASE_NOT_FOUND',
  'SINK_TABLE_NOT_FOUND',
  'SINK_COLUMN_MISSING',
  'SINK_QUOTA_EXHAUSTED',
  'INTERNAL',
]);

/** Emits an event of the migrator. Never throws. */
export type Emit = <Name extends keyof MigrationEvents>(event: Name, payload: MigrationEvents[Name]) => void;

/** What a run did so far. */
export interface Tally {
  rows: number;
  written: number;
  rejected: number;
  batches: number;
  completed: number;
  firstFailure: unknown;
  /** Whether each of the failures may pass by itself. */
  retryable: boolean;
  readonly failures: CheckpointFailure[];
}

/** What a {@link Scheduler} works with. */
export interface SchedulerParts {
  readonly job: CopyJob;
  /** Names the run in the store. */
  readonly owner: string;
  readonly concurrency: number;
  /** Checkpoints that are not completed, as far as they were planned when the run began to claim. */
  readonly left: number;
  readonly planning: Planning;
  readonly meter: ProgressMeter;
  readonly control: RunControl;
  readonly emit: Emit;
}

/** A claim found nothing: until when that may last. */
interface Nothing {
  /** Others hold what is left, so long. Null: nothing is left. */
  readonly waitMs: number | null;
  /** Whether planning was over when it was asked, and what tells of more. */
  readonly over: boolean;
  readonly change: Promise<void>;
}

/** Hands checkpoints out, copies several at a time, and records what failed. */
export class Scheduler {
  readonly tally: Tally;
  readonly #parts: SchedulerParts;
  readonly #claims = new Set<Promise<void>>();
  readonly #reading = new Set<Promise<void>>();
  readonly #active = new Set<Promise<void>>();
  #claimed = 0;
  #nothing: Nothing | null = null;

  constructor(parts: SchedulerParts, tally: Tally) {
    this.#parts = parts;
    this.tally = tally;
  }

  /** Claims checkpoints and copies several at a time, until nothing is left to claim. */
  async run(): Promise<void> {
    const { planning, meter, control } = this.#parts;
    const counted = planning.added;
    try {
      while (!control.stopped) {
        meter.planned(planning.added - counted);
        if (this.#nothing === null && this.#hasRoom(planning.added - counted)) {
          track(this.#claims, this.#claim());
        } else if (this.#nothing === null) {
          await Promise.race([...this.#claims, ...this.#reading, ...this.#active]);
        } else if (this.#claims.size > 0) {
          await Promise.race(this.#claims);
        } else {
          if (!(await this.#changed(this.#nothing))) break;
          this.#nothing = null;
        }
      }
    } catch (error) {
      if (!control.stopped) control.fail(error);
    }
    await Promise.all(this.#claims);
    await Promise.all(this.#active);
    await planning.end().catch((error: unknown) => {
      if (!control.stopped) control.fail(error);
    });
    meter.planned(planning.added - counted);
  }

  /** True: one more checkpoint may be claimed. Beyond those that are known to be left, one claim at a time asks. */
  #hasRoom(added: number): boolean {
    const { concurrency, left } = this.#parts;
    const claims = this.#claims.size;
    // One that is read to its end, and only waits for its last writes, makes room for the reading of the next.
    const most = concurrency === 1 ? 1 : concurrency * 2;
    const isFree = this.#reading.size + claims < concurrency && this.#active.size + claims < most;
    return isFree && (claims === 0 || this.#claimed + claims < left + added);
  }

  async #claim(): Promise<void> {
    const { job, owner, planning, control } = this.#parts;
    const { migration, store, retry, leaseMs } = job;
    // Asked for before the claim: checkpoints that come while it is under way must not be slept through.
    const { over, change } = planning;
    try {
      const claim = await withRetries(
        'claim a checkpoint',
        // Not ended by the signal: a claim that nobody hears of would be held until its lease ends.
        () => store.claim(migration, { owner, leaseMs }, { signal: job.abort }),
        retry,
        { signal: job.stop },
        job.retried,
      );
      if (claim.kind === 'claimed') this.#start(claim.checkpoint);
      else this.#nothing ??= { waitMs: claim.kind === 'busy' ? claim.waitMs : null, over, change };
    } catch (error) {
      if (!control.stopped) control.fail(error);
    }
  }

  #start(checkpoint: Checkpoint): void {
    this.#claimed += 1;
    const { promise: isRead, resolve: onRead } = Promise.withResolvers<void>();
    track(this.#reading, isRead);
    track(this.#active, this.#copyOne(checkpoint, onRead).finally(onRead));
  }

  /** Waits until there may be something to claim again. False: there will be nothing. */
  async #changed({ waitMs, over, change }: Nothing): Promise<boolean> {
    const { job, control, emit } = this.#parts;
    if (this.#active.size > 0) {
      const enough = new AbortController();
      // What others hold may become free before we are done.
      const time = sleep(Math.max(waitMs ?? 0, longestWaitMs), AbortSignal.any([enough.signal, job.stop]));
      await Promise.race([time.catch(() => undefined), Promise.all(this.#active), ...(over ? [] : [change])]);
      enough.abort();
      return true;
    }
    if (!over) await change;
    else if (waitMs === null) return false;
    else {
      const allowedMs = control.admitWait(Math.min(Math.max(waitMs, 50), longestWaitMs));
      if (allowedMs === 0) return false;
      emit('wait', { migration: job.migration, waitMs: allowedMs });
      await sleep(allowedMs, job.stop);
    }
    return true;
  }

  async #copyOne(checkpoint: Checkpoint, onRead: () => void): Promise<void> {
    const { job, meter } = this.#parts;
    const { migration } = job;
    const { seq, range } = checkpoint;
    const event = { migration, seq, range };
    let { cursor, recordsProcessed: rows } = checkpoint;
    const lease = { migration, id: checkpoint.id, fenceToken: checkpoint.fenceToken };
    this.#parts.emit('checkpoint:claimed', { ...event, cursor, rows });
    try {
      const onCommitted: OnCommitted = (batch) => {
        cursor = batch.cursor;
        rows = batch.checkpointRows;
        const { rejects, ...facts } = batch;
        this.tally.rows += batch.rows;
        this.tally.written += batch.written;
        this.tally.rejected += rejects.length;
        this.tally.batches += 1;
        this.#parts.emit('batch:committed', { migration, seq, ...facts, rejected: rejects.length });
        for (const { key, code, reason } of rejects) {
          this.#parts.emit('row:rejected', { migration, seq, key, code, reason });
        }
        meter.batch(batch.rows, rejects.length);
      };
      const end = await copyCheckpoint(job, checkpoint, onCommitted, onRead);
      if (end === 'completed') {
        this.tally.completed += 1;
        this.#parts.emit('checkpoint:completed', { ...event, cursor, rows });
        meter.checkpointCompleted();
      } else if (end === 'lost') {
        this.#parts.emit('checkpoint:lost', { ...event, cursor, rows });
      } else {
        await this.#giveBack(lease);
      }
    } catch (error) {
      // A quota that is used up says nothing of the checkpoint: it is given back, or its lease runs out.
      if (this.#parts.control.pauseFor(error)) await this.#giveBack(lease);
      else await this.#failOne(checkpoint, cursor, error);
    }
  }

  /** Best effort: an unreturned lease runs out by itself. */
  async #giveBack(lease: Lease): Promise<void> {
    const { store, abort } = this.#parts.job;
    await store.release(lease, { status: 'pending' }, { signal: abort }).catch(() => undefined);
  }

  async #failOne(checkpoint: Checkpoint, cursor: CheckpointFailure['cursor'], error: unknown): Promise<void> {
    const { job } = this.#parts;
    const { seq, range } = checkpoint;
    const { code, summary } = describeError(error);
    const place = { migration: job.migration, checkpoint: seq };
    const placed = isMigratorError(error) ? error.with(place) : error;
    const message = isMigratorError(placed) ? placed.message : summary;
    const failure: CheckpointFailure = { seq, range, cursor, code, message };
    this.tally.firstFailure ??= placed;
    this.tally.retryable &&= isMigratorError(error) && (error.retryable || error.ambiguous);
    this.tally.failures.push(failure);
    this.#parts.emit('checkpoint:failed', { migration: job.migration, ...failure });
    if (fatalCodes.has(code)) this.#parts.control.fail(placed);
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
      this.#parts.control.fail(placed);
    }
  }
}

function describeError(error: unknown): { code: string; summary: string } {
  if (isMigratorError(error)) return { code: error.code, summary: error.message };
  return { code: 'INTERNAL', summary: oneLine(error instanceof Error ? error.message : String(error)) };
}

/** Keeps a promise in a set for as long as it is pending. */
function track(set: Set<Promise<void>>, promise: Promise<void>): void {
  const kept = promise.finally(() => set.delete(kept));
  set.add(kept);
}
