import type { ByteRows, Page, PageRequest, TextRow } from '../contract/index.ts';
import { alone, boundedKey, type WireColumns, wireColumns } from './binary/packs.ts';
import type { TableDescription } from './describe.ts';
import { ChunkMemory, judgedValues, PageRows, type RowCount } from './page-rows.ts';
import type { ByteTaker, RowTaker } from './row-stream.ts';
import type { PostgresColumn } from './types/types.ts';

type PageLimits = Pick<PageRequest, 'limit' | 'maxBytes' | 'onRow' | 'onBytes' | 'unhurried'> &
  Partial<Pick<PageRequest, 'lower' | 'upper'>>;

/** So much more than wanted is handed over at the most, and one row: asked for at a time, where rows may be large. Bytes. */
const portionBytes = 256_000;

/** Rows of a table without large values whose statistics say less than this are read in one go. Bytes. */
const smallRowBytes = 500;

/** A page that is read in one go has so many times its bytes at the most, as rows may be larger than statistics say. */
const mostPages = 4;

/** How many times the rows that were seen may come next, where statistics are all that is known of the others. */
const portionGrowth = 8;

/** What the pages of a source share, and what is known of its rows from those that were read. */
export interface SeenRows {
  /** Bytes that a row of the last page had, on average; null: none was read. */
  average: number | null;
  /** Columns that come as texts, as reading their own form would cost as much here as it does there. */
  readonly asText: WeakSet<PostgresColumn>;
  /** False: rows came in the server's own form where they could not be read. */
  binary: boolean;
  /** Columns in which a null was seen, and whether enough rows were for the others to have none, as it seems. */
  readonly withNulls: WeakSet<PostgresColumn>;
  isJudged: boolean;
  /** False: of numbers that came together one was null. */
  together: boolean;
  readonly memory: ChunkMemory;
}

export function nothingSeen(): SeenRows {
  return {
    average: null,
    asText: new WeakSet(),
    binary: true,
    withNulls: new WeakSet(),
    isJudged: false,
    together: true,
    memory: new ChunkMemory(),
  };
}

/** The columns of a row as it is read: those that travel, then those of the key that do not. */
export function travellingColumns({ columns, key }: TableDescription): readonly PostgresColumn[] {
  return [...columns, ...key.filter((column) => !columns.includes(column))];
}

/**
 * Makes a page of the rows that a query gives: in canonical text, within its limits, and handed over one by one where the
 * request asks for that.
 */
export class PageTaker implements RowTaker {
  readonly bytes: PageBytes | undefined;
  readonly unhurriedRows: number | undefined;
  readonly #request: PageLimits;
  readonly #convert: readonly { readonly index: number; readonly canonical: (text: string) => string }[];
  /** True: rows are asked for in portions, so that no page grows far beyond its bytes. */
  readonly #careful: boolean;
  /** Bytes that are asked for at a time. */
  readonly #portion: number;
  readonly #estimate: number;
  readonly #seen: SeenRows;
  readonly #rows: TextRow[] = [];
  readonly #count: PageCount;
  #isMissed = false;

  /** @param seen - shared by the pages of a source. */
  constructor(table: TableDescription, request: PageLimits, seen: SeenRows = nothingSeen()) {
    this.#request = request;
    this.#seen = seen;
    this.unhurriedRows = request.unhurried === true ? request.limit : undefined;
    const { onBytes } = request;
    this.#convert = travellingColumns(table).flatMap(({ codec: { canonical } }, index) =>
      canonical ? [{ index, canonical }] : [],
    );
    const { kind, hasLargeValues, estimatedRowBytes } = table;
    const { maxBytes = Infinity } = request;
    // Statistics count compressed values as they are stored, and not at all what a view computes.
    const hasSmallValues = (kind === 'r' || kind === 'p') && !hasLargeValues;
    this.#careful = maxBytes < Infinity && !(hasSmallValues && estimatedRowBytes < smallRowBytes);
    // With each portion the server and whoever reads wait for each other.
    this.#portion = hasSmallValues ? Infinity : portionBytes;
    this.#estimate = estimatedRowBytes;
    this.#count = new PageCount(
      request.limit,
      this.#careful ? maxBytes + portionBytes : maxBytes * mostPages,
      seen,
    );
    const missed = (): void => {
      this.#isMissed = true;
      seen.binary = false;
    };
    this.bytes =
      onBytes && table.isUtf8
        ? new PageBytes(this.#form(table), seen.memory, this.#count, onBytes, missed)
        : undefined;
  }

  #form(table: TableDescription): RowForm {
    const { binary, together, asText, withNulls, isJudged } = this.#seen;
    const columns = travellingColumns(table);
    const isBinary = columns.map((column) => binary && column.codec.binary !== null && !asText.has(column));
    // Of large rows it would save next to nothing.
    const isTogether = binary && together && !this.#careful;
    const mayBeNull = (column: PostgresColumn): boolean =>
      withNulls.has(column) || (column.nullable && !isJudged);
    const wire = isTogether
      ? wireColumns(columns, isBinary, boundedKey(table, this.#request), mayBeNull)
      : alone(columns);
    return { columns, isBinary, wire };
  }

  row(values: (string | null)[]): void {
    const count = this.#count;
    if (!count.admit()) return;
    for (const { index, canonical } of this.#convert) {
      const value = values[index];
      if (typeof value === 'string') values[index] = canonical(value);
    }
    for (const value of values) count.characters += value?.length ?? 1;
    if (this.#request.onRow) this.#request.onRow(values);
    else this.#rows.push(values);
  }

  /** True: nothing was read, as the rows came in a form that could not be; another page is to be read instead. */
  get isMissed(): boolean {
    return this.#isMissed || (this.#count.isRefused && this.#count.taken === 0);
  }

  portion(): number | null {
    if (!this.#careful) return 0;
    const count = this.#count;
    const left = (this.#request.maxBytes ?? Infinity) - count.characters;
    if (left <= 0 || count.isRefused) {
      count.more = true;
      return null;
    }
    const { average } = this.#seen;
    const seen = count.average ?? average ?? this.#estimate;
    const rows = Math.max(1, Math.floor(Math.min(left, this.#portion) / Math.max(1, seen)));
    return average === null ? Math.min(rows, Math.max(1, count.taken * portionGrowth)) : rows;
  }

  end(): Page {
    const { average, more, taken } = this.#count;
    const seen = this.#seen;
    if (average !== null) seen.average = average;
    if (this.bytes) {
      for (const column of this.bytes.slowColumns()) seen.asText.add(column);
      for (const column of this.bytes.nullColumns()) seen.withNulls.add(column);
      seen.isJudged ||= taken >= judgedValues;
    }
    return { rows: this.#rows, done: !more };
  }
}

/** What a page holds so far. */
class PageCount implements RowCount {
  taken = 0;
  characters = 0;
  more = false;
  isRefused = false;
  readonly #limit: number;
  readonly #mostCharacters: number;
  readonly #seen: SeenRows;

  constructor(limit: number, mostCharacters: number, seen: SeenRows) {
    this.#limit = limit;
    this.#mostCharacters = mostCharacters;
    this.#seen = seen;
  }

  /** Of a row; null where there is none. */
  get average(): number | null {
    return this.taken === 0 ? null : this.characters / this.taken;
  }

  /** Counts a row. False: it belongs to the next page, which is all that it says. */
  admit(): boolean {
    // One row more than asked for says whether there are more, without another query.
    const isFull = this.isRefused || this.taken >= this.#limit || this.characters >= this.#mostCharacters;
    if (isFull) this.more = true;
    else this.taken += 1;
    return !isFull;
  }

  admitAll(rows: number, bytes: number): number {
    const most = Math.ceil((this.#mostCharacters - this.characters) / bytes);
    const admitted = this.isRefused ? 0 : Math.max(0, Math.min(rows, this.#limit - this.taken, most));
    if (admitted < rows) this.more = true;
    this.taken += admitted;
    this.characters += admitted * bytes;
    return admitted;
  }

  refuse(): void {
    this.taken -= 1;
    this.more = true;
    this.isRefused = true;
    this.#seen.together = false;
  }
}

/** In which form the columns of a row come. */
interface RowForm {
  readonly columns: readonly PostgresColumn[];
  /** For each, whether it comes in the server's own form where it stands by itself. */
  readonly isBinary: readonly boolean[];
  readonly wire: WireColumns;
}

/** Rows of a page that come as bytes. */
class PageBytes implements ByteTaker {
  readonly isBinary: readonly boolean[] | null;
  readonly wire: WireColumns;
  readonly missed: () => void;
  readonly #rows: PageRows;
  readonly #count: PageCount;
  readonly #onBytes: (rows: ByteRows) => void;

  constructor(
    { columns, isBinary, wire }: RowForm,
    memory: ChunkMemory,
    count: PageCount,
    onBytes: (rows: ByteRows) => void,
    missed: () => void,
  ) {
    this.wire = wire;
    const formats = [...wire.singles.map((index) => isBinary[index] === true), ...wire.packs.map(() => true)];
    this.isBinary = formats.includes(true) ? formats : null;
    this.missed = missed;
    this.#rows = new PageRows(columns, isBinary, wire, memory);
    this.#count = count;
    this.#onBytes = onBytes;
  }

  take(chunk: Uint8Array, from: number): number {
    return this.#rows.take(chunk, from, this.#count, this.#onBytes);
  }

  slowColumns(): readonly PostgresColumn[] {
    return this.#rows.slowColumns();
  }

  nullColumns(): readonly PostgresColumn[] {
    return this.#rows.nullColumns();
  }
}
