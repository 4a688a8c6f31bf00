import type { Checkpoint, Lease } from '../../contract/index.ts';
import type { CopyJob } from './job.ts';

/** What a checkpoint is held with. */
type HoldingJob = Pick<CopyJob, 'migration' | 'store' | 'leaseMs' | 'abort'>;

/** A claimed checkpoint. Its lease is renewed while no batch does: a slow read, a slow write or a wait for its turn must not cost it. */
export class HeldCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly lease: Lease;
  readonly #job: HoldingJob;
  readonly #timer: ReturnType<typeof setInterval>;
  #last = performance.now();
  #isRenewing = false;

  constructor(job: HoldingJob, checkpoint: Checkpoint) {
    this.checkpoint = checkpoint;
    this.lease = { migration: job.migration, id: checkpoint.id, fenceToken: checkpoint.fenceToken };
    this.#job = job;
    const { leaseMs } = job;
    this.#timer = setInterval(() => {
      // One at a time: where requests wait for a quota they would pile up, and take it from the writes.
      if (this.#isRenewing || this.#age < leaseMs / 2) return;
      this.#isRenewing = true;
      // Best effort: what is lost is noticed by the next write.
      this.#renew()
        .catch(() => undefined)
        .finally(() => (this.#isRenewing = false));
    }, leaseMs / 4);
  }

  /** The lease has been renewed by a batch. */
  renewed(): void {
    this.#last = performance.now();
  }

  get #age(): number {
    return performance.now() - this.#last;
  }

  async #renew(): Promise<void> {
    const { store, leaseMs, abort: signal } = this.#job;
    if (await store.renew(this.lease, leaseMs, { signal })) this.renewed();
  }

  /** No more renewals: it is copied, or what became of it is about to be written. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Best effort: an unreturned lease runs out by itself. */
  async giveBack(): Promise<void> {
    this.stop();
    const { store, abort: signal } = this.#job;
    await store.release(this.lease, { status: 'pending' }, { signal }).catch(() => undefined);
  }
}
