import type { ByteRow } from '../contract/index.ts';
import { BufferPool } from './buffer-pool.ts';
import { type Escape, escapesOf, highBits, longestEscape, needsEscape } from './json-bytes.ts';
import { headroom, JsonText } from './json-text.ts';

const encoder = new TextEncoder();

const quoteMark = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;
const openBracket = 0x5b;
const comma = 0x2c;
/** `null` as one integer. */
const nullWord = 0x6e756c6c;

/** What {@link JsonWriter.values} does with the bytes of a value: nothing, a JSON string, a number as it stands. */
export const bytesAsNothing = 0;
export const bytesAsString = 1;
export const bytesAsDigits = 2;

/** Bytes around a value at the most: a comma, and an escaped quote on both sides. */
const longestFrame = 6;

/** A text that fills less than this part of its buffer is copied out of it. */
const smallPart = 1 / 4;

/** Where a writer stands: what is written behind it can be taken back. */
export interface WriterPosition {
  readonly at: number;
  readonly escapes: number;
}

/** Where every text begins. */
export const startPosition: WriterPosition = { at: headroom, escapes: 0 };

/**
 * Writes a JSON text into bytes, up to a length. What does not fit is not written, and {@link JsonWriter.isFull} says so until
 * {@link JsonWriter.truncate}.
 */
export class JsonWriter {
  /** Bytes of the JSON text at the most, without {@link #escapes}. */
  readonly #limit: number;
  /** True: it is written as the inside of a JSON string. */
  readonly #isEscaped: boolean;
  /** How each ASCII character stands in a string. */
  readonly #table: readonly Escape[];
  readonly #pool: BufferPool;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  #words = wordsOf(this.#bytes);
  /** Where the row that was written last came from. */
  #source: Uint8Array = this.#bytes;
  #sourceWords = this.#words;
  #at = headroom;
  /** Backslashes among the bytes that are not the text's own. */
  #escapes = 0;
  #isFull = false;
  #markedAt = headroom;
  #markedEscapes = 0;

  constructor(limit: number, isEscaped: boolean, pool: BufferPool = new BufferPool()) {
    this.#limit = limit;
    this.#pool = pool;
    this.#isEscaped = isEscaped;
    this.#table = escapesOf(isEscaped);
  }

  /** Bytes of the JSON text. */
  get length(): number {
    return this.#at - this.#escapes - headroom;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get position(): WriterPosition {
    return { at: this.#at, escapes: this.#escapes };
  }

  /** Remembers this position, for {@link rewind}: without an object, as every row has one. */
  mark(): void {
    this.#markedAt = this.#at;
    this.#markedEscapes = this.#escapes;
  }

  /** Takes back what was written since {@link mark}. */
  rewind(): void {
    this.#at = this.#markedAt;
    this.#escapes = this.#markedEscapes;
    this.#isFull = false;
  }

  /** Takes back what was written behind a position. */
  truncate({ at, escapes }: WriterPosition): void {
    // V8 shares the shape of an object with others that have the same keys. Where `at` is a fraction in one of them it is no small
    // integer in any, and neither would be what every byte is written by.
    this.#at = at | 0;
    this.#escapes = escapes | 0;
    this.#isFull = false;
  }

  /** One ASCII character that needs no escape. */
  character(code: number): void {
    if (!this.#hasRoom(1)) return;
    this.#bytes[this.#at] = code;
    this.#at += 1;
  }

  /** JSON whose characters are all ASCII. */
  ascii(json: string): void {
    if (this.#isEscaped && json.charCodeAt(0) === quoteMark) return this.json(json);
    const { length } = json;
    if (!this.#hasRoom(length)) return;
    const bytes = this.#bytes;
    const start = this.#at;
    for (let index = 0; index < length; index += 1) bytes[start + index] = json.charCodeAt(index);
    this.#at = start + length;
  }

  /** Any JSON. */
  json(json: string): void {
    // JSON has no bare control characters: quotes and backslashes alone get longer.
    const text = this.#isEscaped ? JSON.stringify(json).slice(1, -1) : json;
    // No character has less than a byte.
    if (!this.#hasRoom(json.length)) return;
    const before = this.position;
    for (;;) {
      const { read, written } = encoder.encodeInto(text, this.#bytes.subarray(this.#at));
      if (read === text.length) {
        this.#at += written;
        break;
      }
      this.#grow(this.#at + text.length * 3);
    }
    this.#escapes += text.length - json.length;
    if (this.length <= this.#limit) return;
    this.truncate(before);
    this.#isFull = true;
  }

  /** A text as a JSON string. */
  string(text: string): void {
    const { length } = text;
    if (!this.#hasRoom(length + 2)) return;
    const bytes = this.#bytes;
    let at = this.#quote(this.#at);
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code < 0x20 || code > 0x7e || code === quoteMark || code === backslash) {
        this.json(JSON.stringify(text));
        return;
      }
      bytes[at] = code;
      at += 1;
    }
    this.#at = this.#quote(at);
    if (this.#isEscaped) this.#escapes += 2;
  }

  /**
   * Writes the values of a row from a column on, each behind its bracket or comma, as long as their bytes can stand as they are:
   * in one go over the bytes, since a call and a check for each value would cost more than the copying.
   *
   * @param manners - what is done with each column's bytes.
   * @returns the column at which it stopped: this value takes another way, or there is no room; or the number of columns.
   */
  values({ source, starts, ends }: ByteRow, manners: Uint8Array, from: number): number {
    const columns = manners.length;
    const bytes = this.#bytes;
    const words = this.#words;
    if (source !== this.#source) {
      // The same for all rows of a chunk.
      this.#source = source;
      this.#sourceWords = wordsOf(source);
    }
    const sourceWords = this.#sourceWords;
    const isEscaped = this.#isEscaped;
    // What has more escapes before it may end further on, but then the longer way knows that.
    const stop = Math.min(bytes.length, this.#limit + headroom + this.#escapes) - longestFrame;
    let at = this.#at;
    let escapes = 0;
    let column = from;
    for (; column < columns; column += 1) {
      const start = starts[column] as number;
      const end = ends[column] as number;
      const manner = manners[column] as number;
      let next = at + 1;
      if (start < 0) {
        if (start !== -1 || next > stop) break;
        words.setInt32(next, nullWord);
        next += 4;
      } else if (next + end - start > stop) {
        break;
      } else if (manner === bytesAsDigits) {
        // A letter, or a negative zero.
        let refused = source[start] === minus && isZero(source, start, end) ? -1 : 0;
        let index = start;
        for (; index + 4 <= end; index += 4) {
          const word = sourceWords.getInt32(index);
          // Has a high bit where one of its bytes is more than a nine.
          refused |= word | (word + 0x46464646);
          words.setInt32(next, word);
          next += 4;
        }
        for (; index < end; index += 1) {
          const byte = source[index] as number;
          refused |= nine - byte;
          bytes[next] = byte;
          next += 1;
        }
        if ((refused & highBits) !== 0) break;
      } else if (manner === bytesAsString) {
        next = this.#quote(next);
        let added = isEscaped ? 2 : 0;
        let index = start;
        for (; index < end; index += 1) {
          for (; index + 4 <= end; index += 4) {
            const word = sourceWords.getInt32(index);
            if (needsEscape(word) !== 0) break;
            words.setInt32(next, word);
            next += 4;
          }
          if (index === end) break;
          const byte = source[index] as number;
          if (byte < 0x20 || byte === quoteMark || byte === backslash) {
            if (next + longestEscape + end - index > stop) break;
            const escape = this.#table[byte] as Escape;
            for (let place = 0; place < escape.bytes.length; place += 1) {
              bytes[next + place] = escape.bytes[place] as number;
            }
            next += escape.bytes.length;
            added += escape.added;
          } else {
            bytes[next] = byte;
            next += 1;
          }
        }
        if (index < end) break;
        next = this.#quote(next);
        escapes += added;
      } else {
        break;
      }
      bytes[at] = column === 0 ? openBracket : comma;
      at = next;
    }
    this.#at = at;
    this.#escapes += escapes;
    return column;
  }

  /** A copy of what is written. */
  toText(): JsonText {
    return new JsonText(this.#bytes.slice(0, this.#at), headroom, this.#at, this.#isEscaped);
  }

  /**
   * Hands over what is written, and begins anew.
   *
   * @returns the text, and what gives its memory back once nobody reads it any more.
   */
  take(): { readonly text: JsonText; readonly release: () => void } {
    const [bytes, end] = [this.#bytes, this.#at];
    const isSmall = end < bytes.length * smallPart;
    this.truncate(startPosition);
    if (!isSmall) this.#use(new Uint8Array());
    return {
      text: new JsonText(isSmall ? bytes.slice(0, end) : bytes, headroom, end, this.#isEscaped),
      release: () => {
        if (!isSmall) this.#pool.give(bytes);
      },
    };
  }

  /** Writes the quote of a string at `at`, and counts nothing. Returns what is behind it. */
  #quote(at: number): number {
    const quote = this.#isEscaped ? at + 1 : at;
    this.#bytes[at] = backslash;
    this.#bytes[quote] = quoteMark;
    return quote + 1;
  }

  /** @param bytes - of the JSON text, with a pair of quotes at the most. */
  #hasRoom(bytes: number): boolean {
    if (this.#isFull) return false;
    if (this.length + bytes > this.#limit) {
      this.#isFull = true;
      return false;
    }
    const needed = this.#at + bytes + 2;
    if (needed > this.#bytes.length) this.#grow(needed);
    return true;
  }

  #grow(needed: number): void {
    if (this.#bytes.length === 0) this.#use(this.#pool.take());
    if (needed > this.#bytes.length) this.#use(this.#pool.grow(this.#bytes, this.#at, needed));
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#words = wordsOf(bytes);
  }
}

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** True where no digit stands for more than zero. */
function isZero(digits: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) if ((digits[index] as number) > zero) return false;
  return true;
}
