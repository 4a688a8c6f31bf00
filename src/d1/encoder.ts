import type {
  BatchEncoder,
  ColumnDescriptor,
  EncodedBatch,
  LogicalType,
  TextRow,
} from '../contract/index.ts';
import { MigratorError, rowTooLarge } from '../errors.ts';

/** D1 takes strings, blobs and rows of up to 2,000,000 bytes (Cloudflare's documentation, D1 limits). */
export const maxRowBytes = 2_000_000;

/** JSON text of one batch, in bytes: below the limit of a string, with room to spare. */
const maxBatchBytes = 1_900_000;

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
}

type ValueEncoder = (value: string) => string;

/** What a stored value occupies, and what it is called in JSON. Chosen once a column. */
const encoders: Readonly<Partial<Record<LogicalType, ValueEncoder>>> = {
  // Digits stay digits: D1 reads all 64 bits of a JSON integer.
  integer: (value) => value,
  float: (value) => {
    if (value === 'NaN' || value.endsWith('Infinity')) throw valueRefused(value);
    return value;
  },
  boolean: (value) => (value === 'true' ? '1' : '0'),
  bytes: (value) => `"${value}"`,
};

const needsEscape = /["\\\p{Cc}]/u;

function quote(value: string): string {
  return needsEscape.test(value) ? JSON.stringify(value) : `"${value}"`;
}

/** Turns rows into the JSON text that `json_each` takes apart again. */
export class D1Encoder implements BatchEncoder<D1Batch> {
  readonly #columns: readonly ColumnDescriptor[];
  readonly #encode: readonly ValueEncoder[];
  /** Whether a column's JSON text can hold more than ASCII. */
  readonly #wide: readonly boolean[];
  readonly #maxRows: number;
  #text = '';
  #bytes = 2;
  #rows = 0;
  #large: readonly LargeValue[] = [];

  constructor(columns: readonly ColumnDescriptor[], maxRows: number = Infinity) {
    this.#columns = columns;
    this.#encode = columns.map(({ type }) => encoders[type] ?? quote);
    this.#wide = columns.map(({ type }) => encoders[type] === undefined);
    this.#maxRows = maxRows;
  }

  get rows(): number {
    return this.#rows;
  }

  add(row: TextRow): boolean {
    if (this.#rows >= this.#maxRows || this.#large.length > 0) return false;
    let text = '[';
    let bytes = 2;
    for (let index = 0; index < this.#encode.length; index += 1) {
      const value = row[index];
      const encoded = value === null || value === undefined ? 'null' : this.#value(index, value);
      text += index === 0 ? encoded : `,${encoded}`;
      bytes += 1 + (this.#wide[index] ? utf8Bytes(encoded) : encoded.length);
    }
    if (this.#bytes + bytes <= maxBatchBytes) {
      this.#append(`${text}]`, bytes);
      return true;
    }
    if (this.#rows > 0) return false;
    this.#addLarge(row);
    return true;
  }

  take(): D1Batch {
    const batch = { rows: this.#rows, bytes: this.#bytes, json: `[${this.#text}]`, large: this.#large };
    this.#text = '';
    this.#bytes = 2;
    this.#rows = 0;
    this.#large = [];
    return batch;
  }

  #value(index: number, value: string): string {
    try {
      return (this.#encode[index] ?? quote)(value);
    } catch (error) {
      if (error instanceof MigratorError)
        throw error.with({ help: `Column ${this.#columns[index]?.name}: ${error.help}` });
      throw error;
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
    const parts = row.slice(0, this.#columns.length).map((value, column) => {
      if (value === null) return 'null';
      const isBytes = this.#columns[column]?.type === 'bytes';
      const bytes = utf8Bytes(value);
      stored += isBytes ? bytes / 2 : bytes;
      if (bytes <= largeValueBytes) return this.#value(column, value);
      large.push({ column, pieces: isBytes ? cut(value, 1_000_000) : [value] });
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

function cut(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
}

/** Bytes of a text in UTF-8, without making them. */
function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    // A surrogate pair is two units and four bytes.
    bytes += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

function valueRefused(value: string): MigratorError {
  return new MigratorError('VALUE_REFUSED', `D1 has no exact form for the value ${value}.`, {
    help: 'change it at the source, or leave the row out with a filter.',
  });
}
