import type { ByteRows, Key, SourceDescription, TextRow } from '../../contract/index.ts';
import { KeyBytes, textRowOf } from './byte-rows.ts';

/** The keys of the rows of a batch, in their order. */
export interface KeyList {
  readonly length: number;
  at(row: number): Key;
}

/** Remembers the keys of many rows by their bytes: few of them are ever asked for. */
export class NotedKeys {
  readonly #indexes: readonly number[];
  #bytes = new KeyBytes();
  /** For each row where its parts begin and end in {@link #bytes}; for one that came as texts, -1 and its place in {@link #keys}. */
  #places: number[] = [];
  #keys: Key[] = [];
  #length = 0;

  constructor({ keyIndexes }: SourceDescription) {
    this.#indexes = keyIndexes;
  }

  note(row: TextRow): void {
    this.#length += 1;
    for (const _part of this.#indexes) this.#places.push(-1, this.#keys.length);
    this.#keys.push(this.#indexes.map((index) => row[index] as string));
  }

  noteBytes(rows: ByteRows, row: number): void {
    const { source, starts, ends } = rows;
    const first = row * rows.columns;
    for (const index of this.#indexes) {
      // Not in the bytes: made now, as the row is gone later.
      if ((starts[first + index] as number) < 0) return this.note(textRowOf(rows, row));
    }
    this.#length += 1;
    const bytes = this.#bytes;
    for (const index of this.#indexes) {
      const start = bytes.length;
      bytes.add(source, starts[first + index] as number, ends[first + index] as number);
      this.#places.push(start, bytes.length);
    }
  }

  /** Hands the keys over and begins a new list. */
  take(): KeyList {
    const [bytes, places, keys, length] = [this.#bytes, this.#places, this.#keys, this.#length];
    const parts = this.#indexes.length;
    this.#bytes = new KeyBytes();
    this.#places = [];
    this.#keys = [];
    this.#length = 0;
    const at = (row: number): Key => {
      const first = row * parts * 2;
      if (places[first] === -1) return keys[places[first + 1] as number] as Key;
      return Array.from({ length: parts }, (_, part) =>
        bytes.text(places[first + part * 2] as number, places[first + part * 2 + 1] as number),
      );
    };
    return { length, at };
  }
}
