import type {
  CallContext,
  Key,
  KeyRange,
  Page,
  PageRequest,
  Source,
  SourceDescription,
  TextRow,
} from '../contract/index.ts';
import { MigratorError } from '../errors.ts';
import { type RetryNotice, type RetryPolicy, withRetries } from './retry.ts';

/** Text that one page may hold. A reader of {@link pages} holds two at a time, one of {@link readRange} none. */
const pageBytes = 1_000_000;

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
  const sizes = new RowSizes(reader.description.estimatedRowBytes);
  const read = (after: Key | null): Promise<Page> => {
    const page = readPage(reader, () => requestAfter(reader, range, after, sizes));
    page.catch(() => undefined); // awaited when its turn comes
    return page;
  };
  if (cursor !== null && sameKey(cursor, range.upper)) return;
  let next: Promise<Page> | null = read(cursor);
  while (next) {
    const page: Page = await next;
    for (const row of page.rows) sizes.see(row);
    const last = page.rows.at(-1);
    next = isLast(reader, range, page, last) ? null : read(keyOf(reader.description, last as TextRow));
    yield page;
  }
}

/**
 * Reads the rows of a range from `cursor` on and hands each to `take` as it arrives, so that no page is kept. What `take`
 * throws ends the reading.
 *
 * @param room - waited for before each page: the way in which whatever rows become holds the reading back.
 */
export async function readRange(
  reader: PageReader,
  range: KeyRange,
  cursor: Key | null,
  take: (row: TextRow) => void,
  room: () => Promise<void>,
): Promise<void> {
  const { description } = reader;
  const sizes = new RowSizes(description.estimatedRowBytes);
  let last: TextRow | undefined;
  let failure: { readonly error: unknown } | null = null;
  const onRow = (row: TextRow): void => {
    if (failure) return;
    try {
      take(row);
    } catch (error) {
      failure = { error };
    }
    last = row;
    sizes.see(row);
  };
  /** Thrown by `take`, and not inside the source: it is asked for after every call. */
  const check = (): void => {
    if (failure) throw failure.error;
  };
  if (cursor !== null && sameKey(cursor, range.upper)) return;
  for (;;) {
    await room();
    last = undefined;
    const from = cursor;
    const page: Page = await readPage(reader, () => {
      check();
      // A page that failed half-way goes on behind what it has handed over.
      const after = last === undefined ? from : keyOf(description, last);
      return { ...requestAfter(reader, range, after, sizes), onRow };
    });
    for (const row of page.rows) onRow(row);
    check();
    if (isLast(reader, range, page, last)) return;
    cursor = keyOf(description, last as unknown as TextRow);
  }
}

async function readPage(reader: PageReader, request: () => PageRequest): Promise<Page> {
  const context: CallContext = { signal: reader.stop };
  return await withRetries(
    'read a page',
    async () => await reader.source.readPage(request(), context),
    reader.retry,
    context,
    (notice) => reader.retried(notice),
  );
}

function requestAfter(reader: PageReader, range: KeyRange, after: Key | null, sizes: RowSizes): PageRequest {
  return {
    lower: after === null ? range.lower : { key: after, inclusive: false },
    upper: range.upper,
    limit: Math.max(1, Math.min(reader.pageSize, Math.floor(pageBytes / sizes.average))),
    maxBytes: pageBytes,
    version: reader.description.version,
  };
}

/** True: no row of the range comes after this page. */
function isLast(reader: PageReader, range: KeyRange, page: Page, last: TextRow | undefined): boolean {
  if (last !== undefined) return page.done || sameKey(keyOf(reader.description, last), range.upper);
  if (page.done) return true;
  throw new MigratorError('INTERNAL', 'The source gave a page without rows that is not the last of its range.', {
    help: 'This is a fault of the source. Until it is mended nothing is taken for complete.',
  });
}

/** The key of a row in transit. */
export function keyOf(description: SourceDescription, row: TextRow): Key {
  return description.keyIndexes.map((index) => row[index] as string);
}

/** True for equal keys. */
export function sameKey(a: Key, b: Key): boolean {
  return a.length === b.length && a.every((part, index) => part === b[index]);
}

/** How large a row is: by statistics at first, then by every eighth row that was seen, the latest above all. Characters. */
class RowSizes {
  average: number;
  #rows = 0;
  #sampled = 0;
  #characters = 0;

  constructor(estimate: number) {
    this.average = Math.max(1, estimate);
  }

  see(row: TextRow): void {
    this.#rows += 1;
    if (this.#rows % 8 !== 1) return;
    for (const value of row) this.#characters += value === null ? 1 : value.length;
    this.#sampled += 1;
    this.average = Math.max(1, this.#characters / this.#sampled);
    if (this.#sampled < 1_000) return;
    this.#sampled /= 2;
    this.#characters /= 2;
  }
}
