/** Batches in a row that have to be taken before larger ones are tried again. */
const patience = 20;

/**
 * The largest batch that is tried now, in rows of the source, for all checkpoints of a run: half as many where the sink asks
 * for less, and twice as many again once it has taken some. What was too much for a moment must not slow down the
 * hours that follow.
 */
export class BatchLimit {
  readonly #most: number;
  /** What was too much first; from there on nothing limits but what the host asks for. */
  #ceiling = Infinity;
  #rows: number;
  #taken = 0;

  /** @param most - what the host asks for. */
  constructor(most: number = Infinity) {
    this.#most = most;
    this.#rows = most;
  }

  get rows(): number {
    return this.#rows;
  }

  /** A batch of so many rows was too much. */
  tooMuch(rows: number): void {
    if (this.#rows === this.#most) this.#ceiling = rows;
    this.#rows = Math.min(this.#rows, Math.ceil(rows / 2));
    this.#taken = 0;
  }

  /** A batch was taken. */
  taken(): void {
    if (this.#rows === this.#most) return;
    this.#taken += 1;
    if (this.#taken < patience) return;
    this.#taken = 0;
    const more = this.#rows * 2;
    this.#rows = more >= this.#ceiling ? this.#most : more;
  }
}
