const encoder = new TextEncoder();
const decoder = new TextDecoder();

const quoteMark = 0x22;
const backslash = 0x5c;

/** A JSON text in UTF-8, as a parameter of a statement: a binding takes it as a string, a request as it is. */
export class JsonText {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  toString(): string {
    return decoder.decode(this.bytes);
  }

  /**
   * Writes it as the inside of a JSON string: JSON has no bare control characters, so nothing but quotes and backslashes needs
   * an escape. Returns where it ends; there must be room for twice its bytes.
   */
  writeEscaped(target: Uint8Array, start: number): number {
    const { bytes } = this;
    let at = start;
    // An index loop: an iterator costs several times as much a byte.
    for (let index = 0; index < bytes.length; index += 1) {
      const byte = bytes[index] as number;
      if (byte === quoteMark || byte === backslash) {
        target[at] = backslash;
        at += 1;
      }
      target[at] = byte;
      at += 1;
    }
    return at;
  }
}

/**
 * Writes JSON into bytes. It starts small and grows up to `limit`; what does not fit is not written, and {@link JsonWriter.isFull}
 * says so until {@link JsonWriter.truncate}.
 */
export class JsonWriter {
  readonly #limit: number;
  #bytes: Uint8Array;
  #at = 0;
  #isFull = false;

  constructor(limit: number, size: number) {
    this.#limit = limit;
    this.#bytes = new Uint8Array(Math.min(limit, size));
  }

  get length(): number {
    return this.#at;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Takes back what was written behind this length. */
  truncate(length: number): void {
    this.#at = length;
    this.#isFull = false;
  }

  /** One ASCII character. */
  character(code: number): void {
    if (!this.#hasRoom(1)) return;
    this.#bytes[this.#at] = code;
    this.#at += 1;
  }

  /** A text of ASCII characters, as it is. */
  ascii(text: string): void {
    const { length } = text;
    if (!this.#hasRoom(length)) return;
    const bytes = this.#bytes;
    const start = this.#at;
    for (let index = 0; index < length; index += 1) bytes[start + index] = text.charCodeAt(index);
    this.#at = start + length;
  }

  /** Any text, as it is. */
  text(text: string): void {
    // No character has less than a byte.
    if (!this.#hasRoom(text.length)) return;
    for (;;) {
      const { read, written } = encoder.encodeInto(text, this.#bytes.subarray(this.#at));
      if (read === text.length) {
        this.#at += written;
        return;
      }
      if (this.#bytes.length === this.#limit) {
        this.#isFull = true;
        return;
      }
      this.#grow(this.#bytes.length * 2);
    }
  }

  /** A text as a JSON string. */
  string(text: string): void {
    const { length } = text;
    if (!this.#hasRoom(length + 2)) return;
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at] = quoteMark;
    at += 1;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code < 0x20 || code > 0x7e || code === quoteMark || code === backslash) {
        this.text(JSON.stringify(text));
        return;
      }
      bytes[at] = code;
      at += 1;
    }
    bytes[at] = quoteMark;
    this.#at = at + 1;
  }

  /** A copy of what is written, of exactly its length. */
  toText(): JsonText {
    return new JsonText(this.#bytes.slice(0, this.#at));
  }

  #hasRoom(bytes: number): boolean {
    if (this.#isFull) return false;
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return true;
    if (needed > this.#limit) {
      this.#isFull = true;
      return false;
    }
    this.#grow(Math.max(needed, this.#bytes.length * 2));
    return true;
  }

  #grow(size: number): void {
    const grown = new Uint8Array(Math.min(this.#limit, size));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}
