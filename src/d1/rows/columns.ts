import type { ByteRows } from '../../contract/index.ts';
import { four, powersOfTen, writeDigits } from '../../digits.ts';
import { letterF, letterT, minus, one, space, zero } from './characters.ts';
import { copyBytes, copyNumber, copyPlain, type Memory, pointOf } from './copying.ts';
import { writeDecimal } from './decimals.ts';
import { kinds, type Layout } from './layout.ts';

const { boolean, integer, float, scaled, short } = kinds;

/**
 * Writes the values of a column of fields, row after row, as long as they can stand as they are and the field is wide enough.
 *
 * @param at - where the rows of the batch stand; so many are `before` these.
 * @returns the first row whose value is not written.
 */
export function fillColumn(
  rows: ByteRows,
  column: number,
  first: number,
  stop: number,
  source: Memory,
  target: Memory,
  at: Int32Array,
  before: number,
  { plan }: Layout,
  nulls: Uint8Array,
  uneven: Uint8Array,
): number {
  const { starts, ends, digits, places, columns, plainFrom = Infinity } = rows;
  const { bytes } = target;
  const kind = plan[column * 4] as number;
  const offset = plan[column * 4 + 1] as number;
  const width = plan[column * 4 + 2] as number;
  const scale = kind === scaled ? (plan[column * 4 + 3] as number) : -1;
  const isWhole = kind === scaled || kind === integer;
  // Bytes of a value: a number with its point, which is left out where there is a scale; of a word none is left as it is.
  const most = kind === boolean ? 0 : width + Number(kind === scaled);
  const shift = before - first;
  for (let row = first; row < stop; row += 1) {
    const place = row * columns + column;
    const start = starts[place] as number;
    if (start === -3 && isWhole) {
      const next = fillWholes(rows, column, row, stop, target, at, shift, offset, width, scale, uneven);
      if (next === row) return row;
      row = next - 1;
      continue;
    }
    const field = (at[row + shift] as number) + offset;
    let next = field;
    if (start >= 0) {
      const end = ends[place] as number;
      const length = end - start;
      if (length === 0 || length > most) {
        const letter = source.bytes[start];
        if (kind !== boolean || length !== (letter === letterT ? 4 : letter === letterF ? 5 : -1)) return row;
        bytes[field] = letter === letterT ? one : zero;
        continue;
      }
      if (kind === short)
        next =
          start >= plainFrom
            ? copyBytes(source, start, end, target, field)
            : copyPlain(source, start, end, target, field);
      else {
        const mark = kind === integer ? start - 1 : pointOf(source, start, end);
        next = copyNumber(source, start, mark, end, target, field, width, scale);
      }
      if (next < 0) return row;
      if (next < field + width || (kind !== short && source.bytes[start] === minus)) uneven[column] ||= 1;
    } else if (start === -1) nulls[column] = 1;
    else if (start !== -3 || kind !== float) return row;
    else {
      const needed = writeDecimal(target, field, width, digits[place] as number, places[place] as number);
      if (needed > width) return row;
      continue;
    }
    for (; next < field + width; next += 1) bytes[next] = space;
  }
  return stop;
}

/**
 * Writes decimal numbers that are handed over by their digits, as long as they come, with zeros in front: nothing depends on how many digits
 * they have. In a loop of its own, which is small enough that all of it is compiled together.
 *
 * @returns the first row whose value is not written.
 */
function fillWholes(
  { starts, digits, places, columns }: ByteRows,
  column: number,
  first: number,
  stop: number,
  { bytes, words }: Memory,
  at: Int32Array,
  shift: number,
  offset: number,
  width: number,
  scale: number,
  uneven: Uint8Array,
): number {
  const wholePlaces = scale < 0 ? 0 : scale;
  const end = powersOfTen[width] as number;
  const negativeEnd = powersOfTen[width - 1] as number;
  let row = first;
  // Most are of so many digits: all that they do not need is left out of this loop.
  if (width >= 4 && width <= 8) {
    const cut = 64 - width * 8;
    for (let place = row * columns + column; row < stop; place += columns) {
      const value = digits[place] as number;
      if (starts[place] !== -3 || places[place] !== wholePlaces || !(value >= 0 && value < end)) break;
      const field = (at[row + shift] as number) + offset;
      const whole = value | 0;
      const upper = (whole / 10_000) | 0;
      // What it has too many of, where the field is shorter than eight, is written over by the last four.
      words.setInt32(field, four(upper) >>> cut, true);
      words.setInt32(field + width - 4, four(whole - Math.imul(upper, 10_000)), true);
      row += 1;
    }
  }
  for (; row < stop; row += 1) {
    const place = row * columns + column;
    const more = wholePlaces - (places[place] as number);
    if (starts[place] !== -3 || more < 0) return row;
    const field = (at[row + shift] as number) + offset;
    const value = (digits[place] as number) * (powersOfTen[more] as number);
    if (value >= 0) {
      if (value >= end) return row;
      writeDigits(words, field, value, width);
    } else {
      if (-value >= negativeEnd) return row;
      bytes[field] = minus;
      writeDigits(words, field + 1, -value, width - 1);
      uneven[column] ||= 1;
    }
  }
  return stop;
}
