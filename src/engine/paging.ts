import type {
  ByteRows,
  CallContext,
  Key,
  KeyRange,
  Page,
  PageRequest,
  Source,
  SourceDescription,
  TextRow,
} from '../contract/index.ts';
import type { Room } from './batch-queue.ts';
import { MigratorError } from '../errors.ts';
import type { NotedKey } from './rows/byte-rows.ts';
import { type RetryNotice, type RetryPolicy, withRetries } from './retry.ts';

/** Text of a page that is handed over as it arrives: about a batch. */
const streamedPageBytes = 2_000_000;

/** A page that would leave less than this part of it to another takes that along: each is a transaction of its own. */
const mostLonger = 1 / 3;

/** About as much as a decimal number has as text. */
const digitBytes = 8;

/** What reading a range needs. */
export interface PageReader {
  readonly source: Source<object>;
  readonly description: SourceDescription;
  /** Rows a page at the most. */
  readonly pageSize: number;
  /** The same, as it stands now; see {@link BatchLimit}. */
  readonly batchLimit?: { readonly pageRows: number } | undefined;
  /** Where several ranges are read at the same time: each has a turn, with which it waits before a page, and which it leaves. */
  readonly gate?:
    | {
        turn(): number;
        run<T>(turn: number, read: (unhurried: boolean) => Promise<T>): Promise<T>;
        leave(turn: number): void;
      }
    | undefined;
  /** What rows were like, where one reading is to know it of another. */
  readonly sizes?: RowSizes | undefined;
  readonly retry: RetryPolicy;
  /** Ends waiting and reading. */
  readonly stop: AbortSignal;
  retried(notice: RetryNotice): void;
}

/** Takes the rows of a range, in the form in which the source has them. What it throws ends the reading. */
export interface RangeTaker {
  row(row: TextRow): void;
  /** Notes the key of the row before in the reading's own {@link NotedKey}, where it hands over what came before. */
  bytes(rows: ByteRows): void;
}

/**
 * Reads the rows of a range from `cursor` on and hands each over as it arrives, so that no page is kept.
 *
 * @param room - waited for before each page: the way in which whatever rows become holds the reading back.
 * @param last - notes the key of each row once it was handed over.
 */
export async function readRange(
  reader: PageReader,
  range: KeyRange,
  cursor: Key | null,
  taker: RangeTaker,
  room: Room,
  last: NotedKey,
): Promise<void> {
  if (cursor !== null && sameKey(cursor, range.upper)) return;
  const { gate } = reader;
  const turn = gate?.turn() ?? 0;
  const reading = new RangeReading(reader, taker, last, turn);
  try {
    for (let from = cursor; ;) {
      const wait = room();
      if (wait) {
        gate?.leave(turn);
        await wait;
      }
      const next = await reading.page(range, from);
      if (next === null) return;
      from = next;
    }
  } finally {
    gate?.leave(turn);
  }
}

/** Hands rows over, and knows how far it got. */
class RangeReading {
  readonly #reader: PageReader;
  readonly #taker: RangeTaker;
  readonly #sizes: RowSizes;
  readonly #last: NotedKey;
  readonly #turn: number;
  /** True: the page at hand had a row already. */
  #isBegun = false;
  /** Thrown by the taker while the source called it. */
  #failure: { readonly error: unknown } | null = null;

  constructor(reader: PageReader, taker: RangeTaker, last: NotedKey, turn: number) {
    this.#reader = reader;
    this.#taker = taker;
    this.#sizes = reader.sizes ?? new RowSizes(reader.description.estimatedRowBytes);
    this.#last = last;
    this.#turn = turn;
  }

  /** Reads one page. Returns the key that the next begins behind; null: it was the last. */
  async page(range: KeyRange, from: Key | null): Promise<Key | null> {
    const last = this.#last;
    this.#isBegun = false;
    const page = await readPage(this.#reader, this.#turn, () => {
      this.#check();
      // A page that failed half-way goes on behind what it has handed over.
      const after = this.#isBegun ? last.key : from;
      const request = requestAfter(this.#reader, range, after, this.#sizes, streamedPageBytes);
      return { ...request, onRow: this.#onRow, onBytes: this.#onBytes };
    });
    for (const row of page.rows) this.#onRow(row);
    this.#check();
    return nextKey(this.#reader, range, page, from, this.#isBegun ? last.key : null);
  }

  readonly #onRow = (row: TextRow): void => {
    if (this.#failure) return;
    try {
      this.#taker.row(row);
    } catch (error) {
      this.#failure = { error };
    }
    this.#last.note(row);
    this.#isBegun = true;
    this.#sizes.see(row);
  };

  readonly #onBytes = (rows: ByteRows): void => {
    if (this.#failure) return;
    try {
      this.#taker.bytes(rows);
    } catch (error) {
      this.#failure = { error };
    }
    this.#last.noteBytes(rows, rows.rows - 1);
    this.#isBegun = true;
    this.#sizes.seeBytes(rows);
  };

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** Reads a page, and tries again where that fails in passing. Its turn at the gate goes on. */
export async function readPage(reader: PageReader, turn: number, request: () => PageRequest): Promise<Page> {
  const context: CallContext = { signal: reader.stop };
  return await withRetries(
    'read a page',
    async () => {
      const read = async (unhurried: boolean): Promise<Page> =>
        await reader.source.readPage({ ...request(), unhurried }, context);
      return await (reader.gate ? reader.gate.run(turn, read) : read(false));
    },
    reader.retry,
    context,
    (notice) => reader.retried(notice),
  );
}

/** Asks for the rows after a key: as many as are likely to fit into a page. */
export function requestAfter(
  reader: PageReader,
  range: KeyRange,
  after: Key | null,
  sizes: RowSizes,
  maxBytes: number,
): PageRequest {
  const { pageRows = Infinity } = reader.batchLimit ?? {};
  const fitting = maxBytes / sizes.average;
  const left = keysLeft(reader.description, range, after);
  const isRest = left > fitting && left <= fitting * (1 + mostLonger);
  return {
    lower: after === null ? range.lower : { key: after, inclusive: false },
    upper: range.upper,
    limit: Math.max(1, Math.floor(Math.min(reader.pageSize, pageRows, isRest ? left : fitting))),
    maxBytes,
    version: reader.description.version,
  };
}

/** As many rows as a range has at the most, where its key is one integer. */
function keysLeft({ key }: SourceDescription, { lower, upper }: KeyRange, after: Key | null): number {
  const from = after ?? lower?.key;
  return key.length === 1 && key[0]?.type === 'integer' && from
    ? Number(upper[0]) - Number(from[0]) + 1
    : Infinity;
}

/**
 * The key behind which the range goes on; null where no row comes after this page.
 *
 * @param from - the key behind which the page begins.
 */
export function nextKey(
  { description }: PageReader,
  range: KeyRange,
  page: Page,
  from: Key | null,
  last: Key | null,
): Key | null {
  const stands = last !== null && from !== null && sameKey(last, from);
  if (!stands) {
    if (last !== null) return page.done || sameKey(last, range.upper) ? null : last;
    if (page.done) return null;
  }
  const which = stands ? 'that ends where it begins' : 'without rows that is not the last of its range';
  throw new MigratorError('INTERNAL', `The source ${description.identity} gave a page ${which}.`, {
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

/** Characters of a row: by statistics, then by some of those that were seen, the latest above all. */
export class RowSizes {
  readonly #estimate: number;
  #rows = 0;
  #sampled = 0;
  #characters = 0;

  constructor(estimate: number) {
    this.#estimate = estimate;
  }

  get average(): number {
    return Math.max(1, this.#sampled > 0 ? this.#characters / this.#sampled : this.#estimate);
  }

  see(row: TextRow): void {
    this.#rows += 1;
    if (this.#rows % 8 !== 1) return;
    let characters = 0;
    for (const value of row) characters += value === null ? 1 : value.length;
    this.#add(characters);
  }

  /** Rows that come together: the first stands for them. */
  seeBytes(rows: ByteRows): void {
    const { columns, starts, ends } = rows;
    let bytes = 0;
    for (let column = 0; column < columns; column += 1) {
      const start = starts[column] as number;
      if (start >= 0) bytes += (ends[column] as number) - start;
      else bytes += start === -3 ? digitBytes : (rows.text(0, column) ?? ' ').length;
    }
    this.#add(bytes);
  }

  #add(characters: number): void {
    this.#characters += characters;
    this.#sampled += 1;
    if (this.#sampled < 1_000) return;
    // Whole numbers: a fraction would be an object for every row.
    this.#sampled >>= 1;
    this.#characters = Math.floor(this.#characters / 2);
  }
}
