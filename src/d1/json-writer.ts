import type { BufferPool } from './buffer-pool.ts';
import { headroom, JsonText } from './json-text.ts';

const encoder = new TextEncoder();

const quoteMark = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;

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
  readonly #pool: BufferPool;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  #at = headroom;
  /** Backslashes among the bytes that are not the text's own. */
  #escapes = 0;
  #isFull = false;

  constructor(limit: number, isEscaped: boolean, pool: BufferPool) {
    this.#limit = limit;
    this.#pool = pool;
    this.#isEscaped = isEscaped;
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

  /**
   * Hands over what is written, and begins anew.
   *
   * @returns the text, and what gives its memory back once nobody reads it any more.
   */
  take(): { readonly text: JsonText; readonly release: () => void } {
    const [bytes, end] = [this.#bytes, this.#at];
    this.truncate(startPosition);
    if (end < bytes.length * smallPart) {
      return {
        text: new JsonText(bytes.slice(0, end), headroom, end, this.#isEscaped),
        release: () => undefined,
      };
    }
    this.#bytes = new Uint8Array();
    const release = (): void => this.#pool.give(bytes);
    return { text: new JsonText(bytes, headroom, end, this.#isEscaped), release };
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
    if (this.#bytes.length === 0) this.#bytes = this.#pool.take();
    if (needed > this.#bytes.length) this.#bytes = this.#pool.grow(this.#bytes, this.#at, needed);
  }
}
