import type { KeyBound, Source, TextRow } from '../contract/index.ts';
import { equal, ok, present, rejects } from './check.ts';
import { collect, handedOver, type Reader, readerOf } from './source-reader.ts';
import { abortedSignal, type Disposer, type TestFunction, withFixture } from './suite.ts';

/** A source to check, and what it must give. */
export interface SourceFixture extends Disposer {
  readonly source: Source<object>;
  /** The source's rows in key order, as canonical text. */
  readonly rows: readonly TextRow[];
}

/** The options of {@link sourceSuite}. */
export interface SourceSuiteOptions {
  readonly test: TestFunction;
  /**
   * Makes a source over at least ten rows. The more awkward their keys, the more is proven: negative and huge ones,
   * gaps, several columns, texts that sort in another way than they look. Called for each test.
   */
  create(): Promise<SourceFixture>;
  /** Makes a source without rows. Left out only by a source that is never empty. */
  createEmpty?(): Promise<SourceFixture>;
}

/**
 * Checks a {@link Source} against the contract: ranges without a gap, pages in key order that can go on from any
 * key, exact ends and exact counts.
 *
 * @example
 * ```ts
 * sourceSuite({
 *   test,
 *   create: async () => ({ source: new MySource(await tableWith(rows)), rows }),
 *   createEmpty: async () => ({ source: new MySource(await tableWith([])), rows: [] }),
 * });
 * ```
 */
export function sourceSuite({ test, create, createEmpty }: SourceSuiteOptions): void {
  const check = withFixture(test, async () => {
    const fixture = await create();
    ok(
      fixture.rows.length >= 10,
      `the suite needs a source of at least ten rows, not ${fixture.rows.length}`,
    );
    return {
      ...fixture,
      dispose: async () => await fixture.dispose?.(),
      reader: await readerOf(fixture.source),
    };
  });
  descriptionTests(check);
  rangeTests(check);
  pageTests(check);
  handOverTests(check);
  if (createEmpty) emptyTests(withFixture(test, createEmpty));
}

type SourceTest = (
  name: string,
  run: (fixture: SourceFixture & { readonly reader: Reader }) => Promise<void>,
) => void;

function descriptionTests(check: SourceTest): void {
  check(
    'a description names the columns and the key, and is the same when asked again',
    async ({ source, rows, reader }) => {
      const { description } = reader;
      const { name, identity, columns, key, keyIndexes, estimatedRows, estimatedRowBytes } = description;
      ok(name !== '' && identity !== '', 'name and identity must not be empty');
      equal(source.name ?? name, name, 'the name that is known before');
      equal(new Set(columns.map((column) => column.name)).size, columns.length, 'column names that differ');
      ok(key.length > 0, 'there must be a key');
      equal(keyIndexes.length, key.length, 'an index for each key column');
      for (const [position, index] of keyIndexes.entries()) {
        // A key column that does not travel stands behind the columns that do.
        const travels = columns.findIndex((column) => column.name === key[position]?.name);
        ok(
          travels === -1 ? index >= columns.length : index === travels,
          `key index ${index} names another column`,
        );
      }
      const width = Math.max(columns.length, ...keyIndexes.map((index) => index + 1));
      for (const row of rows) {
        equal(row.length, width, 'values in a row of the fixture');
        for (const part of reader.keyOf(row)) ok(typeof part === 'string', 'a part of a key is null');
      }
      ok(Number.isFinite(estimatedRows) && estimatedRows >= 0, `estimatedRows is ${estimatedRows}`);
      ok(
        Number.isFinite(estimatedRowBytes) && estimatedRowBytes > 0,
        `estimatedRowBytes is ${estimatedRowBytes}`,
      );
      const { estimatedRows: _rows, estimatedRowBytes: _bytes, ...again } = await source.describe();
      equal({ ...again, estimatedRows, estimatedRowBytes }, description, 'a second description');
    },
  );

  check('a call with an aborted signal is rejected', async ({ source, reader }) => {
    const context = { signal: abortedSignal() };
    const range = await reader.whole();
    await rejects(() => source.describe(context), 'describe() with an aborted signal');
    await rejects(
      () => source.readPage({ ...range, limit: 1 }, context),
      'readPage() with an aborted signal',
    );
    await rejects(() => source.countRows(range, context), 'countRows() with an aborted signal');
    await rejects(
      async () => await collect(source.ranges({ size: 2, after: null }, context)),
      'ranges() with an aborted signal',
    );
  });

  check('a search for large rows answers with the key of a row, or with none', async (fixture) => {
    const { source, rows, reader } = fixture;
    if (!source.findOversizedRow) return;
    const none = await source.findOversizedRow(1_000_000_000);
    equal(none, null, 'findOversizedRow() with a limit beyond every row');
    // A source may spare itself the search where its statistics rule large values out.
    const found = await source.findOversizedRow(0);
    if (found === null) return;
    const keys = rows.map((row) => JSON.stringify(reader.keyOf(row)));
    ok(keys.includes(JSON.stringify(found)), `${JSON.stringify(found)} is the key of no row`);
  });
}

function rangeTests(check: SourceTest): void {
  check(
    'ranges of every size cover each row exactly once, in key order, without a gap',
    async ({ rows, reader }) => {
      for (const size of [1, 2, 3, 7, rows.length, 1_000_000]) {
        const ranges = await reader.ranges(size, null);
        ok(ranges.length > 0, `there is no range of size ${size}`);
        reader.checkChain(ranges, null);
        equal((await reader.readRanges(ranges)).flat(), rows, `the rows of all ranges of size ${size}`);
      }
      equal((await reader.ranges(1_000_000, null)).length, 1, 'ranges of a size that holds everything');
    },
  );

  check('the last range ends at the last key', async ({ rows, reader }) => {
    const last = reader.keyOf(present(rows.at(-1), 'no rows'));
    for (const size of [1, 3, 1_000_000]) {
      equal((await reader.ranges(size, null)).at(-1)?.upper, last, `the end of the ranges of size ${size}`);
    }
  });

  check(
    'ranges after a key go on just behind it, and there are none after the last',
    async ({ rows, reader }) => {
      for (const [index, row] of rows.entries()) {
        const after = reader.keyOf(row);
        const ranges = await reader.ranges(4, after);
        reader.checkChain(ranges, after);
        equal(
          (await reader.readRanges(ranges)).flat(),
          rows.slice(index + 1),
          `the rows after ${JSON.stringify(after)}`,
        );
        if (index === rows.length - 1) equal(ranges, [], 'ranges after the last key');
      }
    },
  );

  check(
    'counts of ranges agree with their pages and add up to all rows',
    async ({ source, rows, reader }) => {
      const ranges = await reader.ranges(3, null);
      let sum = 0;
      for (const range of ranges) {
        const count = await source.countRows(range);
        equal(count, (await reader.readAll(range)).length, `countRows() of ${JSON.stringify(range)}`);
        sum += count;
      }
      equal(sum, rows.length, 'the sum of the counts of all ranges');
      equal(await source.countRows(), rows.length, 'countRows() of everything');
    },
  );
}

function pageTests(check: SourceTest): void {
  check('pages obey their limit, come in key order, and say exactly when they are done', async (fixture) => {
    const { rows, reader } = fixture;
    const whole = await reader.whole();
    for (const limit of [1, 2, 5, rows.length - 1, rows.length, rows.length + 1]) {
      const read: TextRow[] = [];
      for (let done = false; !done;) {
        const page = await reader.page(whole, read.at(-1) ?? null, limit);
        const at = `a page of ${limit} after ${read.length} of ${rows.length} rows`;
        ok(page.rows.length > 0 && page.rows.length <= limit, `${at} has ${page.rows.length} rows`);
        equal(page.rows, rows.slice(read.length, read.length + page.rows.length), at);
        read.push(...page.rows);
        equal(page.done, read.length === rows.length, `done of ${at}`);
        done = page.done;
      }
    }
  });

  check('reading goes on from any key, in any order, also many pages at a time', async ({ rows, reader }) => {
    const whole = await reader.whole();
    const starts = rows.map((_row, index) => index).toReversed();
    const pages = await Promise.all(starts.map((start) => reader.page(whole, rows[start] ?? null, 3)));
    for (const [index, start] of starts.entries()) {
      equal(pages[index]?.rows, rows.slice(start + 1, start + 4), `the page after row ${start + 1}`);
    }
  });

  check(
    'a lower end is inclusive where it says so, an upper end always',
    async ({ source, rows, reader }) => {
      for (const [from, to] of [
        [0, 0],
        [2, 5],
        [4, rows.length - 1],
      ] as const) {
        const upper = reader.keyAt(rows, to);
        for (const inclusive of [true, false]) {
          const lower: KeyBound = { key: reader.keyAt(rows, from), inclusive };
          const expected = rows.slice(inclusive ? from : from + 1, to + 1);
          const page = await source.readPage({ lower, upper, limit: 100_000 });
          const what = `rows ${from + 1} to ${to + 1}, lower end ${inclusive ? 'inclusive' : 'exclusive'}`;
          equal(page, { rows: expected, done: true }, what);
          equal(await source.countRows({ lower, upper }), expected.length, `countRows() of ${what}`);
        }
      }
    },
  );
}

function handOverTests(check: SourceTest): void {
  check('rows that are handed over are those of the page, in its order', async ({ source, rows, reader }) => {
    const { lower, upper } = await reader.whole();
    for (const limit of [1, 4, rows.length, rows.length + 1]) {
      for (const after of [null, rows[2] ?? null]) {
        const bound = after ? { key: reader.keyOf(after), inclusive: false } : lower;
        const request = { lower: bound, upper, limit };
        const expected = await source.readPage(request);
        const what = `a page of ${limit} ${after ? 'after row 3' : 'from the first row on'}`;
        const texts = await handedOver(source, request, false);
        equal(texts, expected, `${what}, handed over as texts`);
        equal(await handedOver(source, request, true), expected, `${what}, handed over as bytes or texts`);
      }
    }
  });
}

function emptyTests(check: (name: string, run: (fixture: SourceFixture) => Promise<void>) => void): void {
  check('a source without rows has a description, no ranges and a count of 0', async ({ source }) => {
    const { columns, key } = await source.describe();
    ok(columns.length > 0 && key.length > 0, 'columns and key of an empty source');
    equal(await collect(source.ranges({ size: 10, after: null })), [], 'ranges of an empty source');
    equal(await source.countRows(), 0, 'countRows() of an empty source');
    equal((await source.findOversizedRow?.(0)) ?? null, null, 'findOversizedRow() of an empty source');
  });
}
