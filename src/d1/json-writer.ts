import { JsonText } from './json-text.ts';

const encoder = new TextEncoder();

const quoteMark = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;

/** Bytes that a writer has room for at first; it grows with what comes. */
const firstBytes = 64_000;

/** Where a writer stands: what is written behind it can be taken back. */
export interface WriterPosition {
  readonly at: number;
  readonly escapes: number;
}

/**
 * Writes a JSON text into bytes, up to a length. What does not fit is not written, and {@link JsonWriter.isFull} says so until
 * {@link JsonWriter.truncate}.
 */
export class JsonWriter {
  /** Bytes of the JSON text at the most, without {@link #escapes}. */
  readonly #limit: number;
  /** True: it is written as the inside of a JSON string. */
  readonly #isEscaped: boolean;
  #bytes: Uint8Array = new Uint8Array(firstBytes);
  #at = 0;
  /** Backslashes among the bytes that are not the text's own. */
  #escapes = 0;
  #isFull = false;

  constructor(limit: number, isEscaped: boolean) {
    this.#limit = limit;
    this.#isEscaped = isEscaped;
  }

  /** Bytes of the JSON text. */
  get length(): number {
    return this.#at - this.#escapes;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get position(): WriterPosition {
    return { at: this.#at, escapes: this.#escapes };
  }

  /** Takes back what was written behind a position. */
  truncate({ at, escapes }: WriterPosition): void {
    this.#at = at;
    this.#escapes = escapes;
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
    for (;;) {
      const { read, written } = encoder.encodeInto(text, this.#bytes.subarray(this.#at));
      if (read === text.length) {
        this.#at += written;
        break;
      }
      this.#grow(this.#at + text.length * 3);
    }
    this.#escapes += text.length - json.length;
    if (this.length > this.#limit) this.#isFull = true;
  }

  /** A text as a JSON string. */
  string(text: string): void {
    const { length } = text;
    if (!this.#hasRoom(length + 2)) return;
    const bytes = this.#bytes;
    let at = this.#openQuote(this.#at);
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code < 0x20 || code > 0x7e || code === quoteMark || code === backslash) {
        this.json(JSON.stringify(text));
        return;
      }
      bytes[at] = code;
      at += 1;
    }
    this.#closeQuote(at);
  }

  /**
   * The bytes of a text as a JSON string. False: something in it needs an escape, and nothing was written; {@link string} does
   * it. What does not fit counts as written, see {@link isFull}.
   */
  stringBytes(source: Uint8Array, start: number, end: number): boolean {
    if (!this.#hasRoom(end - start + 2)) return true;
    const bytes = this.#bytes;
    let at = this.#openQuote(this.#at);
    for (let index = start; index < end; index += 1) {
      const byte = source[index] as number;
      if (byte < 0x20 || byte === quoteMark || byte === backslash) return false;
      bytes[at] = byte;
      at += 1;
    }
    this.#closeQuote(at);
    return true;
  }

  /** The bytes of a number as they are. False: it has a letter, or may be a negative zero, and nothing was written. */
  digitBytes(source: Uint8Array, start: number, end: number): boolean {
    if (source[start] === minus && source[start + 1] === zero) return false;
    if (!this.#hasRoom(end - start)) return true;
    const bytes = this.#bytes;
    let at = this.#at;
    for (let index = start; index < end; index += 1) {
      const byte = source[index] as number;
      if (byte > nine) return false;
      bytes[at] = byte;
      at += 1;
    }
    this.#at = at;
    return true;
  }

  /** A copy of what is written; the writer can be used again. */
  toText(): JsonText {
    return new JsonText(this.#bytes.slice(0, this.#at), this.#isEscaped);
  }

  /** Writes the quote before a string at `at`, and counts nothing yet. Returns where the string begins. */
  #openQuote(at: number): number {
    if (!this.#isEscaped) {
      this.#bytes[at] = quoteMark;
      return at + 1;
    }
    this.#bytes[at] = backslash;
    this.#bytes[at + 1] = quoteMark;
    return at + 2;
  }

  #closeQuote(at: number): void {
    this.#at = this.#openQuote(at);
    if (this.#isEscaped) this.#escapes += 2;
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
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}
