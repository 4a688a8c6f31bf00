import type { BatchEncoder, ByteRow, EncodedBatch, RejectedRow, TextRow } from '../contract/index.ts';
import { groupTooLarge, MigratorError, rowTooLarge } from '../errors.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { JsonText } from './json-text.ts';
import { bytesAsDigits, bytesAsNothing, bytesAsString, JsonWriter, startPosition } from './json-writer.ts';
import type { ColumnForm } from './values/types.ts';

/** D1 takes strings, blobs and rows of up to 2,000,000 bytes (Cloudflare's documentation, D1 limits). */
export const maxRowBytes = 2_000_000;

/** JSON text of one batch, in bytes: below the limit of a string, with room to spare. */
export const maxBatchBytes = 1_900_000;

/** A value of more bytes than this travels in a parameter of its own when its row does not fit into a batch. */
const largeValueBytes = 100_000;

/** A value that travels beside the JSON text, in pieces that each fit into a parameter. */
export interface LargeValue {
  readonly column: number;
  readonly pieces: readonly string[];
}

/** Rows as one JSON text: an array of arrays. */
export interface D1Batch extends EncodedBatch {
  readonly json: JsonText;
  /** Values of a single large row; in the JSON text they are null. */
  readonly large: readonly LargeValue[];
  /** Rows that are set aside, as an array of `[seq, key, code, reason, row]`; empty where there are none. */
  readonly rejects: string;
  /** Columns in which floats stand as mantissa and exponent: see {@link FloatReading}. */
  readonly pairs: ReadonlySet<number>;
}

const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;

/** Turns rows into the JSON text that `json_each` takes apart again: from the values' text straight into bytes. */
export class D1Encoder implements BatchEncoder<D1Batch> {
  readonly #forms: readonly ColumnForm[];
  readonly #maxRows: number;
  readonly #writer: JsonWriter;
  /** What is done with the bytes of each column. */
  readonly #manners: Uint8Array;
  /** True while rows that come from one are added to an empty batch: they may be more than {@link #maxRows}. */
  #isGroup = false;
  #rejects = '';
  #rejectBytes = 2;
  #rows = 0;
  #large: readonly LargeValue[] = [];
  #pairs = new Set<number>();

  /**
   * @param isEscaped - the JSON text is to become the inside of a JSON string.
   * @param pool - where its memory comes from, for encoders that work at the same time.
   */
  constructor(
    forms: readonly ColumnForm[],
    maxRows: number = Infinity,
    isEscaped: boolean = false,
    pool?: BufferPool,
  ) {
    this.#forms = forms;
    this.#maxRows = maxRows;
    this.#manners = Uint8Array.from(forms, ({ asIs }) => {
      if (asIs === null) return bytesAsNothing;
      return asIs === 'string' ? bytesAsString : bytesAsDigits;
    });
    this.#writer = new JsonWriter(maxBatchBytes, isEscaped, pool);
  }

  get rows(): number {
    return this.#rows;
  }

  add(row: TextRow): boolean {
    if (this.#isClosed) return false;
    this.#writeRow(row);
    return this.#fits() || (this.#rows === 0 && this.#addLarge(row));
  }

  addBytes(row: ByteRow): boolean {
    if (this.#isClosed) return false;
    this.#writeBytes(row);
    return (
      this.#fits() ||
      (this.#rows === 0 && this.#addLarge(Array.from(row.starts, (_start, column) => textAt(row, column))))
    );
  }

  /** True: no row may join those that are there. */
  get #isClosed(): boolean {
    return (this.#rows >= this.#maxRows && !this.#isGroup) || this.#large.length > 0;
  }

  /** Counts the row that was written last; takes it back where it does not fit. */
  #fits(): boolean {
    const writer = this.#writer;
    // The bracket that ends the whole has to fit as well.
    const fits = !writer.isFull && writer.length < maxBatchBytes;
    if (fits) this.#rows += 1;
    else writer.rewind();
    return fits;
  }

  addAll(rows: readonly TextRow[]): boolean {
    const [first] = rows;
    if (!first) return true;
    if (rows.length === 1) return this.add(first);
    const [position, before] = [this.#writer.position, this.#rows];
    if (before > 0 && before + rows.length > this.#maxRows) return false;
    let isWhole = false;
    this.#isGroup = true;
    try {
      isWhole = rows.every((row) => this.add(row));
    } finally {
      this.#isGroup = false;
      if (!isWhole) {
        this.#writer.truncate(position);
        this.#rows = before;
        if (before === 0) this.#large = [];
      }
    }
    if (!isWhole && before === 0) throw groupTooLarge(maxBatchBytes);
    return isWhole;
  }

  reject({ seq, key, code, reason, row }: RejectedRow): boolean {
    const write = (why: string, values: RejectedRow['row']): string =>
      JSON.stringify([seq, JSON.stringify(key), code, why, values]);
    let text = write(reason, row);
    let bytes = utf8Bytes(text);
    if (bytes > maxBatchBytes - 2) {
      text = write(`${reason} (The row is too large to be kept here.)`, null);
      bytes = utf8Bytes(text);
      if (bytes > maxBatchBytes - 2) throw rowTooLarge(maxRowBytes);
    }
    if (this.#rejectBytes + bytes + 1 > maxBatchBytes && this.#rejects !== '') return false;
    this.#rejects += this.#rejects === '' ? text : `,${text}`;
    this.#rejectBytes += bytes + 1;
    return true;
  }

  take(): D1Batch {
    const writer = this.#writer;
    if (this.#rows === 0) writer.character(openBracket);
    writer.character(closeBracket);
    const pieces = this.#large.flatMap((value) => value.pieces);
    const large = pieces.reduce((sum, { length }) => sum + length, 0);
    const bytes = writer.length + large + (this.#rejects === '' ? 0 : this.#rejectBytes);
    const { text: json, release } = writer.take();
    const batch = {
      rows: this.#rows,
      bytes,
      json,
      release,
      rejects: this.#rejects === '' ? '' : `[${this.#rejects}]`,
      large: this.#large,
      pairs: this.#pairs,
    };
    this.#rejects = '';
    this.#rejectBytes = 2;
    this.#rows = 0;
    this.#large = [];
    this.#pairs = new Set();
    return batch;
  }

  /** @param elsewhere - columns whose values do not travel in the JSON text. */
  #writeRow(row: TextRow, elsewhere?: ReadonlySet<number>): void {
    const writer = this.#writer;
    writer.mark();
    writer.character(this.#rows === 0 ? openBracket : comma);
    let index = 0;
    try {
      for (const form of this.#forms) {
        writer.character(index === 0 ? openBracket : comma);
        const value = row[index];
        if (value === null || value === undefined || elsewhere?.has(index)) {
          writer.ascii('null');
        } else {
          this.#writeText(form, index, value);
        }
        index += 1;
      }
    } catch (error) {
      writer.rewind();
      throw named(error, this.#forms[index]);
    }
    writer.character(closeBracket);
  }

  #writeBytes(row: ByteRow): void {
    const writer = this.#writer;
    const forms = this.#forms;
    writer.mark();
    writer.character(this.#rows === 0 ? openBracket : comma);
    let index = 0;
    try {
      for (;;) {
        index = writer.values(row, this.#manners, index);
        if (index === forms.length || writer.isFull) break;
        const form = forms[index] as ColumnForm;
        writer.character(index === 0 ? openBracket : comma);
        const value = textAt(row, index);
        if (value === null) writer.ascii('null');
        else this.#writeText(form, index, value);
        index += 1;
      }
    } catch (error) {
      writer.rewind();
      throw named(error, forms[index]);
    }
    writer.character(closeBracket);
  }

  #writeText(form: ColumnForm, index: number, value: string): void {
    const writer = this.#writer;
    if (form.asIs === 'string') return writer.string(value);
    const encoded = form.encode(value);
    if (form.read === 'float' && encoded.charCodeAt(0) === openBracket) this.#pairs.add(index);
    if (form.ascii) writer.ascii(encoded);
    else writer.json(encoded);
  }

  /**
   * A row that fills a batch alone: its large values go beside the JSON text, where nothing has to be escaped.
   *
   * @returns true, or throws where it fits nowhere.
   */
  #addLarge(row: TextRow): boolean {
    let stored = 0;
    const large: LargeValue[] = [];
    for (const [column, form] of this.#forms.entries()) {
      const value = row[column];
      if (value === null || value === undefined) continue;
      const bytes = utf8Bytes(value);
      const travels = bytes <= largeValueBytes || form.large === null;
      const isHex = travels ? form.read === 'unhex' : form.large === 'hex';
      stored += isHex ? bytes / 2 : bytes;
      if (!travels) large.push({ column, pieces: isHex ? cut(value, 1_000_000) : [value] });
    }
    const writer = this.#writer;
    this.#writeRow(row, new Set(large.map(({ column }) => column)));
    if (stored > maxRowBytes || writer.isFull || writer.length >= maxBatchBytes) {
      writer.truncate(startPosition);
      throw rowTooLarge(maxRowBytes);
    }
    this.#rows = 1;
    this.#large = large;
    return true;
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The value of a column as a text. */
function textAt({ source, starts, ends, texts }: ByteRow, column: number): string | null {
  const start = starts[column] as number;
  if (start < 0) return start === -1 ? null : (texts[column] as string);
  return decoder.decode(source.subarray(start, ends[column]));
}

/** Which column refused a value; the engine adds the row's key. */
function named(error: unknown, form: ColumnForm | undefined): unknown {
  return error instanceof MigratorError && form
    ? error.with({ help: `Column ${form.name}: ${error.help}`, column: form.name })
    : error;
}

function cut(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
}

const encoder = new TextEncoder();

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}
