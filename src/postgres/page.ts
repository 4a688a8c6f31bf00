import type { ByteRow, Page, PageRequest, TextRow } from '../contract/index.ts';
import type { TableDescription } from './describe.ts';
import { PageRow } from './page-row.ts';
import type { RowTaker } from './row-stream.ts';
import type { OnDataRow } from './wire-tap.ts';
import type { PostgresColumn } from './types/types.ts';

type PageLimits = Pick<PageRequest, 'limit' | 'maxBytes' | 'onRow' | 'onBytes'>;

/** Text that is asked for at a time, where rows may be large: so much more than wanted may come at the most, and one row. */
const portionBytes = 256_000;

/** Rows of a table without large values whose statistics say less than this are read in one go. Bytes. */
const smallRowBytes = 500;

/** The columns of a row as it is read: those that travel, then those of the key that do not. */
export function travellingColumns({ columns, key }: TableDescription): readonly PostgresColumn[] {
  return [...columns, ...key.filter((column) => !columns.includes(column))];
}

/**
 * Makes a page of the rows that a query gives: in canonical text, within its limits, and handed over one by one where the
 * request asks for that.
 */
export class PageTaker implements RowTaker {
  readonly bytes: OnDataRow | undefined;
  readonly #request: PageLimits;
  readonly #convert: readonly { readonly index: number; readonly canonical: (text: string) => string }[];
  /** True: rows are asked for in portions, so that no page grows far beyond its bytes. */
  readonly #careful: boolean;
  readonly #estimate: number;
  readonly #rows: TextRow[] = [];
  #taken = 0;
  #characters = 0;
  #more = false;

  constructor(table: TableDescription, request: PageLimits) {
    this.#request = request;
    const { onBytes } = request;
    this.bytes = onBytes && table.isUtf8 ? this.#byteRows(table, onBytes) : undefined;
    this.#convert = travellingColumns(table).flatMap(({ codec: { canonical } }, index) =>
      canonical ? [{ index, canonical }] : [],
    );
    const { kind, hasLargeValues, estimatedRowBytes } = table;
    // Statistics count compressed values as they are stored, and know nothing of what a view computes.
    const isTable = kind === 'r' || kind === 'p';
    this.#careful =
      request.maxBytes !== undefined && !(isTable && !hasLargeValues && estimatedRowBytes < smallRowBytes);
    this.#estimate = estimatedRowBytes;
  }

  row(values: (string | null)[]): void {
    // One row more than asked for says whether there are more, without another query.
    if (this.#taken >= this.#request.limit) {
      this.#more = true;
      return;
    }
    this.#taken += 1;
    for (const { index, canonical } of this.#convert) {
      const value = values[index];
      if (typeof value === 'string') values[index] = canonical(value);
    }
    if (this.#careful) for (const value of values) this.#characters += value?.length ?? 1;
    if (this.#request.onRow) this.#request.onRow(values);
    else this.#rows.push(values);
  }

  #byteRows(table: TableDescription, onBytes: (row: ByteRow) => void): OnDataRow {
    const row = new PageRow(travellingColumns(table));
    return (chunk, start) => {
      if (this.#taken >= this.#request.limit) {
        this.#more = true;
        return;
      }
      this.#taken += 1;
      const end = row.read(chunk, start);
      this.#characters += end - start;
      onBytes(row);
    };
  }

  portion(): number | null {
    if (!this.#careful) return 0;
    const left = (this.#request.maxBytes ?? Infinity) - this.#characters;
    if (left <= 0) {
      this.#more = true;
      return null;
    }
    const seen = this.#taken === 0 ? this.#estimate : this.#characters / this.#taken;
    return Math.max(1, Math.floor(Math.min(left, portionBytes) / Math.max(1, seen)));
  }

  end(): Page {
    return { rows: this.#rows, done: !this.#more };
  }
}
