import type { PauseReason } from '../contract/index.ts';
import { invalidOption, isMigratorError, refuseUnknown } from '../errors.ts';
import type { Budget } from './options.ts';

/**
 * Decides when a run ends: by the host's signal, by its budget, or by an error after which nothing can succeed.
 *
 * `stop` ends reading and waiting at once. `abort` ends a write in flight, and follows the host's signal after the
 * grace time.
 */
export class RunControl {
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  readonly #budget: Budget;
  readonly #started = performance.now();
  readonly #signal: AbortSignal | undefined;
  readonly #onSignal: () => void;
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #rows = 0;
  #batches = 0;
  #reason: PauseReason | null = null;
  #resumeAt: Date | null = null;
  #fatal: { readonly error: unknown } | null = null;

  constructor(
    run: { readonly signal?: AbortSignal | undefined; readonly budget?: Budget | undefined },
    graceMs: number,
  ) {
    refuseUnknown('The call', run, 'signal budget mode from');
    this.#budget = run.budget ?? {};
    this.#signal = run.signal;
    if (this.#signal && !this.#signal.throwIfAborted)
      throw invalidOption('signal is no AbortSignal.', 'Of an AbortController pass its signal.');
    this.#onSignal = () => {
      this.#end('signal');
      this.#timers.push(setTimeout(() => this.#abort.abort(this.#stop.signal.reason), graceMs));
    };
    if (this.#signal?.aborted) this.#onSignal();
    else this.#signal?.addEventListener('abort', this.#onSignal, { once: true });
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  get abort(): AbortSignal {
    return this.#abort.signal;
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get reason(): PauseReason | null {
    return this.#reason;
  }

  /** When the sink takes rows again, where a quota ended the run. */
  get resumeAt(): Date | null {
    return this.#resumeAt;
  }

  /** What ended the run as failed, whatever it is: an adapter may reject with nothing. */
  get fatal(): { readonly error: unknown } | null {
    return this.#fatal;
  }

  /** Asks for one more batch. The first is always granted, so that the smallest budget makes progress. */
  admit(rows: number): boolean {
    if (this.stopped) return false;
    if (this.#batches > 0 && this.#spent()) {
      this.#end('budget');
      return false;
    }
    this.#batches += 1;
    this.#rows += rows;
    return true;
  }

  /** Asks to wait for the leases of others. Answers for how long; 0: the budget is spent, and the run is to end. */
  admitWait(waitMs: number): number {
    if (this.#spent()) this.#end('budget');
    return this.stopped ? 0 : Math.min(waitMs, Math.ceil(this.#millisecondsLeft()));
  }

  /** Ends the run for an error: as paused where a quota is used up until a known time, else as failed. */
  fail(error: unknown): void {
    if (this.pauseFor(error)) return;
    this.#fatal ??= { error };
    this.#end(null);
  }

  /** Ends the run for a reason that is told elsewhere. */
  giveUp(): void {
    this.#end(null);
  }

  /** Pauses the run where the error says that a quota is used up until a known time. */
  pauseFor(error: unknown): boolean {
    const isQuota =
      isMigratorError(error) && error.code === 'SINK_QUOTA_EXHAUSTED' && error.retryAfterMs !== undefined;
    if (isQuota) this.#pause(error.retryAfterMs ?? 0);
    return isQuota;
  }

  /** Asks to wait as long as the other side wants. Pauses the run where its budget does not last as long. */
  admitDelay(delayMs: number): boolean {
    if (delayMs <= this.#millisecondsLeft()) return true;
    this.#pause(delayMs);
    return false;
  }

  /** Ends what nobody waits for any more (a page that was read ahead, a renewal): it would keep the process alive. */
  dispose(): void {
    this.#signal?.removeEventListener('abort', this.#onSignal);
    for (const timer of this.#timers) clearTimeout(timer);
    const over = new DOMException('The run is over.', 'AbortError');
    this.#stop.abort(over);
    this.#abort.abort(over);
  }

  #pause(milliseconds: number): void {
    if (this.stopped) return;
    this.#resumeAt = new Date(Date.now() + milliseconds);
    this.#end('quota');
  }

  #spent(): boolean {
    const { rows = Infinity, batches = Infinity } = this.#budget;
    return this.#batches >= batches || this.#rows >= rows || this.#millisecondsLeft() <= 0;
  }

  #millisecondsLeft(): number {
    return (this.#budget.milliseconds ?? Infinity) - (performance.now() - this.#started);
  }

  #end(reason: PauseReason | null): void {
    if (this.stopped) return;
    this.#reason = reason;
    this.#stop.abort(new DOMException('The run was asked to stop.', 'AbortError'));
  }
}
