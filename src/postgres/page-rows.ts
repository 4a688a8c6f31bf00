import type { ByteRows } from '../contract/index.ts';
import { decimalText } from './binary/float8.ts';
import { alone, type WireColumns } from './binary/packs.ts';
import { readerOf } from './binary/readers.ts';
import { type BinaryReader, type BinaryRows, longestText, unknownForm } from './binary/rows.ts';
import { WholeReader } from './binary/whole.ts';
import type { PostgresColumn, TypeCodec } from './types/types.ts';
import { rowEnd, valuesAt } from './wire-tap.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes of a socket's chunk at the most, as a rule. */
const usualChunk = 65_536;

/** What one large row needed beyond this is not kept for those that follow. Bytes. */
const mostKept = 1_000_000;

/** Values that a column has at least, before it is judged by them. */
export const judgedValues = 100;

/** Values of the rows that are handed over at a time: what is known of them fits into a processor's nearest memory but one. */
const mostValues = 4_096;

/**
 * Where chunks are copied to whose rows need room behind them, and what is known of the values of these rows. One serves all
 * pages of a source, as the rows of a chunk are handed over before the next one comes.
 */
export class ChunkMemory {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  view: DataView = new DataView(this.bytes.buffer);
  readonly starts: Int32Array = new Int32Array(mostValues);
  readonly ends: Int32Array = new Int32Array(mostValues);
  readonly digits: Float64Array = new Float64Array(mostValues);
  readonly places: Uint8Array = new Uint8Array(mostValues);

  /** Copies a chunk, with so many bytes of room behind it. */
  take(chunk: Uint8Array, room: number): void {
    const needed = chunk.length + room;
    const isTooLarge = this.bytes.length > mostKept && needed <= mostKept;
    if (needed > this.bytes.length || isTooLarge) {
      this.bytes = new Uint8Array(Math.max(needed, usualChunk + room));
      this.view = new DataView(this.bytes.buffer);
    }
    this.bytes.set(chunk);
  }
}

/** Says of each row whether it belongs to the page, and is told of its size. */
export interface RowCount {
  /** Bytes, or characters, of all rows that belong to it. */
  characters: number;
  admit(): boolean;
  /** The same of so many rows of one size. Returns how many belong to it: the first of them. */
  admitAll(rows: number, bytes: number): number;
  /** The row that was admitted last cannot be read as it came: it is for another page, as are all that follow. */
  refuse(): void;
}

/** Rows of a page at which its reader stands, as the server sent them. */
export class PageRows implements ByteRows, BinaryRows {
  rows = 0;
  readonly columns: number;
  source: Uint8Array = new Uint8Array();
  /** The same memory. */
  view: DataView = new DataView(new ArrayBuffer());
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly digits: Float64Array;
  readonly places: Uint8Array;
  plainFrom = 0;
  readonly isUtf8: boolean;
  stride = 0;
  readonly firsts: Int32Array;
  /** Bytes of a message, where it is a row without nulls all of whose values have the bytes of their types; 0: these are not known. */
  readonly #fixed: number;
  /** Where the lengths of its values stand, and what they are; and where the value of each column begins. */
  readonly #lengths: { readonly at: number; readonly bytes: number }[] = [];
  readonly #offsets: Int32Array;
  /** Where the next text is written: behind the chunk that the rows came in. */
  free = 0;
  /** How the text of a column becomes canonical; null: it is so already. */
  readonly #conversions: readonly (Pick<TypeCodec, 'canonical' | 'prefix'> | null)[];
  /** What reads the columns that come in the server's own form. */
  readonly #readers: readonly (BinaryReader | null)[];
  readonly #mostRows: number;
  /** Bytes that the texts of so many rows need at the most. */
  readonly #room: number;
  readonly #memory: ChunkMemory;
  /** The columns that stand by themselves in the stream, and behind them those whose values stand together. */
  readonly #singles: Int32Array;
  readonly #packs: readonly Int32Array[];
  /** Not 0 for columns of which a value was null. */
  readonly #nulls: Uint8Array;
  readonly #described: readonly PostgresColumn[];

  /** @param isBinary - for each column, whether it comes in the server's own form. */
  constructor(
    columns: readonly PostgresColumn[],
    isBinary: readonly boolean[],
    { singles, packs }: WireColumns = alone(columns),
    memory: ChunkMemory = new ChunkMemory(),
  ) {
    this.#memory = memory;
    this.#described = columns;
    // Where the server checks no encoding rows do not come as bytes. Before its version 16 a "char" may be any byte all the same.
    this.isUtf8 = columns.every(({ baseType }) => !baseType.startsWith('"char"'));
    this.columns = columns.length;
    this.#singles = Int32Array.from(singles);
    this.#nulls = new Uint8Array(columns.length);
    this.#packs = packs.map((pack) => Int32Array.from(pack));
    // A table has 1,600 columns at the most (PostgreSQL's documentation, appendix K).
    this.#mostRows = Math.floor(mostValues / columns.length);
    ({ starts: this.starts, ends: this.ends, digits: this.digits, places: this.places } = memory);
    this.#conversions = columns.map(({ codec }) => codec.canonical && codec);
    const packed = new Set(packs.flat());
    this.#readers = columns.map(({ codec: { binary } }, index) => {
      if (binary !== null && isBinary[index] === true) return readerOf(binary);
      return packed.has(index) ? new WholeReader() : null;
    });
    this.firsts = new Int32Array(columns.length);
    this.#offsets = new Int32Array(columns.length);
    let fixed = valuesAt;
    for (const list of [...singles.map((single) => [single]), ...packs]) {
      const at = fixed;
      fixed += 4;
      for (const column of list) {
        this.#offsets[column] = fixed;
        fixed += this.#readers[column]?.bytes ?? NaN;
      }
      this.#lengths.push({ at, bytes: fixed - at - 4 });
    }
    this.#fixed = fixed || 0;
    const read = this.#readers.filter((reader) => reader !== null).length;
    this.#room = this.#mostRows * read * longestText;
  }

  /** Takes the rows that stand whole in a chunk, and hands those over that belong to the page. Returns where something else begins. */
  take(chunk: Uint8Array, from: number, count: RowCount, onRows: (rows: ByteRows) => void): number {
    this.#begin(chunk);
    const { view } = this;
    const { length } = chunk;
    let at = this.#takeFixed(from, length, count, onRows);
    let rows = 0;
    for (let end = rowEnd(view, at, length); end > 0; end = rowEnd(view, at, length)) {
      if (count.admit()) {
        if (this.#place(at + valuesAt, rows)) {
          count.characters += end - at - valuesAt;
          rows += 1;
        } else count.refuse();
      }
      at = end;
      if (rows < this.#mostRows) continue;
      this.#handOver(rows, length, onRows);
      rows = 0;
    }
    if (rows > 0) this.#handOver(rows, length, onRows);
    return at;
  }

  /**
   * Takes the rows from a place on that have all the bytes of their types, as most have: nothing needs to be noted of their values. A null
   * would leave a row shorter, and what a server's form of a type is shows in the first.
   */
  #takeFixed(from: number, length: number, count: RowCount, onRows: (rows: ByteRows) => void): number {
    const { view } = this;
    const fixed = this.#fixed;
    let end = from;
    if (fixed === 0 || rowEnd(view, from, length) !== from + fixed) return from;
    if (!this.#lengths.every(({ at, bytes }) => view.getInt32(from + at) === bytes)) return from;
    while (rowEnd(view, end, length) === end + fixed) end += fixed;
    const last = from + count.admitAll((end - from) / fixed, fixed - valuesAt) * fixed;
    this.stride = fixed;
    for (let at = from; at < last;) {
      const rows = Math.min(this.#mostRows, (last - at) / fixed);
      for (let column = 0; column < this.columns; column += 1)
        this.firsts[column] = at + (this.#offsets[column] as number);
      this.#handOver(rows, length, onRows);
      at += rows * fixed;
    }
    this.stride = 0;
    return end;
  }

  text(row: number, column: number): string | null {
    const place = row * this.columns + column;
    const start = this.starts[place] as number;
    if (start === -1) return null;
    if (start === -3) return decimalText(this.digits[place] as number, this.places[place] as number);
    if (start >= 0) return decoder.decode(this.source.subarray(start, this.ends[place]));
    const text = decoder.decode(this.source.subarray(unconverted - start, this.ends[place]));
    return this.#conversions[column]?.canonical?.(text) ?? text;
  }

  /** Columns of which a value was null. */
  nullColumns(): readonly PostgresColumn[] {
    return this.#described.filter((_column, index) => this.#nulls[index] !== 0);
  }

  /** Columns most of whose values would have cost the server no more than they cost here. */
  slowColumns(): readonly PostgresColumn[] {
    return this.#described.filter((_column, index) => {
      const { values = 0, slow = 0 } = this.#readers[index] ?? {};
      return values >= judgedValues && slow * 2 > values;
    });
  }

  #begin(chunk: Uint8Array): void {
    if (this.#room === 0) {
      this.source = chunk;
      this.view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      return;
    }
    // Behind the chunk is memory of somebody else's, so it is copied.
    this.#memory.take(chunk, this.#room);
    this.source = this.#memory.bytes;
    this.view = this.#memory.view;
  }

  /** Notes where the values of a row stand. False: one of those that stand together is null, and nothing is left of the others. */
  #place(at: number, row: number): boolean {
    const { view, starts, ends } = this;
    const singles = this.#singles;
    const first = row * this.columns;
    let next = at;
    for (let index = 0; index < singles.length; index += 1) {
      const column = singles[index] as number;
      const place = first + column;
      const length = view.getInt32(next);
      next += 4;
      if (length < 0) {
        starts[place] = -1;
        this.#nulls[column] = 1;
        continue;
      }
      starts[place] = next;
      next += length;
      ends[place] = next;
    }
    for (const pack of this.#packs) {
      const length = view.getInt32(next);
      next += 4;
      if (length === -1) return false;
      if (length !== pack.length * 8) throw unknownForm(length, pack.length * 8);
      for (let index = 0; index < pack.length; index += 1) {
        const place = first + (pack[index] as number);
        starts[place] = next;
        next += 8;
        ends[place] = next;
      }
    }
    return true;
  }

  /** Column by column, so that each is gone through in one loop of its own. */
  #handOver(rows: number, free: number, onRows: (rows: ByteRows) => void): void {
    this.rows = rows;
    this.free = free;
    this.plainFrom = free;
    for (let column = 0; column < this.columns; column += 1) {
      this.#readers[column]?.read(this, column);
      const conversion = this.#conversions[column];
      if (conversion && !this.#readers[column]) this.#convert(column, conversion.prefix);
    }
    onRows(this);
  }

  /** @param prefix - what a text has too much in front; null: it becomes canonical in another way. */
  #convert(column: number, prefix: number | null): void {
    const { starts, columns } = this;
    for (let row = 0; row < this.rows; row += 1) {
      const place = row * columns + column;
      const start = starts[place] as number;
      if (start >= 0) starts[place] = prefix === null ? unconverted - start : start + prefix;
    }
  }
}

/** So much less the place of a text stands for one that is not canonical yet, below all numbers that mean something else. */
const unconverted = -4;
