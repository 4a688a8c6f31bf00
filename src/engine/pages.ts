import type { Key, KeyRange, Page, PageRequest } from '../contract/index.ts';
import { keyOf, nextKey, type PageReader, readPage, requestAfter, RowSizes, sameKey } from './paging.ts';

/** Text of a page, where it is kept: two at a time. */
const keptPageBytes = 1_000_000;

/** The pages of a range from `cursor` on; the next is read while the caller works on one. */
export async function* pages(
  reader: PageReader,
  range: KeyRange,
  cursor: Key | null,
): AsyncGenerator<Page, void> {
  const sizes = new RowSizes(reader.description.estimatedRowBytes);
  const turn = reader.gate?.turn() ?? 0;
  const read = (after: Key | null): Promise<Page> => {
    const request = (): PageRequest => requestAfter(reader, range, after, sizes, keptPageBytes);
    // Whoever works on it reads nothing meanwhile.
    const page = readPage(reader, turn, request).finally(() => reader.gate?.leave(turn));
    page.catch(() => undefined); // awaited when its turn comes
    return page;
  };
  if (cursor !== null && sameKey(cursor, range.upper)) return;
  let next: Promise<Page> | null = read(cursor);
  let from = cursor;
  while (next) {
    const page: Page = await next;
    for (const row of page.rows) sizes.see(row);
    const last = page.rows.at(-1);
    from = nextKey(reader, range, page, from, last ? keyOf(reader.description, last) : null);
    next = from && read(from);
    yield page;
  }
}
