import type { BatchEncoder, ByteRows, EncodedBatch, RejectedRow, TextRow } from '../../contract/index.ts';
import { groupTooLarge, isMigratorError, rowTooLarge } from '../../errors.ts';
import type { ColumnForm } from '../values/types.ts';
import { valueRefused } from '../values/value-encoders.ts';
import type { BufferPool } from './buffer-pool.ts';
import { kinds, Layout } from './layout.ts';
import { RowWriter } from './row-writer.ts';
import type { WrittenRows } from './written-rows.ts';

/** D1 takes strings, blobs and rows of up to 2,000,000 bytes (Cloudflare's documentation, D1 limits). */
export const maxRowBytes = 2_000_000;

/** Text of one batch, in bytes: below the limit of a string, with room to spare. */
export const maxBatchBytes = 1_900_000;

/** A value of more bytes than this travels in a parameter of its own when its row does not fit into a batch. */
const largeValueBytes = 100_000;

/** Rows that are written together at first. */
const fewRows = 16;

/** Rows that are written one by one where the first of some could not be written with the others. */
const rowsAlone = 8;

/** A value that travels beside the batch's text, in pieces that each fit into a parameter. */
export interface LargeValue {
  readonly column: number;
  readonly pieces: readonly string[];
}

/** Rows as one text, with what the statement has to know of it. */
export interface D1Batch extends EncodedBatch, Omit<WrittenRows, 'release'> {
  /** Values of a single large row; in the text they are null. */
  readonly large: readonly LargeValue[];
  /** Rows that are set aside, as an array of `[seq, key, code, reason, row]`; empty where there are none. */
  readonly rejects: string;
}

/** Turns rows into the text that the statement takes apart again: from the values' text straight into bytes. */
export class D1Encoder implements BatchEncoder<D1Batch> {
  readonly #forms: readonly ColumnForm[];
  readonly #maxRows: number;
  readonly #writer: RowWriter;
  /** Not 0 where the bytes of a column's values can stand in the text as they are. */
  readonly #asIs: Uint8Array;
  /** The columns that travel as hexadecimal digits. */
  readonly #hex: readonly number[];
  /** The kinds of the columns in the next batch, where a value asks for others than they have. */
  #asked: Uint8Array | null = null;
  /** Rows that are tried to be written together, and those that go by themselves before that is tried again. */
  #together = fewRows;
  #alone = 0;
  /** True while rows that come from one are added to an empty batch: they may be more than {@link #maxRows}. */
  #isGroup = false;
  #rejects = '';
  #rejectBytes = 2;
  #large: readonly LargeValue[] = [];

  /**
   * @param isEscaped - the text is to become the inside of a JSON string.
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
    this.#asIs = Uint8Array.from(forms, ({ asIs }) => Number(asIs));
    this.#hex = [...forms.keys()].filter((column) => forms[column]?.kind === 'hex');
    const kindsOf = Uint8Array.from(forms, ({ kind }) => kinds[kind]);
    this.#writer = new RowWriter(kindsOf, maxBatchBytes, isEscaped, pool);
  }

  get rows(): number {
    return this.#writer.rows;
  }

  add(row: TextRow): boolean {
    // Whoever hands over bytes of rows has made the digits itself; D1 would make null of others.
    for (const column of this.#hex) {
      const value = row[column];
      if (value) this.#encoded(this.#forms[column] as ColumnForm, value, true);
    }
    return this.addBytes(bytesOf(row), 0, 1) === 1;
  }

  addBytes(rows: ByteRows, first: number, end: number): number {
    let next = first;
    while (next < end) {
      const left = this.#left;
      if (left <= 0) break;
      if (this.#alone > 0) this.#alone -= 1;
      else {
        const from = next;
        const most = Math.min(end, from + left, from + this.#together);
        if (this.#asked === null) next = this.#writer.fill(rows, from, most, this.#asIs);
        // Where one is in the way, the next ones may be as well: what is written of them is written in vain.
        this.#together = next === most ? this.#together * 2 : Math.max(1, next - from);
        if (next === from) this.#alone = rowsAlone;
        if (next === most) continue;
      }
      if (!this.#write(rows, next) && !(this.rows === 0 && this.#addLarge(rows, next))) break;
      next += 1;
    }
    return next - first;
  }

  /** How many rows may join those that are there. */
  get #left(): number {
    if (this.#large.length > 0) return 0;
    return this.#isGroup ? Infinity : this.#maxRows - this.rows;
  }

  addAll(rows: readonly TextRow[]): boolean {
    const before = this.rows;
    if (before > 0 && before + rows.length > this.#maxRows) return false;
    let isWhole = this.#addGroup(rows);
    // In an empty batch a value that asked for another kind has it now.
    while (!isWhole && this.rows === 0 && this.#asked !== null) isWhole = this.#addGroup(rows);
    if (!isWhole && before === 0) throw groupTooLarge(maxBatchBytes);
    return isWhole;
  }

  /** Adds all of them or none. */
  #addGroup(rows: readonly TextRow[]): boolean {
    const before = this.rows;
    let isWhole = false;
    this.#isGroup = true;
    try {
      isWhole = rows.every((row) => this.add(row));
      return isWhole;
    } finally {
      this.#isGroup = false;
      if (!isWhole) {
        this.#writer.truncate(before);
        if (before === 0) this.#large = [];
      }
    }
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
    const pieces = this.#large.flatMap((value) => value.pieces);
    const large = pieces.reduce((sum, { length }) => sum + length, 0);
    const written = this.#writer.take();
    const batch = {
      ...written,
      bytes: written.bytes + large + (this.#rejects === '' ? 0 : this.#rejectBytes),
      rejects: this.#rejects === '' ? '' : `[${this.#rejects}]`,
      large: this.#large,
    };
    this.#rejects = '';
    this.#rejectBytes = 2;
    this.#large = [];
    return batch;
  }

  /** Adds a row. False: it does not fit, or not beside those that are there. */
  #write(rows: ByteRows, row: number): boolean {
    const writer = this.#writer;
    const { length } = this.#forms;
    for (;;) {
      if (this.#asked !== null && this.rows === 0) {
        writer.use(new Layout(this.#asked));
        this.#asked = null;
      }
      writer.begin();
      let column = writer.values(rows, row, this.#asIs, 0);
      while (column < length) {
        const value = rows.text(row, column);
        if (value === null) writer.null(column);
        else if (!this.#writeText(column, value)) break;
        column = writer.values(rows, row, this.#asIs, column + 1);
      }
      if (this.#asked === null) {
        const outcome = writer.end();
        if (outcome !== 'again') return outcome === 'taken';
      } else if (this.rows > 0) return false;
    }
  }

  /** Writes a value. False: it asks for another kind than its column has. */
  #writeText(column: number, value: string): boolean {
    const form = this.#forms[column] as ColumnForm;
    const writer = this.#writer;
    const kind = writer.kinds[column] as number;
    if (kind === kinds.text || (kind === kinds.hex && form.asIs)) writer.text(column, value);
    else if (kind === kinds.short) {
      if (!shortText.test(value)) return this.#ask(column, kinds.text);
      writer.field(column, value);
    } else {
      const json = this.#encoded(form, value);
      if (json === 'null') writer.null(column);
      else if (kind === kinds.hex) writer.text(column, json.slice(1, -1));
      else if (kind === kinds.json) writer.text(column, json);
      else if (!plainNumber.test(json)) return this.#ask(column, kinds.json);
      else if (kind === kinds.scaled) writer.scaled(column, json);
      else writer.field(column, json);
    }
    return true;
  }

  #ask(column: number, kind: number): false {
    this.#asked ??= this.#writer.kinds.slice();
    this.#asked[column] = kind;
    if (kind === kinds.json) this.#asIs[column] = 0;
    return false;
  }

  /** A value as JSON. Says which column refused it; the engine adds the row's key. */
  #encoded({ name, encode }: ColumnForm, value: string, isHex: boolean = false): string {
    try {
      const json = encode(value);
      if (isHex) {
        // A uuid loses its hyphens, and bytes are the digits themselves.
        const digits = json.length === value.length + 2 ? value : json.slice(1, -1);
        if (digits.length % 2 !== 0 || noHex.test(digits))
          throw valueRefused('bytes that are no pairs of hexadecimal digits');
      }
      return json;
    } catch (error) {
      throw isMigratorError(error)
        ? error.with({ help: `Column ${name}: ${error.help}`, column: name })
        : error;
    }
  }

  /**
   * A row that fills a batch alone: its large values go beside the text, where nothing has to be escaped.
   *
   * @returns true, or throws where it fits nowhere.
   */
  #addLarge(rows: ByteRows, index: number): boolean {
    const row = this.#forms.map((_form, column) => rows.text(index, column));
    let stored = 0;
    const large: LargeValue[] = [];
    for (const [column, form] of this.#forms.entries()) {
      const value = row[column];
      if (value === null || value === undefined) continue;
      const bytes = utf8Bytes(value);
      const travels = bytes <= largeValueBytes || form.large === null;
      const isHex = travels ? form.kind === 'hex' : form.large === 'hex';
      stored += isHex ? bytes / 2 : bytes;
      if (!travels) large.push({ column, pieces: isHex ? cut(value, 1_000_000) : [value] });
    }
    const travelling = row.map((value, column) =>
      large.some((one) => one.column === column) ? null : value,
    );
    if (stored > maxRowBytes || !this.#write(bytesOf(travelling), 0)) {
      this.#writer.truncate(0);
      throw rowTooLarge(maxRowBytes);
    }
    this.#large = large;
    return true;
  }
}

/** What can stand in a field as a text. */
const shortText = /^[ !#-[\]-~]*[!#-[\]-~]$/;

const noHex = /[^\da-f]/i;

/** The numbers that a field takes. */
const plainNumber = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/;

const noDigits = new Float64Array();
const noPlaces = new Uint8Array();

/** Memory for the row that is written from texts, unless it is larger. */
const scratch = new Uint8Array(64_000);

/** A row of texts as bytes. */
function bytesOf(row: TextRow): ByteRows {
  const all = row.join('');
  const source = all.length * 3 > scratch.length ? new Uint8Array(all.length * 3) : scratch;
  const isAscii = encoder.encodeInto(all, source).written === all.length;
  const [starts, ends] = [new Int32Array(row.length), new Int32Array(row.length)];
  let at = 0;
  for (const [column, value] of row.entries()) {
    starts[column] = value === null ? -1 : at;
    if (value !== null) at += isAscii ? value.length : encoder.encodeInto(value, source.subarray(at)).written;
    ends[column] = at;
  }
  return {
    rows: 1,
    columns: row.length,
    source,
    starts,
    ends,
    digits: noDigits,
    places: noPlaces,
    isUtf8: true,
    text: (_row, column) => row[column] ?? null,
  };
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
