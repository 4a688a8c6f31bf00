import type { CallContext, CheckpointFailure, MigrationEvents } from '../../contract/index.ts';
import { isMigratorError, oneLine } from '../../errors.ts';
import { copyCheckpoint, type OnCommitted } from './copy.ts';
import { HeldCheckpoint } from './held-checkpoint.ts';
import type { CopyJob } from './job.ts';
import type { Planning } from '../planning/planning.ts';
import { type ProgressMeter, storedError } from '../progress.ts';
import { sleep, withRetries } from '../retry.ts';
import type { RunControl } from '../run-control.ts';
import type { Tally } from './tally.ts';

/** How often a run that waits for others' leases looks again, at the latest. Milliseconds. */
const longestWaitMs = 2_000;

/**
 * Checkpoints that are claimed before there is room for them, at the most, and the part that is left of them when more are asked for: one
 * request brings several, and nobody waits for it.
 */
const mostAhead = 8;
const leastPart = 1 / 4;

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
  /** Claimed, and not begun. */
  readonly #ahead: HeldCheckpoint[] = [];
  readonly #started = performance.now();
  /** Checkpoints that were planned before the first claim. */
  readonly #counted: number;
  #claimed = 0;
  /** By the `seq` of those that were claimed. */
  readonly #ids = new Map<number, number>();
  /** How many are asked for by claims that are under way. */
  #asked = 0;
  #nothing: Nothing | null = null;
  #trusts = false;

  constructor(parts: SchedulerParts, tally: Tally) {
    this.#parts = parts;
    this.#counted = parts.planning.added;
    this.tally = tally;
  }

  /**
   * Claims checkpoints and copies several at a time, until nothing is left to claim.
   *
   * @param trusts - true: where all that is known was claimed and completed here, it does not ask whether there is more.
   * @returns whether it asked.
   */
  async run(trusts: boolean): Promise<boolean> {
    const { planning, meter, control } = this.#parts;
    this.#trusts = trusts;
    this.#nothing = null;
    try {
      while (!control.stopped && !this.#isKnownDone) {
        meter.planned(this.#added);
        const room = this.#room();
        const next = room > 0 ? this.#ahead.shift() : undefined;
        const nothing = this.#nothing;
        const wanted = nothing === null ? this.#wanted(room) : 0;
        if (next) {
          this.#start(next);
        } else if (wanted > 0) {
          track(this.#claims, this.#claim(wanted));
        } else if (nothing === null || this.#ahead.length > 0) {
          await Promise.race([...this.#claims, ...this.#reading, ...this.#active]);
        } else if (this.#claims.size > 0) {
          await Promise.race(this.#claims);
        } else {
          if (!(await this.#changed(nothing))) break;
          this.#nothing = null;
        }
      }
    } catch (error) {
      this.#stopFor(error);
    }
    await Promise.all(this.#claims);
    await Promise.all([...this.#active, ...this.#ahead.map(async (held) => await held.giveBack())]);
    await planning.end().catch((error: unknown) => this.#stopFor(error));
    meter.planned(this.#added);
    return !this.#isKnownDone;
  }

  /** True: all that is known was claimed here. */
  get #hasAll(): boolean {
    const { planning, left } = this.#parts;
    return this.#trusts && planning.finished && this.#ids.size === left + this.#added;
  }

  /** True: all of it is completed as well. */
  get #isKnownDone(): boolean {
    return this.#hasAll && this.tally.completed === this.#ids.size;
  }

  #stopFor(error: unknown): void {
    const { control } = this.#parts;
    if (!control.stopped) control.fail(error);
  }

  /** A checkpoint that was ours is not there any more: whatever the plan is now, it is not the one that is copied here. */
  #isGone(): void {
    this.tally.gone += 1;
    this.#parts.control.giveUp();
  }

  get #added(): number {
    return this.#parts.planning.added - this.#counted;
  }

  /** Checkpoints that are known, and neither claimed nor asked for, as far as this run can tell. */
  get #unclaimed(): number {
    return this.#parts.left + this.#added - this.#claimed - this.#asked;
  }

  /** How many more checkpoints may be begun. */
  #room(): number {
    const { concurrency } = this.#parts;
    // One that is read to its end, and only waits for its last writes, makes room for the reading of the next.
    const most = concurrency === 1 ? 1 : concurrency * 2;
    return Math.min(concurrency - this.#reading.size, most - this.#active.size);
  }

  /**
   * How many are to be claimed. For the room that there is: of those that are known to be left, and where none is, one claim at a time asks.
   * Beyond it: as many as begin before their leases need a renewal, judged by those that are done, and only a part of what is left, which
   * other runs may want. None where one is copied at a time: what is `in_progress` is what is copied then.
   */
  #wanted(room: number): number {
    const { job, concurrency } = this.#parts;
    const { completed } = this.tally;
    const least = this.#claims.size > 0 || (this.#hasAll && this.#active.size > 0) ? 0 : 1;
    const lacking = Math.max(0, Math.min(room - this.#asked, Math.max(this.#unclaimed, least)));
    const ahead = this.#ahead.length + Math.max(0, this.#asked - room);
    if (concurrency === 1 || completed === 0) return lacking;
    const eachMs = (performance.now() - this.#started) / completed;
    const most = Math.floor(Math.min(mostAhead, job.leaseMs / eachMs / 2, (this.#unclaimed - lacking) / 2));
    return lacking + (ahead > most * leastPart ? 0 : most - ahead);
  }

  async #claim(most: number): Promise<void> {
    const { job, owner, planning } = this.#parts;
    this.#asked += most;
    const { migration, store, retry, leaseMs } = job;
    // Asked for before the claim: checkpoints that come while it is under way must not be slept through.
    const { over, change } = planning;
    try {
      const claim = await withRetries(
        'claim a checkpoint',
        // Not ended by the signal: a claim that nobody hears of would be held until its lease ends.
        () => store.claim(migration, { owner, leaseMs, most }, { signal: job.abort }),
        retry,
        { signal: job.stop },
        job.retried,
      );
      if (claim.kind === 'claimed') {
        const { checkpoint, more = [] } = claim;
        this.#claimed += 1 + more.length;
        for (const one of [checkpoint, ...more]) {
          this.#ahead.push(new HeldCheckpoint(job, one));
          // One that was planned anew has another id, and maybe other settings than ours.
          if ((this.#ids.get(one.seq) ?? one.id) !== one.id) this.#isGone();
          this.#ids.set(one.seq, one.id);
        }
      } else this.#nothing ??= { waitMs: claim.kind === 'busy' ? claim.waitMs : null, over, change };
    } catch (error) {
      this.#stopFor(error);
    } finally {
      this.#asked -= most;
    }
  }

  #start(held: HeldCheckpoint): void {
    const { promise: isRead, resolve: onRead } = Promise.withResolvers<void>();
    track(this.#reading, isRead);
    track(this.#active, this.#copyOne(held, onRead).finally(onRead));
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

  async #copyOne(held: HeldCheckpoint, onRead: () => void): Promise<void> {
    const { tally } = this;
    const { job, meter, emit, control } = this.#parts;
    const { migration } = job;
    const { seq, range, cursor, recordsProcessed } = held.checkpoint;
    const event = { migration, seq, range, cursor, rows: recordsProcessed };
    emit('checkpoint:claimed', { ...event });
    try {
      const onCommitted: OnCommitted = (batch) => {
        event.cursor = batch.cursor;
        event.rows = batch.checkpointRows;
        const { rejects, ...facts } = batch;
        const rejected = rejects.length;
        tally.rows += batch.rows;
        tally.written += batch.written;
        tally.rejected += rejected;
        tally.batches += 1;
        emit('batch:committed', { migration, seq, ...facts, rejected });
        for (const { key, code, reason } of rejects)
          emit('row:rejected', { migration, seq, key, code, reason });
        meter.batch(batch.rows, rejected);
      };
      const end = await copyCheckpoint(job, held, onCommitted, onRead).finally(() => held.stop());
      if (end === 'completed') {
        tally.completed += 1;
        emit('checkpoint:completed', event);
        meter.checkpointCompleted();
      } else if (end === 'stopped') {
        await held.giveBack();
      } else {
        emit('checkpoint:lost', event);
        if (end === 'gone') this.#isGone();
      }
    } catch (error) {
      // A quota that is used up says nothing of the checkpoint: it is given back, or its lease runs out.
      if (control.pauseFor(error)) await held.giveBack();
      else await this.#failOne(held, event.cursor, error);
    }
  }

  async #failOne(
    { checkpoint, lease }: HeldCheckpoint,
    cursor: CheckpointFailure['cursor'],
    error: unknown,
  ): Promise<void> {
    const { tally } = this;
    const { job, control, emit } = this.#parts;
    const { seq, range } = checkpoint;
    const { code, summary } = describeError(error);
    const place = { migration: job.migration, checkpoint: seq };
    const placed = isMigratorError(error) ? error.with(place) : error;
    const message = isMigratorError(placed) ? placed.message : summary;
    const failure: CheckpointFailure = { seq, range, cursor, code, message };
    tally.firstFailure ??= placed;
    tally.retryable &&= isMigratorError(error) && (error.retryable || error.ambiguous);
    // Where another run failed at it as well it came back: it is still one.
    const known = tally.failures.findIndex((other) => other.seq === seq);
    tally.failures.splice(known === -1 ? Infinity : known, 1, failure);
    emit('checkpoint:failed', { migration: job.migration, ...failure });
    if (fatalCodes.has(code)) control.fail(placed);
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
      control.fail(placed);
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
