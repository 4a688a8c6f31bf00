import {
  characterBytes,
  escapeOf,
  highBits,
  highNibbles,
  longestEscape,
  minus,
  needsEscape,
  nine,
  point,
  space,
  usualBytes,
  zero,
} from './characters.ts';

/** Bytes, and the same four at a time. */
export class Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: DataView;
  /** True: its texts are UTF-8. False: nobody knows. */
  readonly isUtf8: boolean;

  constructor(bytes: Uint8Array, isUtf8: boolean = false) {
    this.isUtf8 = isUtf8;
    this.bytes = bytes as Uint8Array<ArrayBuffer>;
    this.words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/** Bytes, four times in a word. */
const fourZeros = 0x30303030;
const fourSixes = 0x06060606;

/** Where the point of a number is; where it has none, its end. */
export function pointOf({ bytes }: Memory, start: number, stop: number): number {
  let index = start;
  while (index < stop && bytes[index] !== point) index += 1;
  return index;
}

/**
 * Copies a number: its sign and its digits. Nothing here depends on which digits they are: what the processor cannot foresee costs more
 * than the copying.
 *
 * @param mark - where the point is, or the end; what is before `start` for a number that has none.
 * @param scale - digits behind the point of the copy, which leaves out the point; -1: as the number has them.
 * @returns what is behind the copy; -1: it is something else, a negative zero, or too long.
 */
export function copyNumber(
  source: Memory,
  start: number,
  mark: number,
  stop: number,
  target: Memory,
  at: number,
  width: number,
  scale: number,
): number {
  const { bytes: from, words: fromWords } = source;
  const { bytes, words } = target;
  let missing = scale - Math.max(0, stop - mark - 1);
  if (scale >= 0 && (missing < 0 || mark - start + scale > width)) return -1;
  let next = at;
  let index = start;
  let refused = 0;
  if (from[start] === minus) {
    if (isZero(from, start, stop)) return -1;
    bytes[next] = minus;
    next += 1;
    index += 1;
  }
  for (; index < mark; index += 1) {
    const byte = from[index] as number;
    refused |= (byte - zero) | (nine - byte);
    bytes[next] = byte;
    next += 1;
  }
  if (index === mark) {
    index += 1;
    if (scale < 0 && mark < stop) {
      bytes[next] = point;
      next += 1;
    }
  }
  const longStop = stop - index >= 4 ? stop : index;
  for (; index < longStop; index += 4) {
    // The last four may have been copied in part: once more costs less than one by one.
    const again = Math.max(0, index + 4 - stop);
    index -= again;
    next -= again;
    const word = fromWords.getInt32(index);
    // Digits without what they have in common: up to nine, which six more do not carry over.
    const digits = word ^ fourZeros;
    refused |= ((digits | (digits + fourSixes)) & highNibbles) === 0 ? 0 : -1;
    words.setInt32(next, word);
    next += 4;
  }
  for (; index < stop; index += 1) {
    const byte = from[index] as number;
    refused |= (byte - zero) | (nine - byte);
    bytes[next] = byte;
    next += 1;
  }
  for (; missing > 0; missing -= 1) {
    bytes[next] = zero;
    next += 1;
  }
  return refused < 0 ? -1 : next;
}

/**
 * Copies ASCII of four bytes or more that needs no escape, and has no space at its end.
 *
 * @returns what is behind the copy; -1: it is something else.
 */
export function copyPlain(source: Memory, start: number, stop: number, target: Memory, at: number): number {
  const from = source.words;
  const { words } = target;
  const lastWord = stop - 4;
  if (lastWord < start) return -1;
  const shift = at - start;
  let refused = source.bytes[stop - 1] === space ? highBits : 0;
  for (let index = start; ; index = Math.min(index + 4, lastWord)) {
    // Some of the last four may have been copied before: once more costs less than one by one.
    const word = from.getInt32(index, true);
    refused |= needsEscape(word) | word;
    words.setInt32(index + shift, word, true);
    if (index === lastWord) break;
  }
  return (refused & highBits) === 0 ? stop + shift : -1;
}

/**
 * Copies UTF-8, eight bytes at a time as a double: they never are a NaN, of which a copy may differ.
 *
 * @returns what is behind the copy.
 */
export function copyBytes(source: Memory, start: number, stop: number, target: Memory, at: number): number {
  const { bytes: from, words: fromWords } = source;
  const { bytes, words } = target;
  const last = stop - 8;
  const shift = at - start;
  if (last >= start) {
    for (let index = start; index < last; index += 8)
      words.setFloat64(index + shift, fromWords.getFloat64(index, true), true);
    // Some of the last eight may have been copied before.
    words.setFloat64(last + shift, fromWords.getFloat64(last, true), true);
  } else for (let index = start; index < stop; index += 1) bytes[index + shift] = from[index] as number;
  return stop + shift;
}

/** Copies a text. Returns what is behind the copy; -1: nobody knows that it is UTF-8, or there is no room. */
export function copyText(source: Memory, start: number, stop: number, target: Memory, at: number): number {
  if (!source.isUtf8 || stop + at - start > target.bytes.length) return -1;
  return copyBytes(source, start, stop, target, at);
}

/**
 * Copies a text in UTF-8 as the inside of a JSON string.
 *
 * @returns what is behind the copy; -1: it is no UTF-8, or there is no room.
 */
export function copyEscaped(source: Memory, start: number, stop: number, target: Memory, at: number): number {
  const { bytes: from, words: fromWords } = source;
  const { bytes, words } = target;
  const lastWord = stop - 4;
  let index = start;
  let next = at;
  if (next + stop - start > bytes.length) return -1;
  while (index < stop) {
    // Four bytes at a time, of which those stay that are before the first that is something else.
    const shift = next - index;
    for (; index <= lastWord; index += 4) {
      const word = fromWords.getInt32(index);
      const special = (needsEscape(word) | word) & highBits;
      words.setInt32(index + shift, word);
      if (special !== 0) {
        index += Math.clz32(special) >>> 3;
        break;
      }
    }
    next = index + shift;
    if (index === stop) break;
    const byte = from[index] as number;
    if (byte >= 0x80) {
      const size = sizeOf(source, index, stop);
      if (size === 0) return -1;
      if (index <= lastWord) words.setInt32(next, fromWords.getInt32(index));
      else for (let place = 0; place < size; place += 1) bytes[next + place] = from[index + place] as number;
      index += size;
      next += size;
      continue;
    }
    const escape = escapeOf[byte] as Uint8Array;
    index += 1;
    if (escape.length > 1 && next + longestEscape + stop - index > bytes.length) return -1;
    for (let place = 0; place < escape.length; place += 1) bytes[next + place] = escape[place] as number;
    next += escape.length;
  }
  return next;
}

/** Bytes of the character that begins at a place with a byte of 0x80 or more; 0: there is none. */
function sizeOf({ bytes, words }: Memory, at: number, end: number): number {
  return (at <= end - 4 && usualBytes(words.getInt32(at))) || characterBytes(bytes, at, end);
}

/** True where no digit stands for more than zero. */
function isZero(digits: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) if ((digits[index] as number) > zero) return false;
  return true;
}
