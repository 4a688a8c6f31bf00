import type { ByteRow } from '../contract/index.ts';
import { MigratorError } from '../errors.ts';
import { decimalText, Float8Reader } from './binary/float8.ts';
import { type BinaryReader, longestText, readerOf } from './binary/readers.ts';
import type { PostgresColumn, TypeCodec } from './types/types.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes of a socket's chunk at the most, as a rule. */
const usualChunk = 65_536;

/** What one large row needed beyond this is not kept for those that follow. Bytes. */
const mostKept = 1_000_000;

/** Values that a column has at least, before it is judged by them. */
const judgedValues = 100;

/**
 * Where chunks are copied to whose rows need room behind them. One serves all pages of a source, also those that are read at the
 * same time: the rows of a chunk are handed over before the next one comes. One for each page would be garbage of some size.
 */
export class ChunkMemory {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  view: DataView = new DataView(this.bytes.buffer);

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

/** The row of a page at which its reader stands, as the server sent it. */
export class PageRow implements ByteRow {
  source: Uint8Array = new Uint8Array();
  /** The same memory, four and eight bytes at a time. */
  #view: DataView = new DataView(new ArrayBuffer());
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly digits: Float64Array;
  readonly places: Uint8Array;
  /** Values that had to be put into canonical text first. */
  readonly #texts: string[];
  /** How the text of a column becomes canonical; null: it is so already. */
  readonly #conversions: readonly (Pick<TypeCodec, 'canonical' | 'prefix'> | null)[];
  /** What reads the columns that come in the server's own form. */
  readonly #readers: readonly (BinaryReader | null)[];
  /** Those of them that find decimal numbers. */
  readonly #doubles: readonly (Float8Reader | null)[];
  /** Bytes that their texts need at the most. */
  readonly #room: number;
  /** Where the texts of a row are written: behind the chunk that it came in. */
  #free = 0;
  readonly #memory: ChunkMemory;
  readonly #columns: readonly PostgresColumn[];

  /** @param isBinary - for each column, whether it comes in the server's own form. */
  constructor(
    columns: readonly PostgresColumn[],
    isBinary: readonly boolean[],
    memory: ChunkMemory = new ChunkMemory(),
  ) {
    this.#memory = memory;
    this.#columns = columns;
    this.starts = new Int32Array(columns.length);
    this.ends = new Int32Array(columns.length);
    this.digits = new Float64Array(columns.length);
    this.places = new Uint8Array(columns.length);
    this.#texts = columns.map(() => '');
    this.#conversions = columns.map(({ codec }) => codec.canonical && codec);
    this.#readers = columns.map(({ codec: { binary } }, index) =>
      binary !== null && isBinary[index] === true ? readerOf(binary) : null,
    );
    this.#doubles = this.#readers.map((reader) => (reader instanceof Float8Reader ? reader : null));
    this.#room = this.#readers.filter((reader) => reader !== null).length * longestText;
  }

  /** Takes the chunk in which the next rows stand. */
  begin(chunk: Uint8Array): void {
    if (this.#room === 0) {
      this.source = chunk;
      this.#view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      return;
    }
    // Behind the chunk is memory of somebody else's, so it is copied: sixty kilobytes at a time cost next to nothing.
    this.#memory.take(chunk, this.#room);
    this.source = this.#memory.bytes;
    this.#view = this.#memory.view;
    this.#free = chunk.length;
  }

  /** Reads the values that begin at `at`. Returns the bytes of their texts; a decimal number counts as its double. */
  read(at: number): number {
    const { starts, ends, digits, places } = this;
    const view = this.#view;
    const readers = this.#readers;
    const doubles = this.#doubles;
    const conversions = this.#conversions;
    const columns = starts.length;
    let next = at;
    let free = this.#free;
    let saved = 0;
    for (let column = 0; column < columns; column += 1) {
      const length = view.getInt32(next);
      next += 4;
      if (length < 0) {
        starts[column] = -1;
        continue;
      }
      const reader = readers[column];
      if (reader) {
        if (length !== reader.bytes) throw unknownForm(length, reader.bytes);
        if (doubles[column]?.decimal(view, next, digits, places, column)) {
          starts[column] = -3;
          next += length;
          continue;
        }
        starts[column] = free;
        free = reader.write(view, next, view, free);
        ends[column] = free;
        saved += length;
        next += length;
        continue;
      }
      starts[column] = next;
      next += length;
      ends[column] = next;
      const conversion = conversions[column];
      if (!conversion) continue;
      const { prefix, canonical } = conversion;
      if (prefix === null) this.#convert(column, canonical);
      else starts[column] = next - length + prefix;
    }
    return next - at - saved + free - this.#free;
  }

  text(column: number): string | null {
    const start = this.starts[column] as number;
    if (start === -1) return null;
    if (start === -2) return this.#texts[column] as string;
    if (start === -3) return decimalText(this.digits[column] as number, this.places[column] as number);
    return decoder.decode(this.source.subarray(start, this.ends[column]));
  }

  /** Columns most of whose values would have cost the server no more than they cost here. */
  slowColumns(): readonly PostgresColumn[] {
    return this.#columns.filter((_column, index) => {
      const { values = 0, slow = 0 } = this.#readers[index] ?? {};
      return values >= judgedValues && slow * 2 > values;
    });
  }

  #convert(column: number, canonical: TypeCodec['canonical']): void {
    const text = decoder.decode(this.source.subarray(this.starts[column], this.ends[column]));
    this.#texts[column] = canonical?.(text) ?? text;
    this.starts[column] = -2;
  }
}

function unknownForm(found: number, expected: number): MigratorError {
  return new MigratorError(
    'SOURCE_FAILED',
    `The server sent a value of ${found} bytes for one of ${expected}.`,
    {
      help: 'What answers here does not speak the protocol as PostgreSQL does. Connect to the server itself, or pass a Kysely instance: then every value is read as a text.',
    },
  );
}
