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
  #last = Date.now();
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
    this.#last = Date.now();
  }

  /** Renews the lease where it may have ended by our own clock. False: it is lost. */
  async isOurs(): Promise<boolean> {
    return this.#age < this.#job.leaseMs || (await this.#renew());
  }

  /** By the clock of the day, which goes on while a machine sleeps, and may be set back. */
  get #age(): number {
    return Math.abs(Date.now() - this.#last);
  }

  async #renew(): Promise<boolean> {
    const { store, leaseMs, abort: signal } = this.#job;
    const isOurs = await store.renew(this.lease, leaseMs, { signal });
    if (isOurs) this.renewed();
    return isOurs;
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
