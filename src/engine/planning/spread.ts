/** Keeps some of many items, spread evenly over them, without knowing beforehand how many will come. */
export class Spread<Item> {
  readonly #most: number;
  readonly #kept: Item[] = [];
  #last: Item | null = null;
  #step = 1;
  #count = 0;

  /** @param most - items that are kept, the last one not counted. */
  constructor(most: number) {
    this.#most = most;
  }

  add(item: Item): void {
    if (this.#count % this.#step === 0) this.#kept.push(item);
    this.#count += 1;
    this.#last = item;
    if (this.#kept.length <= this.#most) return;
    this.#step *= 2;
    const every = this.#kept.filter((_, index) => index % 2 === 0);
    this.#kept.splice(0, this.#kept.length, ...every);
  }

  /** How many came. */
  get count(): number {
    return this.#count;
  }

  /** The first and the last are always among them. */
  get items(): readonly Item[] {
    return this.#last === null || this.#kept.at(-1) === this.#last ? this.#kept : [...this.#kept, this.#last];
  }
}
