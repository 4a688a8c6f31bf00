import type {
  CallContext,
  ColumnDescriptor,
  Key,
  KeyRange,
  Page,
  PageRequest,
  RangeRequest,
  Source,
  SourceDescription,
  TextRow,
} from '../contract/index.ts';
import { answer, compareKeys, inRange } from './database.ts';

/** The options of a {@link MemorySource}. */
export interface MemorySourceOptions {
  /** The migration's name. Default `memory`. */
  readonly name?: string | undefined;
  readonly columns: readonly ColumnDescriptor[];
  /** Names of the key's columns. */
  readonly key: readonly string[];
  /** Rows in any order. The array is read at each call, so that a test may change it. */
  readonly rows: readonly TextRow[];
  /** Names of the memory sources that these rows refer to. Default: none. */
  readonly references?: readonly string[] | undefined;
}

/** Rows from an array, in key order. */
export class MemorySource<Row extends object = Record<string, unknown>> implements Source<Row> {
  declare readonly rowType?: Row;
  readonly name: string;
  readonly #options: MemorySourceOptions;
  readonly #keyIndexes: readonly number[];

  constructor(options: MemorySourceOptions) {
    this.name = options.name ?? 'memory';
    this.#options = options;
    this.#keyIndexes = options.key.map((name) => options.columns.findIndex((column) => column.name === name));
  }

  describe(context?: CallContext): Promise<SourceDescription> {
    const { name } = this;
    const { columns, rows } = this.#options;
    return answer(context, () => ({
      name,
      identity: `memory ${name}`,
      columns,
      key: this.#keyIndexes.map((index) => columns[index] as ColumnDescriptor),
      keyIndexes: this.#keyIndexes,
      settings: {},
      estimatedRows: rows.length,
      estimatedRowBytes: 100,
    }));
  }

  /** Every range holds `size` rows; the last may hold fewer. */
  async *ranges(
    { size, after }: RangeRequest,
    context?: CallContext,
  ): AsyncGenerator<readonly KeyRange[], void> {
    const sorted = await answer(context, () => this.#sorted());
    const keys = sorted
      .map((row) => this.#keyOf(row))
      .filter((key) => after === null || compareKeys(key, after) > 0);
    let previous = after;
    for (let end = size; end - size < keys.length; end += size) {
      const upper = keys[Math.min(end, keys.length) - 1] as Key;
      const lower = previous && { key: previous, inclusive: false };
      yield await answer(context, () => [{ lower, upper }]);
      previous = upper;
    }
  }

  readPage({ lower, upper, limit }: PageRequest, context?: CallContext): Promise<Page> {
    return answer(context, () => {
      const rows = this.#sorted().filter((row) => inRange(this.#keyOf(row), { lower, upper }));
      return { rows: rows.slice(0, limit), done: rows.length <= limit };
    });
  }

  countRows(range?: KeyRange, context?: CallContext): Promise<number> {
    const { rows } = this.#options;
    return answer(context, () =>
      range ? rows.filter((row) => inRange(this.#keyOf(row), range)).length : rows.length,
    );
  }

  readRows(keys: readonly Key[], context?: CallContext): Promise<readonly TextRow[]> {
    context?.signal?.throwIfAborted();
    const asked = new Set(keys.map((key) => JSON.stringify(key)));
    return Promise.resolve(this.#options.rows.filter((row) => asked.has(JSON.stringify(this.#keyOf(row)))));
  }

  references(context?: CallContext): Promise<readonly string[]> {
    return answer(context, () => (this.#options.references ?? []).map((name) => `memory ${name}`));
  }

  #sorted(): readonly TextRow[] {
    return this.#options.rows.toSorted((a, b) => compareKeys(this.#keyOf(a), this.#keyOf(b)));
  }

  #keyOf(row: TextRow): Key {
    return this.#keyIndexes.map((index) => row[index] as string);
  }
}
