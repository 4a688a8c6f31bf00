const encoder = new TextEncoder();

export const space = 0x20;
export const minus = 0x2d;
export const point = 0x2e;
export const zero = 0x30;
export const one = 0x31;
export const nine = 0x39;
export const letterF = 0x66;
export const letterT = 0x74;

/** How each ASCII character stands in a JSON string. */
export const escapeOf: readonly Uint8Array[] = Array.from({ length: 0x80 }, (_, code) =>
  encoder.encode(JSON.stringify(String.fromCharCode(code)).slice(1, -1)),
);

/** Bytes of an escape at the most: a backslash, `u0001`. */
export const longestEscape = 6;

/**
 * The highest bit of each byte of a word: four bytes as one integer, in any order. In a loop over bytes the checks of bounds cost more
 * than all else.
 */
export const highBits = -0x7f7f7f80;

/** The higher half of each of them. */
export const highNibbles = -0x0f0f0f10;

/** Not 0 where one of the bytes stands otherwise in a JSON string: a control character, a quote, a backslash. */
export function needsEscape(word: number): number {
  const quote = word ^ 0x22222222;
  const slash = word ^ 0x5c5c5c5c;
  return ((word - 0x20202020) | (quote - 0x01010101) | (slash - 0x01010101)) & ~word & highBits;
}

/** Bytes of the character that a word begins with: two or three; 0 for all others, and for what is none. */
export function usualBytes(word: number): number {
  if ((word & 0xe0c00000) === (0xc0800000 | 0)) return (word & 0x1e000000) === 0 ? 0 : 2;
  if ((word & 0xf0c0c000) !== (0xe0808000 | 0)) return 0;
  // Below 0x800 it is too long for what it says, and from 0xd800 to 0xdfff one half of a pair.
  const high = ((word >>> 23) & 0x1e) | ((word >>> 21) & 0x01);
  return high === 0 || high === 0x1b ? 0 : 3;
}

/**
 * Bytes of the character of UTF-8 that begins with a byte of 0x80 or more; 0: there is none. What is no UTF-8 becomes another number of
 * bytes on its way, so that everything behind it is taken for something else (RFC 3629, 4).
 */
export function characterBytes(source: Uint8Array, at: number, end: number): number {
  const first = source[at] as number;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > end) return 0;
  const second = source[at + 1] as number;
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return 0;
  for (let index = at + 2; index < at + length; index += 1) {
    if (((source[index] as number) & 0xc0) !== 0x80) return 0;
  }
  return length;
}
