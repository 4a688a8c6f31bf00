import type { CallContext, KeyRange, Progress } from '../../contract/index.ts';
import type { EngineOptions } from '../options.ts';
import { ensurePlan, type Prepared } from './plan.ts';
import { emptyProgress } from '../progress.ts';
import { type RetryNotice, sleep, withRetries } from '../retry.ts';

/**
 * Planning beside the copying: a large table with scattered keys takes a while to be cut into ranges.
 */
export class Planning {
  #added = 0;
  #lastSeq: number;
  #finished = false;
  #first: KeyRange | null | undefined;
  #failure: { readonly error: unknown } | null = null;
  #wake: () => void = () => undefined;
  #change: Promise<void> = Promise.resolve();
  readonly #done: Promise<void>;

  constructor(
    options: EngineOptions,
    prepared: Prepared,
    context: CallContext,
    retried: (notice: RetryNotice) => void,
  ) {
    this.#lastSeq = prepared.stored?.lastSeq ?? 0;
    this.#renew();
    const plan = async (): Promise<void> => {
      const onAdded = (count: number, lastSeq: number): void => {
        this.#added += count;
        this.#lastSeq = lastSeq;
        this.#renew();
      };
      try {
        this.#first = await withRetries(
          'plan',
          () => ensurePlan(options, prepared, context, onAdded),
          options.retry,
          context,
          retried,
        );
        this.#finished = true;
      } catch (error) {
        this.#failure = { error };
      }
      this.#renew();
    };
    this.#done = plan();
  }

  /** Checkpoints that were added so far. */
  get added(): number {
    return this.#added;
  }

  /** How many checkpoints the plan has at the least, as it was found and as it was lengthened here. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /**
   * The progress of a plan that was made here, and of which nothing is copied; null where it has to be read.
   */
  progress(migration: string): Progress | null {
    const first = this.#first;
    if (first === undefined) return null;
    return emptyProgress(migration, this.#added, first && { seq: 1, range: first, cursor: null });
  }

  /** True: every key that the source has is planned. */
  get finished(): boolean {
    return this.#finished;
  }

  /** True: nothing will be added any more. */
  get over(): boolean {
    return this.#finished || this.#failure !== null;
  }

  /** Resolves with the next checkpoints, or when planning is over. */
  get change(): Promise<void> {
    return this.over ? Promise.resolve() : this.#change;
  }

  /** Waits until planning is done, but where checkpoints are there already no longer than this. */
  async headStart(milliseconds: number, signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    const time = sleep(milliseconds, AbortSignal.any([enough.signal, signal])).catch(() => undefined);
    await Promise.race([this.#done, time]);
    enough.abort();
    while (!this.over && this.#added === 0) await this.change;
    if (this.#failure) throw this.#failure.error;
  }

  /** Resolves when planning is over; throws what ended it early. */
  async end(): Promise<void> {
    await this.#done;
    if (this.#failure) throw this.#failure.error;
  }

  #renew(): void {
    this.#wake();
    this.#change = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
