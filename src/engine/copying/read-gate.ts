/** Ready beside those in flight these are enough that no place stays empty; in flight, that the sink has one more to go on with. */
const enoughWrites = 2;

/** Writes, as `p-limit` counts them. */
export interface WriteCount {
  /** In flight. */
  readonly activeCount: number;
  /** Ready, and waiting for a place. */
  readonly pendingCount: number;
}

/**
 * Decides how many pages are read at the same time: none while some writes wait beside those in flight, as more rows than can be written
 * only take memory and processor time; one while half of the places are taken; where writes run out, half of the checkpoints read, two at
 * least. Whoever began first goes first, and keeps its place from page to page: one batch that is full is worth more than several halves.
 */
export class ReadGate {
  readonly #concurrency: number;
  readonly #writes: WriteCount;
  #turns = 0;
  /** The turns of those that read. */
  readonly #reading = new Set<number>();
  #waiting: { readonly turn: number; readonly go: () => void }[] = [];

  /** @param concurrency - checkpoints that may read, and writes that may be in flight. */
  constructor(concurrency: number, writes: WriteCount) {
    this.#concurrency = concurrency;
    this.#writes = writes;
  }

  /** A turn behind all others. */
  turn(): number {
    return (this.#turns += 1);
  }

  /**
   * Reads a page. After one that did not fail the place stays taken, for the next one, until {@link leave}.
   *
   * @param read - told whether there is no hurry: the sink has enough to do.
   */
  async run<T>(turn: number, read: (unhurried: boolean) => Promise<T>): Promise<T> {
    if (this.#reading.size > this.#allowed) this.leave(turn);
    while (!this.#reading.has(turn)) {
      if (this.#reading.size < this.#allowed) this.#reading.add(turn);
      else await new Promise<void>((go) => this.#waiting.push({ turn, go }));
    }
    const { activeCount, pendingCount } = this.#writes;
    try {
      return await read(activeCount + pendingCount >= enoughWrites);
    } catch (error) {
      this.leave(turn);
      throw error;
    }
  }

  /** Gives the place to others. */
  leave(turn: number): void {
    if (this.#reading.delete(turn)) this.wake();
  }

  /** Has those that wait look again: a write has ended. */
  wake(): void {
    const waiting = this.#waiting.toSorted((a, b) => a.turn - b.turn);
    this.#waiting = [];
    for (const { go } of waiting) go();
  }

  get #allowed(): number {
    const { activeCount, pendingCount } = this.#writes;
    if (pendingCount >= enoughWrites) return 0;
    const half = Math.ceil(this.#concurrency / 2);
    return activeCount < half ? Math.max(2, half) : 1;
  }
}
