import type {
  BatchEncoder,
  CallContext,
  Finding,
  Key,
  KeyRange,
  Source,
  SourceDescription,
  TextRow,
} from '../../contract/index.ts';
import { isMigratorError, type MigratorError, rowTooLarge, showKey } from '../../errors.ts';
import { pages } from '../pages.ts';
import { keyOf, type PageReader } from '../paging.ts';
import { type RowOutcome, RowRefusal } from '../rows/refusal.ts';
import type { Prepared } from './plan.ts';
import { Spread } from './spread.ts';

/** What is wrong with a row, in the words of `errorCodes`, which are many more: a test compares the two. */
export const meanings: Readonly<Record<string, string>> = {
  ROW_TOO_LARGE: 'A row is larger than the sink can store.',
  VALUE_REFUSED: 'The sink has no exact form for a value.',
  TRANSFORM_FAILED: 'The transform threw, or gave something that is no row of the result.',
  ROW_INVALID: 'A row does not pass the validation.',
};

/** Rows that a sample reads of each of its ranges. */
export const sampledRows = 1_000;

/** Text of a page of the sample, and of the rows that are kept. */
const sampledBytes = 1_000_000;

/** Rows that are kept for the sink's estimate. */
const keptRows = 500;

interface Refusal {
  readonly error: MigratorError;
  readonly column: string | null;
  readonly key: Key;
  rows: number;
}

/** Runs rows through what they go through in a copy, and remembers what is refused on the way. */
export class ValueCheck {
  readonly #prepared: Prepared;
  readonly #setAside: boolean;
  readonly #encoder: BatchEncoder;
  readonly #refusals = new Map<string, Refusal>();
  readonly #kept = new Spread<TextRow>(keptRows);
  readonly #utf8 = new TextEncoder();
  #rows = 0;
  #written = 0;
  #bytes = 0;

  /** @param setAside - what is refused does not stop the copy. */
  constructor(prepared: Prepared, setAside: boolean) {
    this.#prepared = prepared;
    this.#setAside = setAside;
    this.#encoder = prepared.target.encoder();
  }

  /** Rows of the source that were looked at. */
  get rows(): number {
    return this.#rows;
  }

  /** Rows that they become in the sink. */
  get written(): number {
    return this.#written;
  }

  /** Bytes of the text of these in UTF-8. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Some of the rows, spread over them. */
  get sample(): readonly TextRow[] {
    return this.#kept.items;
  }

  async look(rows: readonly TextRow[]): Promise<void> {
    const { description, pipeline } = this.#prepared;
    const width = description.columns.length;
    for (const whole of rows) {
      this.#rows += 1;
      const key = keyOf(description, whole);
      if (pipeline) {
        const outcome = pipeline.process(whole);
        this.#outcome(outcome instanceof Promise ? await outcome : outcome, key);
      } else {
        // A key that does not travel stands behind the columns.
        this.#result(whole.length > width ? whole.slice(0, width) : whole, key);
      }
    }
    if (this.#encoder.rows > 0) this.#encoder.take();
  }

  #outcome(outcome: RowOutcome, key: Key): void {
    if (outcome instanceof RowRefusal) this.#refused(outcome.error, key);
    else for (const row of outcome) this.#result(row, key);
  }

  #result(row: TextRow, key: Key): void {
    const bytes = this.#utf8.encode(row.join('')).length;
    this.#written += 1;
    this.#bytes += bytes;
    if (bytes * keptRows <= sampledBytes * 10) this.#kept.add(row);
    this.#encode(row, key);
  }

  /** One finding for each column and code, and one for a row that the source found to be too large. */
  findings(oversized: Key | null): Finding[] {
    const found = [...this.#refusals.values()].map(({ error, column, key, rows }) => ({
      code: error.code,
      severity: this.#setAside ? ('warning' as const) : ('error' as const),
      column,
      message: `${meanings[error.code] ?? error.summary} ${rows.toLocaleString('en')} of the ${this.#rows.toLocaleString('en')} rows that were looked at; the first has the key ${showKey(key)}.`,
      help: this.#setAside ? 'Such rows are set aside in the table of rejected rows.' : error.help,
    }));
    if (!oversized || found.some(({ code }) => code === 'ROW_TOO_LARGE')) return found;
    const { code, summary, help } = rowTooLarge(this.#prepared.target.maxRowBytes);
    const message = `${summary} It has the key ${showKey(oversized)}, and may not be the only one.`;
    return [...found, { code, severity: 'error', column: null, message, help }];
  }

  /** A row may have several values that are refused: each is taken out once it is known. */
  #encode(row: TextRow, key: Key): void {
    for (let rest = row; ;) {
      try {
        if (this.#encoder.add(rest)) return;
        this.#encoder.take();
      } catch (error) {
        if (!isMigratorError(error)) throw error;
        const column = this.#refused(error, key);
        const index = this.#prepared.shape.columns.findIndex(({ name }) => name === column);
        if (index < 0 || rest[index] === null) return;
        rest = rest.with(index, null);
      }
    }
  }

  #refused(error: MigratorError, key: Key): string | null {
    const column = error.place.column ?? null;
    const kind = JSON.stringify([column, error.code]);
    const known = this.#refusals.get(kind);
    if (known) known.rows += 1;
    else this.#refusals.set(kind, { error, column, key, rows: 1 });
    return column;
  }
}

/**
 * Looks at a page of each range, and at its last row.
 *
 * @param retrying - tries a call again that failed in passing.
 */
export async function checkSample(
  check: ValueCheck,
  source: Source<object>,
  description: SourceDescription,
  ranges: readonly KeyRange[],
  context: CallContext,
  retrying: <T>(call: () => Promise<T>) => Promise<T>,
): Promise<void> {
  const limit = Math.max(
    1,
    Math.min(sampledRows, Math.floor(sampledBytes / Math.max(1, description.estimatedRowBytes))),
  );
  // The last range first: there are the newest rows, and time may be short.
  for (const { lower, upper } of ranges.toReversed()) {
    const { rows, done } = await retrying(() =>
      source.readPage({ lower, upper, limit, maxBytes: sampledBytes }, context),
    );
    await check.look(rows);
    if (done) continue;
    await check.look(await retrying(async () => (await source.readRows?.([upper], context)) ?? []));
  }
}

/** Looks at every row. */
export async function checkAll(
  check: ValueCheck,
  reader: PageReader,
  checkpointSize: number,
  onPage: () => void,
): Promise<void> {
  const request = { size: checkpointSize, after: null };
  for await (const ranges of reader.source.ranges(request, { signal: reader.stop })) {
    for (const range of ranges) {
      for await (const page of pages(reader, range, null)) {
        await check.look(page.rows);
        onPage();
      }
    }
  }
}
