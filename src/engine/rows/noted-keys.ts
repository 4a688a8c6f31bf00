import type { ByteRow, Key, SourceDescription, TextRow } from '../../contract/index.ts';
import { decoder, textRowOf } from './byte-row.ts';

/** The keys of the rows of a batch, in their order. */
export interface KeyList {
  readonly length: number;
  at(row: number): Key;
}

/** Remembers the keys of many rows by where their bytes stand: few of them are ever asked for. */
export class NotedKeys {
  readonly #indexes: readonly number[];
  /** For each row its texts, or the bytes in which its key stands at {@link #places}. */
  #rows: (Key | Uint8Array)[] = [];
  #places: number[] = [];

  constructor({ keyIndexes }: SourceDescription) {
    this.#indexes = keyIndexes;
  }

  note(row: TextRow): void {
    this.#add(this.#indexes.map((index) => row[index] as string));
  }

  noteBytes(row: ByteRow): void {
    const { source, starts, ends } = row;
    for (const index of this.#indexes) {
      // Not in the bytes: made now, as the row is gone later.
      if ((starts[index] as number) < 0) return this.note(textRowOf(row));
    }
    this.#rows.push(source);
    for (const index of this.#indexes) this.#places.push(starts[index] as number, ends[index] as number);
  }

  /** Hands the keys over and begins a new list. */
  take(): KeyList {
    const [rows, places, parts] = [this.#rows, this.#places, this.#indexes.length];
    this.#rows = [];
    this.#places = [];
    const at = (row: number): Key => {
      const noted = rows[row];
      if (!(noted instanceof Uint8Array)) return noted as Key;
      return Array.from({ length: parts }, (_, part) => {
        const place = (row * parts + part) * 2;
        return decoder.decode(noted.subarray(places[place], places[place + 1]));
      });
    };
    return { length: rows.length, at };
  }

  #add(key: Key): void {
    this.#rows.push(key);
    for (const _part of this.#indexes) this.#places.push(0, 0);
  }
}
