import type { Finding } from './findings.ts';
import type { ByteRows, CallContext, ColumnDescriptor, Key, KeyBound, KeyRange, TextRow } from './rows.ts';
import type { TableSchema } from './schema.ts';

/** What a source says of itself before anything is read. */
export interface SourceDescription {
  /** The table's plain name; the migration's name unless the host gives another. */
  readonly name: string;
  /** Says which table of which database this is, without credentials. Enters the fingerprint. */
  readonly identity: string;
  /** The columns that travel, in the order of the values in a row. */
  readonly columns: readonly ColumnDescriptor[];
  /** The key's columns, in key order. */
  readonly key: readonly ColumnDescriptor[];
  /** For each key column its index in a {@link TextRow}; a key that does not travel stands behind the columns. */
  readonly keyIndexes: readonly number[];
  /** Further settings that decide which rows are read (a filter, for example). They enter the fingerprint. */
  readonly settings: Readonly<Record<string, string>>;
  /** Rows, from statistics where the table is large: good to a few percent, not a count. */
  readonly estimatedRows: number;
  /** Bytes of text an average row is expected to have. */
  readonly estimatedRowBytes: number;
  /** Says which version of the table this describes: it changes where key, columns or types do. Given back with every page. */
  readonly version?: string | undefined;
  /** What the table declares beyond its columns' types; a sink that makes its table may carry it over. */
  readonly schema?: TableSchema | undefined;
  /** What the plan should tell the host: what a value does not hold any more in transit, rows that may stay hidden. */
  readonly findings?: readonly Finding[] | undefined;
}

/** Asks for the ranges of a plan. */
export interface RangeRequest {
  /** Rows a range should hold; ids a range, where ids are dense integers. A source that can cut only elsewhere may take more. */
  readonly size: number;
  /** Only keys after this one: the end of the plan so far. Null: from the first key on. */
  readonly after: Key | null;
}

/** How a source cuts the keys into ranges, and why so. */
export interface RangeStrategy {
  /** `fixed`: so many ids each, reckoned from the first and the last. `walked`: so many rows each, found along the key. */
  readonly kind: 'fixed' | 'walked';
  /** A sentence. */
  readonly reason: string;
}

/** Asks for the next rows of a range, in key order. */
export interface PageRequest {
  readonly lower: KeyBound | null;
  readonly upper: Key;
  /** Rows at the most. */
  readonly limit: number;
  /** Bytes of text after which the page may end early. A source that sees sizes only afterwards leaves it aside. */
  readonly maxBytes?: number | undefined;
  /**
   * Takes each row as it arrives, in key order. A source that can streams its rows here, so that a page is never in memory as a
   * whole, and leaves {@link Page.rows} empty; another may leave it aside. What was handed over before a failure counts:
   * the next request begins behind it. Never throws.
   */
  readonly onRow?: ((row: TextRow) => void) | undefined;
  /** Takes rows as {@link onRow} does, from a source that has them as bytes. It may use both, and the order of all is that of the key. */
  readonly onBytes?: ((rows: ByteRows) => void) | undefined;
  /**
   * True: nobody waits for this page, since the sink has more than one write to work on. A source may do what spares the machine and takes
   * some milliseconds longer.
   */
  readonly unhurried?: boolean | undefined;
  /**
   * The description's. A source that gives one reads no row by another description: it rejects with `SOURCE_CHANGED`
   * where the table is not the one any more that was described.
   */
  readonly version?: string | undefined;
}

/** Rows in key order, and whether the range is exhausted with them. A page that is not done has rows, or has handed some over. */
export interface Page {
  /** Those that were not handed to {@link PageRequest.onRow}. */
  readonly rows: readonly TextRow[];
  /** True: no row of the range comes after these. */
  readonly done: boolean;
}

/**
 * Where rows come from: something ordered that can be read from any key on.
 *
 * Every method may be called again after it failed; none of them changes the source.
 *
 * @typeParam Row - an object type whose properties are the columns that travel; used by the compiler alone.
 */
export interface Source<Row extends object = Record<string, unknown>> {
  /** Never set; ties the row type to the value. */
  readonly rowType?: Row;

  /**
   * The name that {@link describe} gives, where it is known before: what is stored of the migration can then be read without
   * the source, or while it is described. Left out by a source that has to look.
   */
  readonly name?: string | undefined;

  /**
   * Reads names, types and key from the database and checks that they can serve.
   *
   * @param brief - true: nobody asks for the schema, or for findings that are no errors. What is read for these alone may be left out.
   * @throws MigratorError with a `SOURCE_...` code where the table, a column or the key cannot serve.
   */
  describe(context?: CallContext, brief?: boolean): Promise<SourceDescription>;

  /**
   * Cuts the keys after `after` into ranges, in key order and without a gap between them. The ranges come in
   * portions, so that copying can begin before the last is known.
   */
  ranges(request: RangeRequest, context?: CallContext): AsyncIterable<readonly KeyRange[]>;

  /** Says how {@link ranges} would cut them. Left out by a source that has one way only. */
  rangeStrategy?(request: RangeRequest, context?: CallContext): Promise<RangeStrategy>;

  /** Reads the next rows of a range. */
  readPage(request: PageRequest, context?: CallContext): Promise<Page>;

  /** Counts the rows of a range, or of everything that the source would copy. */
  countRows(range?: KeyRange, context?: CallContext): Promise<number>;

  /**
   * The key of a row whose values need more than `maxBytes`, or null. Called before anything is written, where a
   * new plan is made. A source that cannot tell at a bearable cost leaves it out; such a row is then refused when
   * its turn comes.
   */
  findOversizedRow?(maxBytes: number, context?: CallContext): Promise<Key | null>;

  /**
   * Reads single rows again, in any order; keys that have no row are passed over. Needed by `verify({ mode: 'full' })`:
   * a row that changed meanwhile is not reported.
   */
  readRows?(keys: readonly Key[], context?: CallContext): Promise<readonly TextRow[]>;

  /**
   * The tables that rows of this table refer to, each by the `identity` by which its own source describes it. A group
   * copies these first. Left out by a source that knows no references.
   */
  references?(context?: CallContext): Promise<readonly string[]>;

  /** Ends what the source itself opened. What the host passed in stays open. */
  close?(): Promise<void>;
}
