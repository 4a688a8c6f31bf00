import type { BatchEncoder, EncodedBatch, RejectedRow, TextRow } from '../contract/index.ts';
import { groupTooLarge, MigratorError, rowTooLarge } from '../errors.ts';
import type { ColumnForm } from './values/types.ts';
import type { ValueEncoder } from './values/value-encoders.ts';

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
  readonly json: string;
  /** Values of a single large row; in the JSON text they are null. */
  readonly large: readonly LargeValue[];
  /** Rows that are set aside, as an array of `[seq, key, code, reason, row]`; empty where there are none. */
  readonly rejects: string;
  /** Columns in which floats stand as mantissa and exponent: see {@link FloatReading}. */
  readonly pairs: ReadonlySet<number>;
}

const bracket = 0x5b;

/** Turns rows into the JSON text that `json_each` takes apart again. */
export class D1Encoder implements BatchEncoder<D1Batch> {
  readonly #forms: readonly ColumnForm[];
  readonly #encode: readonly ValueEncoder[];
  readonly #ascii: readonly boolean[];
  readonly #floats: readonly boolean[];
  readonly #maxRows: number;
  /** True while rows that come from one are added to an empty batch: they may be more than {@link #maxRows}. */
  #isGroup = false;
  #rejects = '';
  #rejectBytes = 2;
  #text = '';
  #bytes = 2;
  #rows = 0;
  #large: readonly LargeValue[] = [];
  #pairs = new Set<number>();

  constructor(forms: readonly ColumnForm[], maxRows: number = Infinity) {
    this.#forms = forms;
    this.#encode = forms.map(({ encode }) => encode);
    this.#ascii = forms.map(({ ascii }) => ascii);
    this.#floats = forms.map(({ read }) => read === 'float');
    this.#maxRows = maxRows;
  }

  get rows(): number {
    return this.#rows;
  }

  add(row: TextRow): boolean {
    if ((this.#rows >= this.#maxRows && !this.#isGroup) || this.#large.length > 0) return false;
    let text = '[';
    let bytes = 2;
    let index = 0;
    try {
      for (const encode of this.#encode) {
        const value = row[index];
        const encoded = value === null || value === undefined ? 'null' : encode(value);
        if (this.#floats[index] && encoded.charCodeAt(0) === bracket) this.#pairs.add(index);
        text += index === 0 ? encoded : `,${encoded}`;
        bytes += 1 + (this.#ascii[index] ? encoded.length : utf8Bytes(encoded));
        index += 1;
      }
    } catch (error) {
      throw named(error, this.#forms[index]);
    }
    if (this.#bytes + bytes <= maxBatchBytes) {
      this.#append(`${text}]`, bytes);
      return true;
    }
    if (this.#rows > 0) return false;
    this.#addLarge(row);
    return true;
  }

  addAll(rows: readonly TextRow[]): boolean {
    const [first] = rows;
    if (!first) return true;
    if (rows.length === 1) return this.add(first);
    const [text, bytes, before] = [this.#text, this.#bytes, this.#rows];
    if (before > 0 && before + rows.length > this.#maxRows) return false;
    let isWhole = false;
    this.#isGroup = true;
    try {
      isWhole = rows.every((row) => this.add(row));
    } finally {
      this.#isGroup = false;
      if (!isWhole) {
        [this.#text, this.#bytes, this.#rows] = [text, bytes, before];
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
    const batch = {
      rows: this.#rows,
      bytes: this.#bytes + (this.#rejects === '' ? 0 : this.#rejectBytes),
      json: `[${this.#text}]`,
      rejects: this.#rejects === '' ? '' : `[${this.#rejects}]`,
      large: this.#large,
      pairs: this.#pairs,
    };
    this.#rejects = '';
    this.#rejectBytes = 2;
    this.#text = '';
    this.#bytes = 2;
    this.#rows = 0;
    this.#large = [];
    this.#pairs = new Set();
    return batch;
  }

  #value(index: number, form: ColumnForm, value: string): string {
    try {
      const encoded = form.encode(value);
      if (this.#floats[index] && encoded.charCodeAt(0) === bracket) this.#pairs.add(index);
      return encoded;
    } catch (error) {
      throw named(error, form);
    }
  }

  #append(text: string, bytes: number): void {
    this.#text += this.#rows === 0 ? text : `,${text}`;
    this.#bytes += bytes;
    this.#rows += 1;
  }

  /** A row that fills a batch alone: its large values go beside the JSON text, where nothing has to be escaped. */
  #addLarge(row: TextRow): void {
    let stored = 0;
    const large: LargeValue[] = [];
    const parts = this.#forms.map((form, column) => {
      const value = row[column];
      if (value === null || value === undefined) return 'null';
      const bytes = utf8Bytes(value);
      if (bytes <= largeValueBytes || form.large === null) {
        stored += form.read === 'unhex' ? bytes / 2 : bytes;
        return this.#value(column, form, value);
      }
      stored += form.large === 'hex' ? bytes / 2 : bytes;
      large.push({ column, pieces: form.large === 'hex' ? cut(value, 1_000_000) : [value] });
      return 'null';
    });
    const text = `[${parts.join(',')}]`;
    const bytes = utf8Bytes(text);
    if (stored > maxRowBytes || bytes > maxBatchBytes) throw rowTooLarge(maxRowBytes);
    this.#append(text, bytes);
    this.#bytes += large.reduce(
      (sum, { pieces }) => sum + pieces.reduce((all, piece) => all + piece.length, 0),
      0,
    );
    this.#large = large;
  }
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

/** Bytes of a text in UTF-8, without making them. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    // A surrogate pair is two units and four bytes.
    bytes += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}
