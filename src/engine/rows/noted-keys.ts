import type { ByteRows, Key, SourceDescription, TextRow } from '../../contract/index.ts';
import { KeyBytes } from './byte-rows.ts';

/** The keys of the rows of a batch, in their order. */
export interface KeyList {
  readonly length: number;
  at(row: number): Key;
}

/** Remembers the keys of many rows by their bytes: few of them are ever asked for. */
export class NotedKeys {
  readonly #indexes: readonly number[];
  #bytes = new KeyBytes();
  /** For each row where its parts end. */
  #ends: number[] = [];

  constructor({ keyIndexes }: SourceDescription) {
    this.#indexes = keyIndexes;
  }

  note(row: TextRow): void {
    for (const index of this.#indexes) {
      this.#bytes.addText(row[index] as string);
      this.#ends.push(this.#bytes.length);
    }
  }

  noteBytes(rows: ByteRows, row: number): void {
    const bytes = this.#bytes;
    for (const index of this.#indexes) {
      bytes.addValue(rows, row, index);
      this.#ends.push(bytes.length);
    }
  }

  /** Hands the keys over and begins a new list. */
  take(): KeyList {
    const [bytes, ends] = [this.#bytes, this.#ends];
    const parts = this.#indexes.length;
    this.#bytes = new KeyBytes();
    this.#ends = [];
    const at = (row: number): Key =>
      Array.from({ length: parts }, (_, part) => {
        const place = row * parts + part;
        return bytes.text(ends[place - 1] ?? 0, ends[place] as number);
      });
    return { length: ends.length / parts, at };
  }
}
