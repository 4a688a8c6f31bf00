import type {
  ByteRows,
  Key,
  KeyBound,
  KeyRange,
  Page,
  PageRequest,
  Source,
  SourceDescription,
  TextRow,
} from '../contract/index.ts';
import { equal, ok, present } from './check.ts';

/** A source as the suite reads it: with its own key order, which the suite does not know. */
export interface Reader {
  readonly description: SourceDescription;
  keyOf(row: TextRow): Key;
  keyAt(rows: readonly TextRow[], index: number): Key;
  ranges(size: number, after: Key | null): Promise<readonly KeyRange[]>;
  /** One range over everything. */
  whole(): Promise<KeyRange>;
  page(range: KeyRange, after: TextRow | null, limit: number): Promise<Page>;
  /** Every row of a range, by pages of two. */
  readAll(range: KeyRange): Promise<readonly TextRow[]>;
  readRanges(ranges: readonly KeyRange[]): Promise<readonly (readonly TextRow[])[]>;
  /** Fails where one range does not begin just behind the end of the one before. */
  checkChain(ranges: readonly KeyRange[], after: Key | null): void;
}

export async function readerOf(source: Source<object>): Promise<Reader> {
  const description = await source.describe();
  const keyOf = (row: TextRow): Key => description.keyIndexes.map((index) => row[index] as string);
  const reader: Reader = {
    description,
    keyOf,
    keyAt: (rows, index) => keyOf(present(rows[index], `there is no row ${index}`)),
    ranges: async (size, after) => await collect(source.ranges({ size, after })),
    whole: async () => {
      const ranges = await reader.ranges(1_000_000_000, null);
      const { lower } = present(ranges[0], 'there is no range');
      return { lower, upper: present(ranges.at(-1), 'there is no range').upper };
    },
    page: async ({ lower, upper }, after, limit) =>
      await source.readPage({ lower: after ? { key: keyOf(after), inclusive: false } : lower, upper, limit }),
    readAll: async (range) => {
      const rows: TextRow[] = [];
      for (;;) {
        const page = await reader.page(range, rows.at(-1) ?? null, 2);
        rows.push(...page.rows);
        if (page.done) return rows;
        ok(page.rows.length > 0, 'a page without rows says that more will come');
      }
    },
    readRanges: async (ranges) => {
      const rows: (readonly TextRow[])[] = [];
      for (const range of ranges) rows.push(await reader.readAll(range));
      return rows;
    },
    checkChain: (ranges, after) => {
      let previous = after;
      for (const { lower, upper } of ranges) {
        if (previous)
          ok(
            followsOn(previous, lower),
            `after ${JSON.stringify(previous)} there is a gap: ${JSON.stringify(lower)}`,
          );
        previous = upper;
      }
    },
  };
  return reader;
}

/** Just behind the former end, or at the next integer, which is the same. */
function followsOn(end: Key, lower: KeyBound | null): boolean {
  if (lower === null) return false;
  if (!lower.inclusive) return JSON.stringify(lower.key) === JSON.stringify(end);
  const [part] = end;
  const [next] = lower.key;
  if (end.length !== 1 || part === undefined || next === undefined || !/^-?\d+$/.test(part)) return false;
  return BigInt(next) === BigInt(part) + 1n;
}

export async function collect(portions: AsyncIterable<readonly KeyRange[]>): Promise<readonly KeyRange[]> {
  const ranges: KeyRange[] = [];
  for await (const portion of portions) ranges.push(...portion);
  return ranges;
}

/**
 * A page whose rows are taken as they come.
 *
 * @param asBytes - bytes are taken as well.
 */
export async function handedOver(
  source: Source<object>,
  request: PageRequest,
  asBytes: boolean,
): Promise<Page> {
  const rows: TextRow[] = [];
  const onRow = (row: TextRow): void => void rows.push([...row]);
  const onBytes = (some: ByteRows): void => {
    for (let row = 0; row < some.rows; row += 1) rows.push(textsOf(some, row));
  };
  const page = await source.readPage({ ...request, onRow, ...(asBytes && { onBytes }) });
  return { rows: [...rows, ...page.rows], done: page.done };
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** A row as texts, of which each form of a value says the same. */
function textsOf(rows: ByteRows, row: number): TextRow {
  const { columns, source, starts, ends, digits, places } = rows;
  return Array.from({ length: columns }, (_, column) => {
    const place = row * columns + column;
    const start = starts[place] as number;
    const text = rows.text(row, column);
    ok((text === null) === (start === -1), `column ${column} is a null in one way, and none in another`);
    if (text === null) return null;
    if (start >= 0)
      equal(decoder.decode(source.subarray(start, ends[place])), text, `column ${column} as bytes`);
    if (start === -3) {
      const number = digits[place];
      equal(Number(`${number}e-${places[place]}`), Number(text), `column ${column} as digits`);
      ok(
        !Object.is(number, -0) && Math.abs(number ?? NaN) < 1e15,
        `column ${column} is no whole number of up to 15 digits`,
      );
    }
    return text;
  });
}
