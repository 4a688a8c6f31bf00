import type { Comparison, Key, TextRow } from '../../contract/index.ts';
import { type Bounds, type ComparedRows, comparedRows } from './comparison.ts';
import type { EngineOptions } from '../options.ts';
import { keyOf } from '../paging.ts';
import type { Prepared } from '../planning/plan.ts';
import { distinct, rowsOfKeys, without } from './by-key.ts';

/** What looking again asks of the two sides. */
export interface LookupCalls {
  /** Reads the rows of these keys; none for keys that have no row. */
  readonly readRows: (keys: readonly Key[]) => Promise<readonly TextRow[]>;
  /** Compares the rows of a batch with those in the sink. */
  compare(compared: ComparedRows): Promise<Comparison>;
  readonly bounds: Bounds;
}

/** Reads single rows of the source again, before anything is said of them. */
export class SourceLookup {
  readonly #options: EngineOptions;
  readonly #prepared: Prepared;
  readonly #calls: LookupCalls;

  constructor(options: EngineOptions, prepared: Prepared, calls: LookupCalls) {
    this.#options = options;
    this.#prepared = prepared;
    this.#calls = calls;
  }

  /** A row may have changed since its page was read: what differs is read and compared once more. */
  async again(
    suspects: readonly Key[],
  ): Promise<{ missing: Key[]; different: { key: Key; columns: readonly string[] }[] }> {
    const missing: Key[] = [];
    const different: { key: Key; columns: readonly string[] }[] = [];
    // Several rows of the sink may come from one of the source.
    for await (const [rows] of rowsOfKeys(distinct(suspects), this.#calls.readRows)) {
      for await (const compared of this.#compared(rows)) {
        const found = await this.#calls.compare(compared);
        const { keys } = compared;
        missing.push(...found.missing.map((row) => keys.at(row)));
        different.push(...found.different.map(({ row, columns }) => ({ key: keys.at(row), columns })));
      }
    }
    return { missing, different };
  }

  /** Those of the keys that no row of the source has, as it should be in the sink. */
  async absent(keys: readonly Key[]): Promise<Key[]> {
    const absent: Key[] = [];
    for await (const [rows, asked] of rowsOfKeys(keys, this.#calls.readRows)) {
      absent.push(...without(asked, await this.#keysInSink(rows)));
    }
    return absent;
  }

  /** The keys of those rows of the source that should be in the sink: not skipped, and not set aside. */
  async #keysInSink(rows: readonly TextRow[]): Promise<readonly Key[]> {
    if (this.#prepared.pipeline === null) return rows.map((row) => keyOf(this.#prepared.description, row));
    const found: Key[] = [];
    for await (const { keys } of this.#compared(rows))
      for (let row = 0; row < keys.length; row += 1) found.push(keys.at(row));
    return found;
  }

  #compared(rows: readonly TextRow[]): AsyncGenerator<ComparedRows, void> {
    return comparedRows(this.#options, this.#prepared, this.#calls.bounds, rows);
  }
}
