/**
 * Decides how many pages are read at the same time. As long as as many writes wait as may be in flight, more rows would only
 * wait as well, and their reading takes the time of whoever writes: then it is one page at a time. Where writes run out, half of the
 * checkpoints read, two at least: pages that are read side by side are all ready at the same late moment.
 */
export class ReadGate {
  readonly #isSaturated: () => boolean;
  readonly #most: number;
  #reading = 0;
  #waiting: (() => void)[] = [];

  /** @param concurrency - checkpoints that may read, and writes that may be in flight. */
  constructor(concurrency: number, isSaturated: () => boolean) {
    this.#most = Math.max(2, Math.ceil(concurrency / 2));
    this.#isSaturated = isSaturated;
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    while (this.#reading >= (this.#isSaturated() ? 1 : this.#most)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#reading += 1;
    try {
      return await read();
    } finally {
      this.#reading -= 1;
      this.wake();
    }
  }

  /** Has those that wait look again. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }
}
