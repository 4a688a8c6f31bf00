import { countDigits, powersOfTen, writeAscii } from '../../digits.ts';
import { type BinaryReader, type BinaryRows, valueAt } from './rows.ts';

/** Every decimal of so many digits has a double of its own: it is the shortest that gives this double back. */
const exactDigits = 15;

/** PostgreSQL writes numbers from here to 10^15 without an exponent. */
const smallestPlain = 1e-4;
const plainEnd = 1e15;

/**
 * A float8, eight bytes of IEEE 754, as the digits of PostgreSQL's own text: the shortest that give it back.
 *
 * Most values were decimals of a few digits once. Such a one, `d / 10^k`, is found by a multiplication and proved by a division, as both
 * `d` and `10^k` are exact: far less than what any double needs. The others take the engine's way.
 */
export class Float8Reader implements BinaryReader {
  readonly bytes: number = 8;
  values = 0;
  slow = 0;
  /** Digits behind the point that are tried first. */
  #places = 0;
  #digits = 0;

  read(rows: BinaryRows, column: number): void {
    const { view, starts, ends, digits, places, columns, stride } = rows;
    let fixed = rows.firsts[column] as number;
    let known = this.#places;
    let power = powersOfTen[known] as number;
    let nulls = 0;
    for (let row = 0; row < rows.rows; row += 1) {
      const place = row * columns + column;
      const start = stride > 0 ? fixed : valueAt(rows, place, 8);
      fixed += stride;
      if (start < 0) {
        nulls += 1;
        continue;
      }
      const value = view.getFloat64(start);
      // The nearest whole number, which is proved next.
      const found = Math.floor(value * power + 0.5);
      const size = Math.abs(value);
      if (size >= smallestPlain && found / power === value && Math.abs(found) < plainEnd) {
        starts[place] = -3;
        digits[place] = found;
        places[place] = known;
      } else if (this.#search(value, size)) {
        starts[place] = -3;
        digits[place] = this.#digits;
        places[place] = value === 0 ? 0 : this.#places;
        known = this.#places;
        power = powersOfTen[known] as number;
      } else {
        this.slow += 1;
        starts[place] = rows.free;
        rows.free = writeAscii(view, rows.free, float8Text(value));
        ends[place] = rows.free;
      }
    }
    this.values += rows.rows - nulls;
  }

  /** Looks for the {@link #digits} and {@link #places} of a value. False: it is no decimal number of so many. */
  #search(value: number, size: number): boolean {
    this.#digits = 0;
    if (size >= smallestPlain && size < plainEnd) {
      // As many as there can be: zeros at the end are taken off again.
      const most = mostPlaces(size);
      const power = powersOfTen[most] as number;
      const found = Math.round(size * power);
      if (found / power !== size || found >= plainEnd) return false;
      this.#places = withoutZeros(found, most);
      this.#digits = (Math.sign(value) * found) / (powersOfTen[most - this.#places] as number);
      return true;
    }
    return Object.is(value, 0);
  }
}

/** The text of a decimal number, without zeros at the end. */
export function decimalText(digits: number, places: number): string {
  if (places === 0) return String(digits);
  const left = withoutZeros(digits, places);
  const all = String(Math.abs(digits) / (powersOfTen[places - left] as number)).padStart(left + 1, '0');
  const text = left === 0 ? all : `${all.slice(0, -left)}.${all.slice(-left)}`;
  return digits < 0 ? `-${text}` : text;
}

/** How many digits may stand behind the point, of {@link exactDigits} in all. */
function mostPlaces(size: number): number {
  const whole = Math.floor(size);
  if (whole > 0) return exactDigits - countDigits(whole);
  let places = exactDigits;
  // Zeros behind the point are none of them.
  for (let shifted = size * 10; shifted < 1; shifted *= 10) places += 1;
  return places;
}

/** How many places are left of `digits / 10^places` without zeros at the end. */
function withoutZeros(digits: number, places: number): number {
  let rest = digits;
  let left = places;
  while (left > 0 && rest % 10 === 0) {
    rest /= 10;
    left -= 1;
  }
  return left;
}

/** Any double as PostgreSQL writes it: with an exponent of two digits or more below 10^-4 and from 10^15 on. */
export function float8Text(value: number): string {
  if (value === 0) return 1 / value < 0 ? '-0' : '0';
  const size = Math.abs(value);
  if (!Number.isFinite(value) || (size >= smallestPlain && size < plainEnd)) return String(value);
  const [mantissa = '', exponent = ''] = shortest(value).split('e');
  return `${mantissa}e${exponent.slice(0, 1)}${exponent.slice(1).padStart(2, '0')}`;
}

/**
 * The shortest digits, with an exponent. JavaScript takes a decimal half-way between two doubles where reading it gives the right one, as
 * of an even one it does; PostgreSQL writes more digits.
 */
function shortest(value: number): string {
  let text = value.toExponential();
  for (
    let digits = text.replace(/e.*|\D/g, '').length + 1;
    digits <= 17 && isHalfway(text, value);
    digits += 1
  ) {
    const [mantissa = '', exponent = ''] = value.toExponential(digits - 1).split('e');
    text = `${mantissa.replace(/\.?0+$/, '')}e${exponent}`;
  }
  return text;
}

/** Decimals of 17 digits are half-way between doubles from 2^52, where these are the integers, up to here alone. */
const halfwayEnd = 1e41;

function isHalfway(text: string, value: number): boolean {
  const size = Math.abs(value);
  if (size < 2 ** 52 || size >= halfwayEnd) return false;
  const decimal = integerOf(text.replace('-', ''));
  const exact = BigInt(size);
  if (decimal === exact) return false;
  const next = BigInt(neighbour(size, decimal > exact ? 1n : -1n));
  return decimal * 2n === exact + next;
}

/** `1.25e+3` as 1250n: doubles from 2^52 on have no fraction, and neither have their shortest digits. */
function integerOf(text: string): bigint {
  const [mantissa = '', exponent = ''] = text.split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return BigInt(whole + fraction + '0'.repeat(Number(exponent) - fraction.length));
}

function neighbour(size: number, step: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, size);
  view.setBigInt64(0, view.getBigInt64(0) + step);
  return view.getFloat64(0);
}
