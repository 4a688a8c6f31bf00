import { space } from './characters.ts';
import type { Layout } from './layout.ts';

/** Where the rows of a batch begin in the memory, and how many escapes are before each. */
export class Begins {
  #at = new Int32Array(256);
  #escapes = new Int32Array(256);
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  add(at: number, escapes: number): void {
    const rows = this.#rows;
    if (rows === this.#at.length) {
      this.#at = twice(this.#at);
      this.#escapes = twice(this.#escapes);
    }
    this.#at[rows] = at;
    this.#escapes[rows] = escapes;
    this.#rows = rows + 1;
  }

  /** Forgets all behind the first so many. Returns where they end, and the escapes before that. */
  truncate(rows: number): readonly [at: number, escapes: number] {
    this.#rows = rows;
    return [this.#at[rows] as number, this.#escapes[rows] as number];
  }

  /** As a JSON array of places in the text, from 1 on. */
  toList(headroom: number): string {
    const list: number[] = [];
    for (let row = 0; row < this.#rows; row += 1)
      list.push((this.#at[row] as number) - (this.#escapes[row] as number) - headroom + 1);
    return `[${list.join()}]`;
  }

  /**
   * Moves the rows apart, from one layout into another of wider fields.
   *
   * @param end - what is behind the last of them.
   */
  moveApart(bytes: Uint8Array, end: number, from: Layout, to: Layout): void {
    const more = to.bytes - from.bytes;
    let stop = end;
    // From the last row on, and from its last byte on: nothing is overwritten that has not been moved yet.
    for (let row = this.#rows - 1; row >= 0; row -= 1) {
      const source = this.#at[row] as number;
      const target = source + more * row;
      bytes.copyWithin(target + to.bytes, source + from.bytes, stop);
      for (let field = to.widths.length - 1; field >= 0; field -= 1) {
        const at = target + (to.offsets[field] as number);
        const own = source + (from.offsets[field] as number);
        const width = from.widths[field] as number;
        bytes.copyWithin(at, own, own + width);
        bytes.fill(space, at + width, at + (to.widths[field] as number));
      }
      this.#at[row] = target;
      stop = source;
    }
  }
}

function twice(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(numbers.length * 2);
  longer.set(numbers);
  return longer;
}
