// A source over a CSV file that is sorted by its key. The file is read once as a whole, when it is described; from then
// on an index of byte offsets, one for each thousand rows, lets a page begin anywhere without reading what is before it.
import { basename, resolve } from 'node:path';
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
} from 'resumable-migrator';
import { type CsvType, records, refusal, versionOf } from './csv-file.ts';
import { blockAfter, changed, type CsvIndex, indexFile, keyOf, sizeOf } from './csv-index.ts';

/** The options of a {@link CsvSource}. */
export interface CsvSourceOptions {
  /** A file in UTF-8 whose first line names the columns. */
  readonly file: string;
  /** The columns by which the file is sorted, and of which no two rows have the same values. Integers or texts. */
  readonly key: readonly string[];
  /** Types of columns; the others are texts. */
  readonly types?: Readonly<Record<string, CsvType>> | undefined;
  /** Rows a block of the index: what a page may have to read in vain. Ranges are whole blocks. Default 1,000. */
  readonly indexEvery?: number | undefined;
}

/** Rows of a CSV file, in the order of the file. */
export class CsvSource<Row extends object = Record<string, unknown>> implements Source<Row> {
  declare readonly rowType?: Row;
  readonly name: string;
  readonly #options: Required<{ [Name in keyof CsvSourceOptions]: NonNullable<CsvSourceOptions[Name]> }>;
  #index: CsvIndex | undefined;

  constructor({ file, key, types = {}, indexEvery = 1_000 }: CsvSourceOptions) {
    this.name = basename(file).replace(/\.[^.]*$/, '');
    this.#options = { file: resolve(file), key, types, indexEvery };
    if (key.length === 0)
      throw refusal('SOURCE_KEY_REQUIRED', 'No key was given.', 'Name the columns that sort the file.');
    const unordered = key.find((name) => types[name] === 'decimal');
    if (unordered !== undefined)
      throw refusal(
        'INVALID_OPTION',
        `${unordered} is a decimal, and cannot be part of a key.`,
        'Take integers or texts.',
      );
  }

  async describe(context?: CallContext): Promise<SourceDescription> {
    const { file } = this.#options;
    const { columns, keyIndexes, rows, bytes, version } = await this.#indexed(context);
    return {
      name: this.name,
      identity: `csv ${file}`,
      columns,
      key: keyIndexes.map((index) => columns[index] as ColumnDescriptor),
      keyIndexes,
      settings: {},
      estimatedRows: rows,
      estimatedRowBytes: Math.max(1, Math.round(bytes / Math.max(1, rows))),
      version,
    };
  }

  /** Whole blocks of the index, so that nothing has to be read: a range may hold some more rows than asked for. */
  async *ranges(
    { size, after }: RangeRequest,
    context?: CallContext,
  ): AsyncGenerator<readonly KeyRange[], void> {
    const index = await this.#indexed(context);
    const step = Math.ceil(size / this.#options.indexEvery);
    let lower = after && { key: after, inclusive: false };
    for (let at = after ? blockAfter(index, after, false) : 0; at < index.blocks.length; at += step) {
      context?.signal?.throwIfAborted();
      const upper = (index.blocks[Math.min(at + step, index.blocks.length) - 1] ?? index.blocks[at])
        ?.last as Key;
      yield [{ lower, upper }];
      lower = { key: upper, inclusive: false };
    }
  }

  async readPage(request: PageRequest, context?: CallContext): Promise<Page> {
    const { upper, limit, maxBytes = Infinity, version } = request;
    const index = await this.#indexed(context);
    if (version !== undefined && version !== index.version) throw changed(this.#options.file);
    const rows: TextRow[] = [];
    let bytes = 0;
    let done = true;
    for await (const row of this.#rowsOf(index, request, context)) {
      // One row more than asked for tells whether the range ends here.
      done = rows.length < limit && bytes < maxBytes;
      if (!done) break;
      rows.push(row);
      bytes += sizeOf(row);
      if (index.compare(keyOf(index, row), upper) === 0) break;
    }
    // What was read of a file that somebody wrote to meanwhile may be anything.
    if ((await versionOf(this.#options.file)) !== index.version) throw changed(this.#options.file);
    return { rows, done };
  }

  async countRows(range?: KeyRange, context?: CallContext): Promise<number> {
    const index = await this.#indexed(context);
    if (!range) return index.rows;
    const { lower, upper } = range;
    const before = lower === null ? 0 : await this.#position(index, lower.key, !lower.inclusive, context);
    return Math.max(0, (await this.#position(index, upper, true, context)) - before);
  }

  async findOversizedRow(maxBytes: number, context?: CallContext): Promise<Key | null> {
    const { largest } = await this.#indexed(context);
    return largest && largest.bytes > maxBytes ? largest.key : null;
  }

  async readRows(keys: readonly Key[], context?: CallContext): Promise<readonly TextRow[]> {
    const found: TextRow[] = [];
    for (const key of keys) {
      const range = { lower: { key, inclusive: true }, upper: key, limit: 1 };
      found.push(...(await this.readPage(range, context)).rows);
    }
    return found;
  }

  /** Rows of the file up to this key; without the key's own where it is not included. */
  async #position(index: CsvIndex, key: Key, included: boolean, context?: CallContext): Promise<number> {
    const block = index.blocks[blockAfter(index, key, !included)];
    if (!block) return index.rows;
    let rows = block.before;
    for await (const row of this.#rowsOf(
      index,
      { lower: { key: block.last, inclusive: true }, upper: key },
      context,
      true,
    )) {
      const order = index.compare(keyOf(index, row), key);
      if (order > 0 || (order === 0 && !included)) break;
      rows += 1;
    }
    return rows;
  }

  /** The rows of a range, as they are read; `wholeBlock`: from the beginning of the block that `lower` is in. */
  async *#rowsOf(
    index: CsvIndex,
    { lower, upper }: KeyRange,
    context?: CallContext,
    wholeBlock = false,
  ): AsyncGenerator<TextRow, void> {
    const block = index.blocks[lower ? blockAfter(index, lower.key, lower.inclusive) : 0];
    if (!block) return;
    let inside = wholeBlock || lower === null;
    for await (const { row } of records(this.#options.file, block.start, context?.signal)) {
      const key = keyOf(index, row);
      if (!inside && lower) {
        const order = index.compare(key, lower.key);
        inside = order > 0 || (order === 0 && lower.inclusive);
      }
      if (index.compare(key, upper) > 0) return;
      if (inside) yield row;
    }
  }

  /** The index of the file as it is now: made once, and again where the file changed. */
  async #indexed(context: CallContext | undefined): Promise<CsvIndex> {
    context?.signal?.throwIfAborted();
    if (!this.#index || this.#index.version !== (await versionOf(this.#options.file)))
      this.#index = await indexFile(this.#options, context?.signal);
    return this.#index;
  }
}
