/**
 * Decides how many pages are read at the same time. As long as as many writes wait as may be in flight, more rows would only
 * wait as well, and their reading takes the time of whoever writes: then it is one page at a time. Where writes run out, every
 * checkpoint reads.
 */
export class ReadGate {
  readonly #isSaturated: () => boolean;
  #reading = 0;
  #waiting: (() => void)[] = [];

  constructor(isSaturated: () => boolean) {
    this.#isSaturated = isSaturated;
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    while (this.#reading > 0 && this.#isSaturated()) {
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
