import type { ByteRows } from '../../contract/index.ts';
import { powersOfTen } from '../../digits.ts';
import { letterF, letterT, minus, one, space, zero } from './characters.ts';
import { copyNumber, copyPlain, type Memory, pointOf } from './copying.ts';
import { writeDecimal, writeWhole } from './decimals.ts';
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
  { plan, bytes: rowBytes, hasTexts }: Layout,
  nulls: Uint8Array,
  uneven: Uint8Array,
): number {
  const { starts, ends, digits, places, columns } = rows;
  const { bytes } = target;
  const kind = plan[column * 4] as number;
  const width = plan[column * 4 + 2] as number;
  const scale = kind === scaled ? (plan[column * 4 + 3] as number) : -1;
  const offset = plan[column * 4 + 1] as number;
  // Bytes of a value: a number with its point, which is left out where there is a scale; of a word none is left as it is.
  const most = kind === boolean ? 0 : width + Number(kind === scaled);
  let field = (at[before] as number) + offset;
  for (let row = first; row < stop; row += 1, field += rowBytes) {
    const place = row * columns + column;
    const start = starts[place] as number;
    if (hasTexts) field = (at[before + row - first] as number) + offset;
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
      if (kind === short) next = copyPlain(source, start, end, target, field);
      else {
        const mark = kind === integer ? start - 1 : pointOf(source, start, end);
        next = copyNumber(source, start, mark, end, target, field, width, scale);
      }
      if (next < 0) return row;
      if (next < field + width || (kind !== short && source.bytes[start] === minus)) uneven[column] ||= 1;
    } else if (start === -1) nulls[column] = 1;
    else if (start !== -3) return row;
    else {
      const value = digits[place] as number;
      const given = places[place] as number;
      if (kind === scaled) {
        if (given > scale) return row;
        const needed = writeWhole(target, field, width, value * (powersOfTen[scale - given] as number));
        if (needed > width) return row;
        if (value < 0) uneven[column] = 1;
      } else if (kind !== float || writeDecimal(target, field, width, value, given) > width) return row;
      next = field + width;
    }
    for (; next < field + width; next += 1) bytes[next] = space;
  }
  return stop;
}
