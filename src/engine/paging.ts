import type {
  CallContext,
  Key,
  KeyRange,
  Page,
  Source,
  SourceDescription,
  TextRow,
} from '../contract/index.ts';
import { type RetryNotice, type RetryPolicy, withRetries } from './retry.ts';

/** Text that one page may hold in memory; a reader holds two at a time. */
const pageBytes = 8_000_000;

/** What reading a range needs. */
export interface PageReader {
  readonly source: Source<object>;
  readonly description: SourceDescription;
  /** Rows a page at the most. */
  readonly pageSize: number;
  readonly retry: RetryPolicy;
  /** Ends waiting and reading. */
  readonly stop: AbortSignal;
  retried(notice: RetryNotice): void;
}

/** The pages of a range from `cursor` on; the next is read while the caller works on one. */
export async function* pages(
  reader: PageReader,
  range: KeyRange,
  cursor: Key | null,
): AsyncGenerator<Page, void> {
  const { upper } = range;
  const { version } = reader.description;
  let rowBytes = reader.description.estimatedRowBytes;
  const read = (after: Key | null): Promise<Page> => {
    const lower = after === null ? range.lower : { key: after, inclusive: false };
    const limit = pageRowsFor(reader.pageSize, rowBytes);
    const context: CallContext = { signal: reader.stop };
    const page = withRetries(
      'read a page',
      () => reader.source.readPage({ lower, upper, limit, version }, context),
      reader.retry,
      context,
      (notice) => reader.retried(notice),
    );
    page.catch(() => undefined); // awaited when its turn comes
    return page;
  };
  if (cursor !== null && sameKey(cursor, upper)) return;
  let next: Promise<Page> | null = read(cursor);
  while (next) {
    const page: Page = await next;
    const last = page.rows.at(-1);
    rowBytes = rowTextBytes(page.rows) ?? rowBytes;
    const lastKey = last && keyOf(reader.description, last);
    next = page.done || !lastKey || sameKey(lastKey, upper) ? null : read(lastKey);
    yield page;
  }
}

/** The key of a row in transit. */
export function keyOf(description: SourceDescription, row: TextRow): Key {
  return description.keyIndexes.map((index) => row[index] as string);
}

/** True for equal keys. */
export function sameKey(a: Key, b: Key): boolean {
  return a.length === b.length && a.every((part, index) => part === b[index]);
}

/** Rows to ask for, so that a page stays within its bytes. */
function pageRowsFor(maxRows: number, rowBytes: number): number {
  return Math.max(1, Math.min(maxRows, Math.floor(pageBytes / Math.max(1, rowBytes))));
}

/** The average row of a page in characters, from a sample of its rows; null for an empty page. */
function rowTextBytes(rows: readonly TextRow[]): number | null {
  if (rows.length === 0) return null;
  const step = Math.max(1, Math.floor(rows.length / 100));
  let sampled = 0;
  let characters = 0;
  for (let index = 0; index < rows.length; index += step) {
    sampled += 1;
    for (const value of rows[index] ?? []) characters += value === null ? 1 : value.length;
  }
  return characters / sampled;
}
