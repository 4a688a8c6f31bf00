import type {
  BatchEncoder,
  CallContext,
  Finding,
  Key,
  KeyRange,
  SinkTarget,
  Source,
  SourceDescription,
  TextRow,
} from '../contract/index.ts';
import { errorCodes, isMigratorError, type MigratorError, rowTooLarge, showKey } from '../errors.ts';
import { keyOf, pages, type PageReader } from './paging.ts';
import { Spread } from './spread.ts';

/** Rows that a sample reads of each of its ranges. */
export const sampledRows = 1_000;

/** Text that a page of the sample may have, and the rows that are kept. */
const sampledBytes = 1_000_000;

/** Rows that are kept for the sink's estimate. */
const keptRows = 500;

interface Refusal {
  readonly error: MigratorError;
  readonly column: string | null;
  readonly key: Key;
  rows: number;
}

/** Runs rows through the sink's encoder, and remembers what it refuses. */
export class ValueCheck {
  readonly #description: SourceDescription;
  readonly #target: SinkTarget;
  readonly #encoder: BatchEncoder;
  readonly #refusals = new Map<string, Refusal>();
  readonly #kept = new Spread<TextRow>(keptRows);
  readonly #utf8 = new TextEncoder();
  #rows = 0;
  #bytes = 0;

  constructor(description: SourceDescription, target: SinkTarget) {
    this.#description = description;
    this.#target = target;
    this.#encoder = target.encoder();
  }

  /** Rows that were looked at. */
  get rows(): number {
    return this.#rows;
  }

  /** Bytes of their text in UTF-8. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Some of the rows, spread over them. */
  get sample(): readonly TextRow[] {
    return this.#kept.items;
  }

  look(rows: readonly TextRow[]): void {
    const width = this.#description.columns.length;
    for (const whole of rows) {
      // A key that does not travel stands behind the columns.
      const row = whole.length > width ? whole.slice(0, width) : whole;
      const bytes = this.#utf8.encode(row.join('')).length;
      this.#rows += 1;
      this.#bytes += bytes;
      if (bytes * keptRows <= sampledBytes * 10) this.#kept.add(row);
      this.#encode(row, keyOf(this.#description, whole));
    }
    if (this.#encoder.rows > 0) this.#encoder.take();
  }

  /** One finding for each column and code, and one for a row that the source found to be too large. */
  findings(oversized: Key | null): Finding[] {
    const found = [...this.#refusals.values()].map(({ error, column, key, rows }) => ({
      code: error.code,
      severity: 'error' as const,
      column,
      message: `${errorCodes[error.code]} ${rows.toLocaleString('en')} of the ${this.#rows.toLocaleString('en')} rows that were looked at; the first has the key ${showKey(key)}.`,
      help: error.help,
    }));
    if (!oversized || found.some(({ code }) => code === 'ROW_TOO_LARGE')) return found;
    const { code, summary, help } = rowTooLarge(this.#target.maxRowBytes);
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
        const index = this.#description.columns.findIndex(({ name }) => name === column);
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
  // The last range first: its end is where the newest rows are, and time may be short.
  for (const { lower, upper } of ranges.toReversed()) {
    const { rows, done } = await retrying(() => source.readPage({ lower, upper, limit }, context));
    check.look(rows);
    if (done) continue;
    check.look(await retrying(async () => (await source.readRows?.([upper], context)) ?? []));
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
        check.look(page.rows);
        onPage();
      }
    }
  }
}
