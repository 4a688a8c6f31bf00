import type { ByteRow, Key, SourceDescription, TextRow } from '../../contract/index.ts';

/** Reads the bytes of values. */
export const decoder: TextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The value of a column as a text. */
function textAt({ source, starts, ends, texts }: ByteRow, column: number): string | null {
  const start = starts[column] as number;
  if (start === -1) return null;
  return start === -2 ? (texts[column] as string) : decoder.decode(source.subarray(start, ends[column]));
}

/** The whole row as texts. */
export function textRowOf(row: ByteRow): TextRow {
  return Array.from(row.starts, (_start, column) => textAt(row, column));
}

/** Remembers the key of a row, whose texts are made where someone asks for them. */
export class NotedKey {
  readonly #indexes: readonly number[];
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #texts: string[];
  #source: Uint8Array | null = null;
  #row: TextRow | null = null;

  constructor({ keyIndexes }: SourceDescription) {
    this.#indexes = keyIndexes;
    this.#starts = new Int32Array(keyIndexes.length);
    this.#ends = new Int32Array(keyIndexes.length);
    this.#texts = keyIndexes.map(() => '');
  }

  /** True: no row was noted since it was cleared. */
  get isEmpty(): boolean {
    return this.#row === null && this.#source === null;
  }

  clear(): void {
    this.#row = null;
    this.#source = null;
  }

  note(row: TextRow): void {
    this.#row = row;
  }

  noteBytes({ source, starts, ends, texts }: ByteRow): void {
    this.#row = null;
    this.#source = source;
    for (let part = 0; part < this.#indexes.length; part += 1) {
      const index = this.#indexes[part] as number;
      this.#starts[part] = starts[index] as number;
      this.#ends[part] = ends[index] as number;
      if (starts[index] === -2) this.#texts[part] = texts[index] as string;
    }
  }

  /** The key of the row that was noted last. */
  get key(): Key {
    const row = this.#row;
    if (row) return this.#indexes.map((index) => row[index] as string);
    const source = this.#source as Uint8Array;
    return this.#indexes.map((_index, part) => {
      const start = this.#starts[part] as number;
      return start === -2
        ? (this.#texts[part] as string)
        : decoder.decode(source.subarray(start, this.#ends[part]));
    });
  }
}
