import type { ByteRows } from '../../contract/index.ts';
import { Begins } from './begins.ts';
import { BufferPool } from './buffer-pool.ts';
import { escapedBytes, longestEscape, space } from './characters.ts';
import { copyText, Memory } from './copying.ts';
import { mostDigits, writeWhole } from './decimals.ts';
import { fillColumn } from './columns.ts';
import { isBehind, kinds, Layout } from './layout.ts';
import { headroom, RowsText } from './rows-text.ts';

const encoder = new TextEncoder();

/** A text that fills less than this part of its buffer is copied out of it. */
const smallPart = 1 / 4;

/** Of a column of whole numbers, one of whose values may be none. */
export const notWhole = 2;

const wholeNumber = /^-?\d+$/;

const nothing = new Memory(new Uint8Array());

/** What became of a row: `again`, a field was too narrow, and is wide enough now. */
export type Outcome = 'taken' | 'again' | 'full';

/** What a writer hands over. */
export interface WrittenRows {
  readonly rows: number;
  /** Bytes of the text, without escapes. */
  readonly bytes: number;
  readonly text: RowsText;
  readonly layout: Layout;
  /** Columns that have a null, or may have. */
  readonly nulls: Uint8Array;
  /**
   * For each column of fields: 0 where digits, or the characters of a text, fill every one of them that is no null; {@link notWhole}
   * where digits may be no whole number in a column of these.
   */
  readonly uneven: Uint8Array;
  /** Where the array of the rows' beginnings stands in the text, from 1 on; null: the rows are of one length. */
  readonly listAt: number | null;
  /** Gives the memory back, once nobody reads the text any more. */
  readonly release: () => void;
}

/**
 * Writes the rows of a batch into bytes, up to a length, in a {@link Layout} whose fields get wider as values need it. Where rows
 * differ in length, a JSON array of where each of them begins comes at the end.
 */
export class RowWriter {
  /** Bytes of the text at the most, without {@link #escapes}. */
  readonly #limit: number;
  /** True: it is written as the inside of a JSON string. */
  readonly #isEscaped: boolean;
  readonly #pool: BufferPool;
  readonly #begins = new Begins();
  #layout: Layout;
  #nulls: Uint8Array;
  #uneven: Uint8Array;
  #memory = nothing;
  /** Where the row that was written last came from. */
  #source = nothing;
  /** What is behind the last row, and the backslashes before it that are not the text's own. */
  #at = headroom;
  #escapes = 0;
  /** The same of the row that is being written. */
  #end = headroom;
  #rowEscapes = 0;
  /** The kinds, widths and scales that it needs. */
  #needed: Layout;
  #isNarrow = false;

  constructor(kindsOf: Uint8Array, limit: number, isEscaped: boolean, pool: BufferPool = new BufferPool()) {
    this.#limit = limit;
    this.#pool = pool;
    this.#isEscaped = isEscaped;
    this.#layout = new Layout(kindsOf);
    this.#needed = this.#layout.copy();
    this.#nulls = new Uint8Array(kindsOf.length);
    this.#uneven = new Uint8Array(kindsOf.length);
  }

  get rows(): number {
    return this.#begins.rows;
  }

  /** Has values stand otherwise from now on. Only before the first row. */
  use(kindsOf: Uint8Array): void {
    this.#layout = new Layout(kindsOf);
    this.#needed = this.#layout.copy();
  }

  /** Takes back all rows behind the first so many. */
  truncate(rows: number): void {
    if (rows === this.rows) return;
    [this.#at, this.#escapes] = this.#begins.truncate(rows);
  }

  /** Begins a row, each of whose values has to be written. A row that was begun before and not ended is forgotten. */
  begin(): void {
    this.#isNarrow = false;
    this.#rowEscapes = 0;
    this.#end = this.#at + this.#layout.bytes;
    this.#makeRoom(0);
  }

  /** A value that is null. */
  null(column: number): void {
    this.#nulls[column] = 1;
    this.#field(this.#layout.fields[column] as number, '');
    const startField = this.#layout.startField(column);
    if (startField >= 0) this.#field(startField, '');
  }

  /** How the values of each column stand. */
  get kinds(): Uint8Array {
    return this.#layout.kinds;
  }

  /** A number in a column of {@link kinds.scaled}, which may not be one any more for it. */
  scaled(column: number, text: string): void {
    const { fields, widths, scales } = this.#layout;
    const field = fields[column] as number;
    const [whole = '', fraction = ''] = text.split('.');
    const scale = Math.max(scales[column] as number, fraction.length);
    const needed = scale + Math.max((widths[field] as number) - (scales[column] as number), whole.length);
    if (text.includes('e') || needed > mostDigits) {
      // With their points from now on.
      this.#needed.kinds[column] = kinds.float;
      this.#needed.scales[column] = 0;
      this.#need(field, (widths[field] as number) + 1);
    } else if (scale > (scales[column] as number)) {
      this.#needed.scales[column] = Math.max(this.#needed.scales[column] as number, scale);
      this.#need(field, needed);
    } else {
      this.#uneven[column] = 1;
      this.#field(field, whole + fraction.padEnd(scale, '0'));
    }
  }

  /** A value in a field: ASCII that needs no escape. */
  field(column: number, text: string): void {
    const { kinds: kindOf, fields, widths } = this.#layout;
    const field = fields[column] as number;
    if (kindOf[column] === kinds.integer)
      this.#uneven[column] = Math.max(this.#uneven[column] as number, wholeNumber.test(text) ? 1 : notWhole);
    else if (text.length < (widths[field] as number)) this.#uneven[column] = 1;
    this.#field(field, text);
  }

  /** A text behind the fields. */
  text(column: number, text: string): void {
    const bytes = encoder.encode(text);
    this.#makeRoom(longestEscape + (this.#isEscaped ? escapedBytes(bytes) : bytes.length));
    this.#behind(new Memory(bytes), 0, bytes.length, column);
  }

  /**
   * Writes the values of a row from a column on, as long as their bytes can stand as they are.
   *
   * @param asIs - not 0 for columns of which that may be so.
   * @returns the column at which it stopped: this value takes another way, or there is no room; or the number of columns.
   */
  values(rows: ByteRows, row: number, asIs: Uint8Array, first: number): number {
    const { starts, ends } = rows;
    const { plan } = this.#layout;
    const from = this.#from(rows);
    let column = first;
    for (; column < asIs.length; column += 1) {
      const place = row * rows.columns + column;
      const start = starts[place] as number;
      if (asIs[column] === 0 && start !== -1) break;
      if (isBehind(plan[column * 4] as number)) {
        if (start === -1) this.null(column);
        else if (start < 0 || !this.#behind(from, start, ends[place] as number, column)) break;
        continue;
      }
      if (this.#column(rows, column, row, row + 1, from) === row) break;
    }
    return column;
  }

  /**
   * Writes rows column by column, as long as their bytes can stand as they are and their fields are wide enough: in loops that ask for
   * nothing twice, which costs half as much as row by row. Only where no texts are behind the fields.
   *
   * @returns the first that is not written.
   */
  fill(rows: ByteRows, first: number, end: number, asIs: Uint8Array): number {
    const layout = this.#layout;
    if (layout.hasTexts || asIs.includes(0)) return first;
    const { bytes: rowBytes } = layout;
    const at = this.#at;
    const room = Math.floor((this.#limit + headroom - at) / rowBytes);
    let stop = Math.min(end, first + room, first + Math.floor(this.#limit / 2) - this.rows);
    if (stop <= first) return first;
    this.#end = at + (stop - first) * rowBytes;
    this.#makeRoom(0);
    const source = this.#from(rows);
    for (let column = 0; column < asIs.length; column += 1)
      stop = this.#column(rows, column, first, stop, source);
    for (let row = first; row < stop; row += 1)
      this.#begins.add(at + (row - first) * rowBytes, this.#escapes);
    this.#at = at + (stop - first) * rowBytes;
    return stop;
  }

  /** Writes the values of a column from a row on. Returns the first that is not written. */
  #column(rows: ByteRows, column: number, first: number, stop: number, source: Memory): number {
    const layout = this.#layout;
    const [nulls, uneven] = [this.#nulls, this.#uneven];
    return fillColumn(rows, column, first, stop, source, this.#memory, this.#at, layout, nulls, uneven);
  }

  /** What the bytes of rows stand in. */
  #from({ source }: ByteRows): Memory {
    // The same for all rows of a chunk.
    if (source !== this.#source.bytes) this.#source = new Memory(source);
    return this.#source;
  }

  /** Ends the row: it is one of the batch where it was `taken`, and otherwise as if it had not been begun. */
  end(): Outcome {
    if (this.#isNarrow) return this.#widen() ? 'again' : 'full';
    if (this.#length(this.#end, this.#escapes + this.#rowEscapes, this.rows + 1) > this.#limit) return 'full';
    this.#begins.add(this.#at, this.#escapes);
    this.#at = this.#end;
    this.#escapes += this.#rowEscapes;
    return 'taken';
  }

  /** Hands over what is written, and begins anew. */
  take(): WrittenRows {
    const layout = this.#layout;
    const { rows } = this;
    const listAt = layout.hasTexts || rows === 0 ? this.#at - this.#escapes - headroom + 1 : null;
    if (listAt !== null) {
      const list = this.#begins.toList(headroom);
      this.#end = this.#at;
      this.#makeRoom(list.length);
      this.#at += encoder.encodeInto(list, this.#memory.bytes.subarray(this.#at)).written;
    }
    const [bytes, end, nulls, uneven] = [this.#memory.bytes, this.#at, this.#nulls, this.#uneven];
    const length = end - this.#escapes - headroom;
    const isSmall = end < bytes.length * smallPart;
    this.#begins.truncate(0);
    this.#at = headroom;
    this.#escapes = 0;
    this.#nulls = new Uint8Array(nulls.length);
    this.#uneven = new Uint8Array(nulls.length);
    if (!isSmall) this.#memory = nothing;
    return {
      rows,
      bytes: length,
      text: new RowsText(isSmall ? bytes.slice(0, end) : bytes, headroom, end, this.#isEscaped),
      layout,
      nulls,
      uneven,
      listAt,
      release: () => {
        if (!isSmall) this.#pool.give(bytes);
      },
    };
  }

  /**
   * Bytes of a text that ends here, with an array of so many beginnings of up to seven digits; or of the array that the statement makes
   * instead of it, where that is longer.
   */
  #length(end: number, escapes: number, rows: number): number {
    const bytes = end - escapes - headroom;
    return this.#layout.hasTexts ? bytes + rows * 8 + 2 : Math.max(bytes, rows * 2);
  }

  #field(field: number, text: string): void {
    if (!this.#isWide(field, text.length)) return;
    const bytes = this.#memory.bytes;
    const at = this.#at + (this.#layout.offsets[field] as number);
    const width = this.#layout.widths[field] as number;
    for (let index = 0; index < width; index += 1)
      bytes[at + index] = index < text.length ? text.charCodeAt(index) : space;
  }

  /** Bytes of a text behind the fields. False: they take another way, or there is no room. */
  #behind(source: Memory, start: number, stop: number, column: number): boolean {
    const layout = this.#layout;
    const begin = this.#end;
    const end = copyText(source, start, stop, this.#memory, begin, this.#isEscaped);
    if (end < 0) return false;
    this.#end = end;
    this.#count(layout.fields[column] as number, stop - start);
    const startField = layout.startField(column);
    if (startField >= 0) this.#count(startField, begin - this.#at - layout.bytes - this.#rowEscapes);
    this.#rowEscapes += end - begin - (stop - start);
    return true;
  }

  /** How many bytes there are of something. */
  #count(field: number, bytes: number): void {
    const width = this.#layout.widths[field] as number;
    const needed = writeWhole(this.#memory, this.#at + (this.#layout.offsets[field] as number), width, bytes);
    if (needed > width) this.#need(field, needed);
  }

  /** False: the field is too narrow, which is noted. */
  #isWide(field: number, width: number): boolean {
    if (width <= (this.#layout.widths[field] as number)) return true;
    this.#need(field, width);
    return false;
  }

  /** Notes that the row has to be written again, with a field of this width. */
  #need(field: number, width: number): void {
    const { widths } = this.#needed;
    this.#isNarrow = true;
    widths[field] = Math.max(widths[field] as number, width);
  }

  /** Gives the rows fields of the needed widths. False: there is no room. */
  #widen(): boolean {
    const { rows } = this;
    const { kinds: kindsOf, widths, scales } = this.#needed;
    const wider = new Layout(kindsOf, widths, scales);
    const more = (wider.bytes - this.#layout.bytes) * rows;
    if (rows > 0 && this.#length(this.#at + more, this.#escapes, rows) > this.#limit) {
      this.#needed = this.#layout.copy();
      return false;
    }
    this.#end = this.#at;
    this.#makeRoom(more);
    // What is there may not fill its field any more.
    if (rows > 0) this.#uneven = this.#uneven.map((how) => how || 1);
    this.#begins.moveApart(this.#memory.bytes, this.#at, this.#layout, wider);
    this.#layout = wider;
    this.#needed = wider.copy();
    this.#at += more;
    return true;
  }

  /** Has room for so many bytes more behind the row that is being written. */
  #makeRoom(more: number): void {
    const needed = this.#end + more;
    let { bytes } = this.#memory;
    if (needed <= bytes.length) return;
    if (bytes.length === 0) bytes = this.#pool.take();
    if (needed > bytes.length) bytes = this.#pool.grow(bytes, Math.min(this.#end, bytes.length), needed);
    this.#memory = new Memory(bytes);
  }
}
