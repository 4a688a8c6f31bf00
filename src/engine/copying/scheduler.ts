import type {
  CallContext,
  Checkpoint,
  CheckpointFailure,
  Lease,
  MigrationEvents,
} from '../../contract/index.ts';
import { isMigratorError, oneLine } from '../../errors.ts';
import { copyCheckpoint } from './copy.ts';
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
  readonly failures: CheckpointFailure[];
}

/** What a {@link Scheduler} works with. */
export interface SchedulerParts {
  readonly job: CopyJob;
  /** Names the run in the store. */
  readonly owner: string;
  readonly concurrency: number;
  readonly planning: Planning;
  readonly meter: ProgressMeter;
  readonly control: RunControl;
  readonly emit: Emit;
}

/** Hands checkpoints out, copies several at a time, and records what failed. */
export class Scheduler {
  readonly tally: Tally;
  readonly #parts: SchedulerParts;

  constructor(parts: SchedulerParts, tally: Tally) {
    this.#parts = parts;
    this.tally = tally;
  }

  /** Claims checkpoints one after the other and copies several at a time, until nothing is left to claim. */
  async run(): Promise<void> {
    const { job, owner, concurrency, planning, meter } = this.#parts;
    const { migration, store, retry, leaseMs } = job;
    const context: CallContext = { signal: job.stop };
    const counted = planning.added;
    const active = new Set<Promise<void>>();
    try {
      while (!this.#parts.control.stopped) {
        if (active.size >= concurrency) {
          await Promise.race(active);
          continue;
        }
        // Asked for before the claim: checkpoints that come while it is under way must not be slept through.
        const { over, change } = planning;
        meter.planned(planning.added - counted);
        const claim = await withRetries(
          'claim a checkpoint',
          // Not ended by the signal: a claim that nobody hears of would be held until its lease ends.
          () => store.claim(migration, { owner, leaseMs }, { signal: job.abort }),
          retry,
          context,
          job.retried,
        );
        if (claim.kind === 'claimed') {
          const task = this.#copyOne(claim.checkpoint).finally(() => active.delete(task));
          active.add(task);
        } else if (active.size > 0) {
          await Promise.race(over ? active : [...active, change]);
        } else if (!over) {
          await change;
        } else if (claim.kind === 'busy') {
          const waitMs = this.#parts.control.admitWait(Math.min(Math.max(claim.waitMs, 50), longestWaitMs));
          if (waitMs === 0) break;
          this.#parts.emit('wait', { migration, waitMs });
          await sleep(waitMs, job.stop);
        } else {
          break;
        }
      }
    } catch (error) {
      if (!this.#parts.control.stopped) this.#parts.control.fail(error);
    }
    await Promise.all(active);
    await planning.end().catch((error: unknown) => {
      if (!this.#parts.control.stopped) this.#parts.control.fail(error);
    });
    meter.planned(planning.added - counted);
  }

  async #copyOne(checkpoint: Checkpoint): Promise<void> {
    const { job, meter } = this.#parts;
    const { migration } = job;
    const { seq, range } = checkpoint;
    const event = { migration, seq, range };
    let { cursor, recordsProcessed: rows } = checkpoint;
    const lease = { migration, id: checkpoint.id, fenceToken: checkpoint.fenceToken };
    this.#parts.emit('checkpoint:claimed', { ...event, cursor, rows });
    try {
      const end = await copyCheckpoint(job, checkpoint, (batch) => {
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
      });
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
