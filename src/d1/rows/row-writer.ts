import type { ByteRows } from '../../contract/index.ts';
import { countDigits, powersOfTen, writeDigits } from '../../digits.ts';
import { Begins } from './begins.ts';
import { BufferPool } from './buffer-pool.ts';
import { longestEscape, space } from './characters.ts';
import { copyEscaped, copyText, Memory } from './copying.ts';
import { mostDigits } from './decimals.ts';
import { fillColumn } from './columns.ts';
import { isBehind, kinds, Layout, notWhole } from './layout.ts';
import { headroom, RowsText } from './rows-text.ts';
import type { Outcome, WrittenRows } from './written-rows.ts';

const encoder = new TextEncoder();

/** A text that fills less than this part of its buffer is copied out of it. */
const smallPart = 1 / 4;

/** A row has so many in the array that the statement makes where all are of one length. */
const listBytes = 2;

/** And in the array of where each begins: seven digits and a comma. */
const placeBytes = 8;

const wholeNumber = /^-?\d+$/;

const nothing = new Memory(new Uint8Array());

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
  readonly #begins = new Begins(headroom);
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
    this.#layout = new Layout(kindsOf).with(pool.layout);
    this.#needed = this.#layout.copy();
    this.#nulls = new Uint8Array(kindsOf.length);
    this.#uneven = new Uint8Array(kindsOf.length);
  }

  get rows(): number {
    return this.#begins.rows;
  }

  /** Has values stand as in a layout from now on. Only before the first row. */
  use(layout: Layout): void {
    this.#layout = layout.with(this.#pool.layout);
    this.#needed = this.#layout.copy();
  }

  /** Takes back all rows behind the first so many. */
  truncate(rows: number): void {
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
    const memory = new Memory(bytes, true);
    for (let room = bytes.length; !this.#behind(memory, 0, bytes.length, column); room *= 2)
      this.#makeRoom(longestEscape + room);
  }

  /**
   * Writes the values of a row from a column on, as long as their bytes can stand as they are.
   *
   * @param asIs - not 0 for columns of which that may be so.
   * @returns the column at which it stopped: this value takes another way, or there is no room; or the number of columns.
   */
  values(rows: ByteRows, row: number, asIs: Uint8Array, first: number): number {
    let column = first;
    for (; column < asIs.length; column += 1) {
      if (asIs[column] === 0) break;
      if (isBehind(this.kinds[column] as number)) {
        if (!this.#text(rows, row, column)) break;
      } else if (this.#column(rows, column, row, row + 1, this.rows) === row) break;
    }
    return column;
  }

  /**
   * Writes rows column by column, as long as their bytes can stand as they are and their fields are wide enough: half the cost of row by
   * row. Texts go first, as it depends on them where the next row begins.
   *
   * @returns the first that is not written.
   */
  fill(rows: ByteRows, first: number, end: number, asIs: Uint8Array): number {
    if (asIs.includes(0)) return first;
    const before = this.rows;
    const { hasTexts } = this.#layout;
    let stop = hasTexts ? this.#placeTexts(rows, first, end) : this.#place(first, end);
    for (let column = 0; column < asIs.length; column += 1)
      if (!isBehind(this.kinds[column] as number)) stop = this.#column(rows, column, first, stop, before);
    this.truncate(before + stop - first);
    return stop;
  }

  /** Has room for rows without texts. Returns the first for which there is none. */
  #place(first: number, end: number): number {
    const { bytes } = this.#layout;
    const room = Math.floor(this.#limit / Math.max(bytes, listBytes)) - this.rows;
    const stop = Math.min(end, first + room);
    this.#end = this.#at + (stop - first) * bytes;
    this.#makeRoom(0);
    while (this.#at < this.#end) this.#begins.add((this.#at += bytes), this.#escapes);
    return stop;
  }

  /** Writes what is behind the fields. Returns the first row that takes another way, or for which there is no room. */
  #placeTexts(rows: ByteRows, first: number, end: number): number {
    const { texts } = this.#layout;
    for (let row = first; row < end; row += 1) {
      this.begin();
      if (!texts.every((column) => this.#text(rows, row, column)) || this.#isNarrow || !this.#take())
        return row;
    }
    return end;
  }

  /** Writes the values of a column from a row on, which is so many behind the first of the batch. Returns the first that is not written. */
  #column(rows: ByteRows, column: number, first: number, stop: number, before: number): number {
    const { at } = this.#begins;
    const [source, target, layout] = [this.#from(rows), this.#memory, this.#layout];
    const [nulls, uneven] = [this.#nulls, this.#uneven];
    return fillColumn(rows, column, first, stop, source, target, at, before, layout, nulls, uneven);
  }

  /** Writes a value behind the fields. False: it takes another way, or there is no room. */
  #text(rows: ByteRows, row: number, column: number): boolean {
    const place = row * rows.columns + column;
    const start = rows.starts[place] as number;
    if (start !== -1)
      return start >= 0 && this.#behind(this.#from(rows), start, rows.ends[place] as number, column);
    this.null(column);
    return true;
  }

  /** What the bytes of rows stand in. */
  #from({ source, isUtf8 }: ByteRows): Memory {
    // The same for all rows of a chunk.
    if (source !== this.#source.bytes) this.#source = new Memory(source, isUtf8);
    return this.#source;
  }

  /** Ends the row: it is one of the batch where it was `taken`, and otherwise as if it had not been begun. */
  end(): Outcome {
    if (this.#isNarrow) return this.#widen() ? 'again' : 'full';
    return this.#take() ? 'taken' : 'full';
  }

  /** Takes the row that is written. False: there is no room. */
  #take(): boolean {
    if (this.#length(this.#end, this.#escapes + this.#rowEscapes, this.rows + 1) > this.#limit) return false;
    this.#at = this.#end;
    this.#escapes += this.#rowEscapes;
    this.#begins.add(this.#at, this.#escapes);
    return true;
  }

  /** Hands over what is written, and begins anew. */
  take(): WrittenRows {
    const layout = this.#layout;
    const { rows } = this;
    const listAt = layout.hasTexts || rows === 0 ? this.#at - this.#escapes - headroom + 1 : null;
    if (listAt !== null) {
      this.#end = this.#at;
      this.#makeRoom(rows * placeBytes + 2);
      this.#at = this.#begins.writeList(this.#memory.words, this.#at, headroom);
    }
    const [bytes, end, nulls, uneven] = [this.#memory.bytes, this.#at, this.#nulls, this.#uneven];
    const length = end - this.#escapes - headroom;
    const isSmall = end < bytes.length * smallPart;
    this.truncate(0);
    this.use(layout);
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
   * instead, if that is longer.
   */
  #length(end: number, escapes: number, rows: number): number {
    const bytes = end - escapes - headroom;
    return this.#layout.hasTexts ? bytes + rows * placeBytes + 2 : Math.max(bytes, rows * listBytes);
  }

  #field(field: number, text: string): void {
    const bytes = this.#memory.bytes;
    const at = this.#at + (this.#layout.offsets[field] as number);
    const width = this.#layout.widths[field] as number;
    if (text.length > width) this.#need(field, text.length);
    for (let index = 0; index < width; index += 1)
      bytes[at + index] = index < text.length ? text.charCodeAt(index) : space;
  }

  /** Bytes of a text behind the fields. False: they take another way, or there is no room. */
  #behind(source: Memory, start: number, stop: number, column: number): boolean {
    const layout = this.#layout;
    const begin = this.#end;
    const copy = this.#isEscaped ? copyEscaped : copyText;
    const end = copy(source, start, stop, this.#memory, begin);
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
    const offset = this.#layout.offsets[field] as number;
    if (bytes >= (powersOfTen[width] as number)) this.#need(field, countDigits(bytes));
    else writeDigits(this.#memory.words, this.#at + offset, bytes, width);
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
    const own = new Layout(kindsOf, widths, scales);
    // Others' widths spare the next steps. Rows that are there might not fit, where another scale comes with them.
    const wider = rows === 0 ? own.with(this.#pool.layout) : own;
    const more = (wider.bytes - this.#layout.bytes) * rows;
    if (rows > 0 && this.#length(this.#at + more, this.#escapes, rows) > this.#limit) {
      this.#needed = this.#layout.copy();
      return false;
    }
    this.#end = this.#at;
    this.#makeRoom(more);
    // What is there may not fill its field any more.
    if (rows > 0) this.#uneven = this.#uneven.map((how) => how || 1);
    this.#begins.moveApart(this.#memory.bytes, this.#layout, wider);
    this.#layout = wider;
    this.#pool.layout = wider.with(this.#pool.layout);
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
