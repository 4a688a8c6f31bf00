import type { ByteRows, Key, SourceDescription, TextRow } from '../../contract/index.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** One of the rows as texts. */
export function textRowOf(rows: ByteRows, row: number): TextRow {
  return Array.from({ length: rows.columns }, (_, column) => rows.text(row, column));
}

/** Remembers the key of a row, whose texts are made where someone asks for them. */
export class NotedKey {
  readonly #indexes: readonly number[];
  /** Bytes of its parts, one behind the other: those of the row do not last. */
  readonly #bytes = new KeyBytes();
  /** Where each part ends. */
  readonly #ends: Int32Array;
  #row: TextRow | null = null;

  constructor({ keyIndexes }: SourceDescription) {
    this.#indexes = keyIndexes;
    this.#ends = new Int32Array(keyIndexes.length);
  }

  note(row: TextRow): void {
    this.#row = row;
  }

  noteBytes(rows: ByteRows, row: number): void {
    const bytes = this.#bytes;
    this.#row = null;
    bytes.length = 0;
    for (let part = 0; part < this.#indexes.length; part += 1) {
      bytes.addValue(rows, row, this.#indexes[part] as number);
      this.#ends[part] = bytes.length;
    }
  }

  /** The key of the row that was noted last. */
  get key(): Key {
    const row = this.#row;
    if (row) return this.#indexes.map((index) => row[index] as string);
    let start = 0;
    return this.#indexes.map((_index, part) => {
      const end = this.#ends[part] as number;
      const text = this.#bytes.text(start, end);
      start = end;
      return text;
    });
  }
}

/** Bytes of keys, one behind the other. */
export class KeyBytes {
  #bytes = new Uint8Array(64);
  /** May be set to less, for what is no longer needed. */
  length = 0;

  /** Adds a copy of a value that is not null, wherever it stands. */
  addValue(rows: ByteRows, row: number, column: number): void {
    const place = row * rows.columns + column;
    const start = rows.starts[place] as number;
    if (start >= 0) this.#add(rows.source, start, rows.ends[place] as number);
    else this.addText(rows.text(row, column) as string);
  }

  addText(text: string): void {
    const bytes = this.#withRoom(text.length);
    let at = this.length;
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) {
        const encoded = encoder.encode(text);
        return this.#add(encoded, 0, encoded.length);
      }
      bytes[at] = code;
      at += 1;
    }
    this.length = at;
  }

  #add(source: Uint8Array, start: number, end: number): void {
    const bytes = this.#withRoom(end - start);
    let at = this.length;
    for (let index = start; index < end; index += 1) {
      bytes[at] = source[index] as number;
      at += 1;
    }
    this.length = at;
  }

  #withRoom(more: number): Uint8Array {
    const needed = this.length + more;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return this.#bytes;
  }

  text(start: number, end: number): string {
    return decoder.decode(this.#bytes.subarray(start, end));
  }
}
