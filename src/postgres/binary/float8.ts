import type { BinaryReader } from './readers.ts';
import { countDigits, writeAscii, writeDigits } from './digits.ts';

const minus = 0x2d;
const point = 0x2e;

/** Powers of ten that a double holds exactly: 10^0 to 10^22. */
const powers: Float64Array = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Every decimal of so many digits has a double of its own: it is the shortest that gives this double back. */
const exactDigits = 15;

/** PostgreSQL writes numbers from here to 10^15 without an exponent. */
const smallestPlain = 1e-4;
const plainEnd = 1e15;

/**
 * A float8, eight bytes of IEEE 754, as PostgreSQL's own text: the shortest digits that give it back.
 *
 * Most values that are stored were decimals of a few digits once. Such a one, `d / 10^k`, is found by a multiplication and
 * proved by a division, since both `d` and `10^k` are exact: far less than what PostgreSQL, or a JavaScript engine, needs for
 * any double. The others take the engine's way.
 */
export class Float8Reader implements BinaryReader {
  readonly bytes: number = 8;
  values = 0;
  slow = 0;
  /** Digits behind the point that are tried first. */
  #places = 0;

  write(from: DataView, start: number, to: Uint8Array, at: number): number {
    const value = from.getFloat64(start);
    this.values += 1;
    let size = value;
    let next = at;
    if (value < 0) {
      size = -value;
      to[next] = minus;
      next += 1;
    }
    if (size >= smallestPlain && size < plainEnd) {
      const whole = Math.floor(size);
      let places = this.#places;
      let power = powers[places] as number;
      let digits = Math.round(size * power);
      if (digits / power !== size || digits >= plainEnd) {
        // As many as there can be: zeros at the end are taken off again.
        places = mostPlaces(size, whole);
        power = powers[places] as number;
        digits = Math.round(size * power);
        if (digits / power !== size || digits >= plainEnd) return this.#slowly(to, at, value);
        this.#places = withoutZeros(digits, places);
      }
      next = writeDigits(to, next, whole, countDigits(whole));
      let rest = digits - whole * power;
      if (rest === 0) return next;
      for (let tenth = Math.floor(rest / 10); tenth * 10 === rest; tenth = Math.floor(rest / 10)) {
        rest = tenth;
        places -= 1;
      }
      to[next] = point;
      return writeDigits(to, next + 1, rest, places);
    }
    // Zero, in a comparison of fractions, which the first small one does not make the engine compile anew.
    if (size < Number.MIN_VALUE) return writeAscii(to, at, 1 / value < 0 ? '-0' : '0');
    return this.#slowly(to, at, value);
  }

  #slowly(to: Uint8Array, at: number, value: number): number {
    this.slow += 1;
    return writeAscii(to, at, float8Text(value));
  }
}

/** How many digits may stand behind the point, of {@link exactDigits} in all. */
function mostPlaces(size: number, whole: number): number {
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
 * The shortest digits, with an exponent. JavaScript takes a decimal that lies half-way between two doubles where reading it
 * gives the right one, as of an even one it does; PostgreSQL leaves that to nobody, and writes more digits.
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
