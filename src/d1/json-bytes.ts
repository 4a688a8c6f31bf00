const encoder = new TextEncoder();

/** How a byte stands in a JSON string. */
export interface Escape {
  readonly bytes: Uint8Array;
  /** Backslashes among them that are not the JSON text's own. */
  readonly added: number;
}

/** What `JSON.stringify` makes of each ASCII character; twice where the JSON text stands in a JSON string itself. */
export function escapesOf(isEscaped: boolean): readonly Escape[] {
  return Array.from({ length: 0x80 }, (_, code) => {
    const once = JSON.stringify(String.fromCharCode(code)).slice(1, -1);
    const text = isEscaped ? JSON.stringify(once).slice(1, -1) : once;
    return { bytes: encoder.encode(text), added: text.length - once.length };
  });
}

/** Bytes of an escape at the most: two backslashes, `u0001`. */
export const longestEscape = 7;

/**
 * The highest bit of each byte of a word: four bytes as one integer, in any order, since a loop over bytes costs more for the bounds that
 * it checks than for what it does. Bytes of 0x80 and more are parts of characters that are not ASCII, and stand as they are.
 */
export const highBits = -0x7f7f7f80;

/** Not 0 where one of the bytes stands otherwise in a JSON string: a control character, a quote, a backslash. */
export function needsEscape(word: number): number {
  const quote = word ^ 0x22222222;
  const slash = word ^ 0x5c5c5c5c;
  return ((word - 0x20202020) | (quote - 0x01010101) | (slash - 0x01010101)) & ~word & highBits;
}
