import { MigratorError } from '../../errors.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
const encoder = new TextEncoder();

/** Bytes that a writer leaves free before a text, for what a request has before it. */
export const headroom = 256;

/**
 * The rows of a batch in UTF-8, as a parameter of a statement: a binding takes it as a string. For a request they are written as the
 * inside of a JSON string at once: two million bytes are not gone through again.
 */
export class RowsText {
  /** True: quotes and backslashes have a backslash before them, as inside a JSON string. */
  readonly isEscaped: boolean;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  readonly #start: number;
  readonly #end: number;

  /** @param buffer - holds the text from `start` to `end`; what is before and behind is free. */
  constructor(buffer: Uint8Array<ArrayBuffer>, start: number, end: number, isEscaped: boolean) {
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
    this.isEscaped = isEscaped;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  toString(): string {
    let text: string;
    try {
      text = decoder.decode(this.bytes);
    } catch (cause) {
      throw new MigratorError('SOURCE_FAILED', 'The source says that a text is UTF-8, and it is not.', {
        help: 'Mend it there, or pass a Kysely instance, whose driver replaces it.',
        cause,
      });
    }
    return this.isEscaped ? (JSON.parse(`"${text}"`) as string) : text;
  }

  /** Its bytes with something before and behind them: in its own buffer where there is room, which spares a copy. */
  between(before: string, behind: string): Uint8Array<ArrayBuffer> {
    const [prefix, suffix] = [encoder.encode(before), encoder.encode(behind)];
    const [start, end] = [this.#start - prefix.length, this.#end + suffix.length];
    if (start >= 0 && end <= this.#buffer.length) {
      this.#buffer.set(prefix, start);
      this.#buffer.set(suffix, this.#end);
      return this.#buffer.subarray(start, end);
    }
    const body = new Uint8Array(prefix.length + this.#end - this.#start + suffix.length);
    body.set(prefix);
    body.set(this.bytes, prefix.length);
    body.set(suffix, body.length - suffix.length);
    return body;
  }
}
