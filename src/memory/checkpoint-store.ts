import type {
  Advance,
  AppendRequest,
  CallContext,
  Checkpoint,
  CheckpointFilter,
  CheckpointStore,
  ClaimOutcome,
  ClaimRequest,
  CommitOutcome,
  Key,
  Lease,
  PlanSettings,
  ReleaseOutcome,
  StoredPlan,
  StoreSummary,
} from '../contract/index.ts';
import { answer, compareKeys, type MemoryCheckpoint, type MemoryDatabase } from './database.ts';

/** Checkpoints in a {@link MemoryDatabase}. Every method runs in one step, so each is a transaction. */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly identity: string = 'memory';
  readonly database: MemoryDatabase;

  constructor(options: { readonly database: MemoryDatabase }) {
    this.database = options.database;
  }

  prepare(context?: CallContext): Promise<void> {
    return answer(context, () => undefined);
  }

  readPlan(migration: string, context?: CallContext): Promise<StoredPlan | null> {
    return answer(context, () => {
      const last = this.#of(migration).at(-1);
      if (!last) return null;
      const settings = this.database.plans.get(migration) ?? null;
      return { settings, checkpoints: this.#of(migration).length, lastSeq: last.seq, end: last.range.upper };
    });
  }

  append(
    migration: string,
    { settings, afterSeq, ranges }: AppendRequest,
    context?: CallContext,
  ): Promise<boolean> {
    return answer(context, () => {
      if ((this.#of(migration).at(-1)?.seq ?? 0) !== afterSeq) return false;
      this.database.plans.set(migration, settings);
      for (const [index, range] of ranges.entries()) {
        this.database.checkpoints.push({
          id: (this.database.lastId += 1),
          migration,
          seq: afterSeq + index + 1,
          range,
          status: 'pending',
          cursor: null,
          recordsProcessed: 0,
          recordsWritten: 0,
          recordsRejected: 0,
          errorMessage: null,
          fenceToken: Math.floor(Math.random() * 2 ** 40),
          owner: null,
          leaseUntil: 0,
        });
      }
      return true;
    });
  }

  adopt(migration: string, settings: PlanSettings, context?: CallContext): Promise<boolean> {
    return answer(context, () => {
      const all = this.#of(migration);
      const whole = all.length > 0 && all.at(-1)?.seq === all.length;
      if (!whole || this.database.plans.has(migration)) return false;
      this.database.plans.set(migration, settings);
      return true;
    });
  }

  claim(
    migration: string,
    { owner, leaseMs, most = 1 }: ClaimRequest,
    context?: CallContext,
  ): Promise<ClaimOutcome> {
    return answer<ClaimOutcome>(context, () => {
      const now = this.database.now();
      const free = this.#of(migration).filter(
        (checkpoint) =>
          checkpoint.status === 'pending' ||
          (checkpoint.status === 'failed' && checkpoint.owner !== owner) ||
          (checkpoint.status === 'in_progress' && checkpoint.leaseUntil <= now),
      );
      const [checkpoint, ...more] = free.slice(0, most).map((taken) => {
        Object.assign(taken, { status: 'in_progress', owner, leaseUntil: now + leaseMs, errorMessage: null });
        taken.fenceToken += 1;
        return snapshot(taken);
      });
      if (checkpoint) return { kind: 'claimed', checkpoint, more };
      const held = this.#of(migration).filter(({ status }) => status === 'in_progress');
      if (held.length === 0) return { kind: 'none' };
      return { kind: 'busy', waitMs: Math.min(...held.map(({ leaseUntil }) => leaseUntil)) - now };
    });
  }

  renew(lease: Lease, leaseMs: number, context?: CallContext): Promise<boolean> {
    return answer(context, () => {
      const held = this.#held(lease);
      if (held) held.leaseUntil = this.database.now() + leaseMs;
      return held !== undefined;
    });
  }

  advance(advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    return answer(context, () => this.advanceNow(advance));
  }

  /** `advance()` without the promise: a sink on the same database calls it inside its own step. */
  advanceNow(advance: Advance): CommitOutcome {
    const held = this.#held(advance.lease);
    if (!held || !sameCursor(held.cursor, advance.from)) return 'stale';
    held.cursor = advance.to;
    held.recordsProcessed += advance.rows;
    held.recordsWritten += advance.written;
    held.recordsRejected += advance.rejected;
    held.leaseUntil = this.database.now() + advance.leaseMs;
    if (advance.complete) held.status = 'completed';
    return 'committed';
  }

  release(lease: Lease, outcome: ReleaseOutcome, context?: CallContext): Promise<boolean> {
    return answer(context, () => {
      const held = this.#held(lease);
      if (!held) return false;
      held.status = outcome.status;
      held.errorMessage = outcome.status === 'failed' ? outcome.errorMessage : null;
      return true;
    });
  }

  read(migration: string, id: number, context?: CallContext): Promise<Checkpoint | null> {
    return answer(context, () => {
      const found = this.#of(migration).find((checkpoint) => checkpoint.id === id);
      return found ? snapshot(found) : null;
    });
  }

  summarize(migration: string, context?: CallContext): Promise<StoreSummary> {
    return answer(context, () => {
      const all = this.#of(migration);
      const count = (status: Checkpoint['status']): number =>
        all.filter((one) => one.status === status).length;
      const lastCompleted = all.findLast(({ status }) => status === 'completed');
      const next = all.find(({ status }) => status !== 'completed');
      const missing = (all.at(-1)?.seq ?? 0) - all.length;
      return {
        ...(missing > 0 && { missing }),
        pending: count('pending'),
        inProgress: count('in_progress'),
        completed: count('completed'),
        failed: count('failed'),
        recordsProcessed: all.reduce((sum, one) => sum + one.recordsProcessed, 0),
        recordsWritten: all.reduce((sum, one) => sum + one.recordsWritten, 0),
        recordsRejected: all.reduce((sum, one) => sum + one.recordsRejected, 0),
        lastCompleted: lastCompleted ? snapshot(lastCompleted) : null,
        next: next ? snapshot(next) : null,
      };
    });
  }

  list(
    migration: string,
    filter: CheckpointFilter = {},
    context?: CallContext,
  ): Promise<readonly Checkpoint[]> {
    return answer(context, () =>
      this.#of(migration)
        .filter(
          ({ status, seq }) => (!filter.status || status === filter.status) && seq > (filter.afterSeq ?? 0),
        )
        .slice(0, filter.limit ?? 1_000)
        .map(snapshot),
    );
  }

  reopen(migration: string, ids: readonly number[], context?: CallContext): Promise<void> {
    return answer(context, () => {
      for (const checkpoint of this.#of(migration)) {
        if (!ids.includes(checkpoint.id)) continue;
        Object.assign(checkpoint, {
          status: 'pending',
          cursor: null,
          recordsProcessed: 0,
          recordsWritten: 0,
          recordsRejected: 0,
          errorMessage: null,
        });
        checkpoint.fenceToken += 1;
      }
    });
  }

  clear(migration: string, context?: CallContext): Promise<void> {
    return answer(context, () => {
      const others = this.database.checkpoints.filter((checkpoint) => checkpoint.migration !== migration);
      this.database.checkpoints.splice(0, Infinity, ...others);
      this.database.plans.delete(migration);
    });
  }

  #of(migration: string): MemoryCheckpoint[] {
    return this.database.checkpoints
      .filter((checkpoint) => checkpoint.migration === migration)
      .toSorted((a, b) => a.seq - b.seq);
  }

  #held({ migration, id, fenceToken }: Lease): MemoryCheckpoint | undefined {
    return this.#of(migration).find(
      (one) => one.id === id && one.fenceToken === fenceToken && one.status === 'in_progress',
    );
  }
}

function snapshot({
  owner: _owner,
  leaseUntil: _leaseUntil,
  migration: _migration,
  ...checkpoint
}: MemoryCheckpoint): Checkpoint {
  return checkpoint;
}

function sameCursor(a: Key | null, b: Key | null): boolean {
  return a === null || b === null ? a === b : a.length === b.length && compareKeys(a, b) === 0;
}
