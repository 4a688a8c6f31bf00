const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * A JSON text in UTF-8, as a parameter of a statement: a binding takes it as a string. For a request it is written as the inside
 * of a JSON string in the first place, so that its two million bytes are not gone through again.
 */
export class JsonText {
  readonly bytes: Uint8Array;
  /** True: quotes and backslashes have a backslash before them, as inside a JSON string. */
  readonly isEscaped: boolean;

  constructor(bytes: Uint8Array, isEscaped: boolean) {
    this.bytes = bytes;
    this.isEscaped = isEscaped;
  }

  toString(): string {
    const text = decoder.decode(this.bytes);
    return this.isEscaped ? (JSON.parse(`"${text}"`) as string) : text;
  }
}
