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
 * least.
 */
export class ReadGate {
  readonly #concurrency: number;
  readonly #writes: WriteCount;
  #reading = 0;
  #waiting: (() => void)[] = [];

  /** @param concurrency - checkpoints that may read, and writes that may be in flight. */
  constructor(concurrency: number, writes: WriteCount) {
    this.#concurrency = concurrency;
    this.#writes = writes;
  }

  /** @param read - told whether there is no hurry: the sink has enough to do. */
  async run<T>(read: (unhurried: boolean) => Promise<T>): Promise<T> {
    while (this.#reading >= this.#allowed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#reading += 1;
    try {
      const { activeCount, pendingCount } = this.#writes;
      return await read(activeCount + pendingCount >= enoughWrites);
    } finally {
      this.#reading -= 1;
      this.wake();
    }
  }

  /** Has those that wait look again: a write has ended. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }

  get #allowed(): number {
    const { activeCount, pendingCount } = this.#writes;
    if (pendingCount >= enoughWrites) return 0;
    const half = Math.ceil(this.#concurrency / 2);
    return activeCount < half ? Math.max(2, half) : 1;
  }
}
