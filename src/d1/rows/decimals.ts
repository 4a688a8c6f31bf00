import { countDigits, powersOfTen, writeDigits } from '../../digits.ts';
import { minus, point, space } from './characters.ts';
import type { Memory } from './copying.ts';

/** Digits of a whole number that every double has: 2^53 has sixteen. */
export const mostDigits = 15;

/**
 * Writes a decimal number with its point.
 *
 * @param digits - less than 10^15.
 * @returns the bytes that it needs: more than `width`, or Infinity for more than 22 places, where it is not written.
 */
export function writeDecimal(
  { bytes, words }: Memory,
  at: number,
  width: number,
  digits: number,
  places: number,
): number {
  if (places >= powersOfTen.length) return Infinity;
  const size = Math.abs(digits);
  const sign = digits < 0 ? 1 : 0;
  const power = powersOfTen[places] as number;
  const whole = Math.floor(size / power);
  const wholeDigits = countDigits(whole);
  const needed = sign + wholeDigits + (places === 0 ? 0 : 1 + places);
  if (needed > width) return needed;
  if (sign === 1) bytes[at] = minus;
  let next = writeDigits(words, at + sign, whole, wholeDigits);
  if (places > 0) {
    bytes[next] = point;
    next = writeDigits(words, next + 1, size - whole * power, places);
  }
  bytes.fill(space, next, at + width);
  return needed;
}
