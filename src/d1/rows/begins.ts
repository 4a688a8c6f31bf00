import { countDigits, writeAscii, writeDigits } from '../../digits.ts';
import { point, space, zero } from './characters.ts';
import { kinds, type Layout } from './layout.ts';

/** Where the rows of a batch begin in the memory, and how many escapes are before each; and the same of what is behind them. */
export class Begins {
  at: Int32Array<ArrayBuffer> = new Int32Array(256);
  #escapes = new Int32Array(256);
  #rows = 0;

  constructor(first: number) {
    this.at[0] = first;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Adds a row that ends here. */
  add(end: number, escapes: number): void {
    this.#rows += 1;
    if (this.#rows === this.at.length) {
      this.at = twice(this.at);
      this.#escapes = twice(this.#escapes);
    }
    this.at[this.#rows] = end;
    this.#escapes[this.#rows] = escapes;
  }

  /** Forgets all behind the first so many. Returns where they end, and the escapes before that. */
  truncate(rows: number): readonly [at: number, escapes: number] {
    this.#rows = rows;
    return [this.at[rows] as number, this.#escapes[rows] as number];
  }

  /** Writes a JSON array of places in the text, from 1 on. Returns where it ends. */
  writeList(to: DataView, at: number, headroom: number): number {
    let next = writeAscii(to, at, '[');
    for (let row = 0; row < this.#rows; row += 1) {
      const place = (this.at[row] as number) - (this.#escapes[row] as number) - headroom + 1;
      if (row > 0) next = writeAscii(to, next, ',');
      next = writeDigits(to, next, place, countDigits(place));
    }
    return writeAscii(to, next, ']');
  }

  /** Moves the rows apart, from one layout into another of wider fields. */
  moveApart(bytes: Uint8Array, from: Layout, to: Layout): void {
    const more = to.bytes - from.bytes;
    const parts = partsOf(from, to);
    const rescaled = [...from.scales.keys()].filter((column) => isRescaled(column, from, to));
    let stop = this.at[this.#rows] as number;
    this.at[this.#rows] = stop + more * this.#rows;
    // From the last row on, and from its last byte on: nothing is overwritten that has not been moved yet.
    for (let row = this.#rows - 1; row >= 0; row -= 1) {
      const source = this.at[row] as number;
      const target = source + more * row;
      if (from.hasTexts) bytes.copyWithin(target + to.bytes, source + from.bytes, stop);
      for (const { at, next, length, gap } of parts) {
        const end = target + next + length;
        bytes.copyWithin(target + next, source + at, source + at + length);
        for (let index = 0; index < gap; index += 1) bytes[end + index] = space;
      }
      for (const column of rescaled) {
        const at = target + (to.offsets[to.fields[column] as number] as number);
        // An empty field is a null, and stays empty.
        if (bytes[at] !== space)
          setPoint(
            bytes,
            bytes.indexOf(space, at),
            from.scales[column] as number,
            to.kinds[column] === kinds.scaled ? to.scales[column] : undefined,
          );
      }
      this.at[row] = target;
      stop = source;
    }
  }
}

/** Fields that stay together: where they begin in one layout and in the next, and what is new behind them, in bytes. */
interface Part {
  readonly at: number;
  readonly next: number;
  readonly length: number;
  readonly gap: number;
}

/** The fields up to each that gets wider, and those behind the last; from the end on. */
function partsOf(from: Layout, to: Layout): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  let next = 0;
  for (const [field, width] of from.widths.entries()) {
    const gap = (to.widths[field] as number) - width;
    const end = (from.offsets[field] as number) + width;
    if (gap === 0 && end < from.bytes) continue;
    parts.unshift({ at, next, length: end - at, gap });
    next += end - at + gap;
    at = end;
  }
  return parts;
}

/** True: digits of the column stand there with another scale, or with their point. */
function isRescaled(column: number, from: Layout, to: Layout): boolean {
  if (from.kinds[column] !== kinds.scaled) return false;
  return to.kinds[column] !== kinds.scaled || to.scales[column] !== from.scales[column];
}

/** Gives digits that end here another scale, or their point. There is room behind them. */
function setPoint(bytes: Uint8Array, end: number, scale: number, next: number | undefined): void {
  if (next !== undefined) bytes.fill(zero, end, end + next - scale);
  else if (scale > 0) {
    bytes.copyWithin(end - scale + 1, end - scale, end);
    bytes[end - scale] = point;
  }
}

function twice(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(numbers.length * 2);
  longer.set(numbers);
  return longer;
}
