import { type RawBuilder, sql } from 'kysely';
import type {
  CallContext,
  ColumnDescriptor,
  Key,
  KeyRange,
  Page,
  PageRequest,
  RangeRequest,
  RangeStrategy,
  Source,
  SourceDescription,
  TextRow,
} from '../contract/index.ts';
import { isMigratorError, MigratorError } from '../errors.ts';
import { sourceChanged } from './errors.ts';
import { packOf, type WireColumns } from './binary/packs.ts';
import { parameterText } from './bind-message.ts';
import { choiceOf } from './choice.ts';
import { compile, type PgTransactions } from './client.ts';
import { connect } from './connect.ts';
import { readDeclared } from './schema/declared.ts';
import { describeTable, type TableDescription, type TableRequest } from './describe.ts';
import { keyColumns, keyIn, keyOrder, storedBytes, within } from './fragments.ts';
import { type KeyFacts, readKeyFacts } from './key-facts.ts';
import { type IntegerEnds, integerRanges, strategyOf, walkedRanges } from './ranges.ts';
import { readReferences } from './references.ts';
import type { ChosenRow, ColumnChoice, PostgresKeysetSourceOptions } from './source-options.ts';
import { nothingSeen, PageTaker, type SeenRows, travellingColumns } from './page.ts';
import { type PostgresColumn, selected } from './types/types.ts';
import { unchanged, versionOf } from './unchanged.ts';

/**
 * Reads a PostgreSQL table by its key: every page begins after the last key of the one before, so that the millionth
 * page costs what the first did. Reads in read-only transactions and changes nothing.
 *
 * @typeParam Database - Kysely's interface of the source: tables and their columns. With `db` it is inferred.
 * @typeParam Choice - the type of `columns`, where it narrows or renames and `Database` is not inferred.
 *
 * @example
 * ```ts
 * const source = new PostgresKeysetSource<SourceDB, 'cities'>({ pool, table: 'cities' });
 * const renamed = new PostgresKeysetSource({ db, table: 'cities', columns: { id: true, name: 'full_name' } });
 * // Where `Database` is given, so is the type of `columns`.
 * const columns = { id: true, name: 'full_name' } as const;
 * const typed = new PostgresKeysetSource<SourceDB, 'cities', typeof columns>({ pool, table: 'cities', columns });
 * ```
 */
export class PostgresKeysetSource<
  Database = Record<string, Record<string, unknown>>,
  Table extends keyof Database & string = keyof Database & string,
  const Choice extends ColumnChoice<Database[Table]> = readonly (keyof Database[Table] & string)[],
> implements Source<ChosenRow<Database[Table], Choice>> {
  declare readonly rowType?: ChosenRow<Database[Table], Choice>;
  readonly name: string;
  readonly #request: TableRequest;
  readonly #transactions: PgTransactions;
  readonly #seen: SeenRows = nothingSeen();
  #description: Promise<TableDescription> | null = null;

  /** @throws MigratorError `INVALID_OPTION`; nothing is read here. */
  constructor(options: PostgresKeysetSourceOptions<Database, Table, Choice>) {
    const choices = choiceOf(options);
    this.#transactions = connect(options);
    if (typeof options.table !== 'string' || options.table === '') {
      throw new MigratorError('INVALID_OPTION', 'The source has no table.', {
        help: 'Pass the name of the table.',
      });
    }
    const dot = options.schema === undefined ? options.table.indexOf('.') : -1;
    this.#request = {
      schema: dot > 0 ? options.table.slice(0, dot) : options.schema,
      table: options.table.slice(dot + 1),
      ...choices,
    };
    this.name = this.#request.table;
  }

  async describe(context?: CallContext, brief: boolean = false): Promise<SourceDescription> {
    const description = this.#transactions.run(async (query): Promise<TableDescription & KeyFacts> => {
      const table = await describeTable(query, this.#request, brief);
      return { ...table, ...(await readKeyFacts(query, table, brief)) };
    }, context);
    this.#description = description;
    description.catch(() => {
      this.#description = null;
    });
    const { database, schema, table, keyIndexes, estimatedRows, estimatedRowBytes, findings, ...described } =
      await description;
    const declared = brief ? null : await readDeclared(this.#transactions, await description, context);
    const columns = described.columns.map(descriptorOf);
    const key = described.key.map(descriptorOf);
    const settings: Record<string, string> = { ...described.settings };
    if (this.#request.where) {
      const { sql: text, parameters } = compile(this.#request.where);
      settings['where'] =
        parameters.length === 0 ? text : `${text} with ${JSON.stringify(parameters.map(parameterText))}`;
    }
    const renamed = described.columns.filter(({ name, source }) => name !== source);
    if (renamed.length > 0)
      settings['renamed'] = renamed.map(({ name, source }) => `${source} to ${name}`).join(', ');
    const identity = `PostgreSQL ${database}.${schema}.${table}`;
    const estimated = { estimatedRows, estimatedRowBytes };
    const all = [...(declared?.findings ?? []), ...findings];
    const version = versionOf(await description);
    return {
      name: table,
      identity,
      columns,
      key,
      keyIndexes,
      settings,
      version,
      ...estimated,
      schema: declared?.schema,
      findings: all,
    };
  }

  async *ranges(request: RangeRequest, context?: CallContext): AsyncGenerator<readonly KeyRange[], void> {
    const table = await this.#described(context);
    const single = isSingleInteger(table);
    const ends = single ? await this.#ends(table, request.after, context) : null;
    if (single && !ends) return;
    const fixed = ends && integerRanges(request, ends, table.estimatedRows);
    if (fixed) {
      yield* fixed;
      return;
    }
    const start = ends ? { key: [ends.first], inclusive: true } : null;
    yield* walkedRanges(
      request,
      start,
      single,
      async (after) => await this.#boundary(table, after, request.size, context),
    );
  }

  async rangeStrategy(request: RangeRequest, context?: CallContext): Promise<RangeStrategy> {
    const table = await this.#described(context);
    const ends = isSingleInteger(table) ? await this.#ends(table, request.after, context) : null;
    return strategyOf(request, table.key, ends, table.estimatedRows);
  }

  async readPage(request: PageRequest, context?: CallContext): Promise<Page> {
    const table = await this.#described(context);
    const { lower, upper, maxBytes = Infinity, version } = request;
    // It was described anew meanwhile, for another caller.
    if (version !== undefined && version !== versionOf(table)) throw sourceChanged();
    // By rows that were seen: a client may hold all of them at once.
    const limit = Math.min(request.limit, Math.ceil((maxBytes * 2) / (this.#seen.average ?? 1)));
    const rest = sql`${within(table, lower, upper)} ORDER BY ${keyOrder(table)} LIMIT ${sql.lit(limit + 1)}`;
    const page = new PageTaker(table, { ...request, limit }, this.#seen);
    await this.#read(table, rest, page, context);
    return page.isMissed ? await this.readPage(request, context) : page.end();
  }

  async readRows(keys: readonly Key[], context?: CallContext): Promise<readonly TextRow[]> {
    if (keys.length === 0) return [];
    const table = await this.#described(context);
    return await this.#rowsWhere(table, sql`(${table.where}) AND ${keyIn(table, keys)}`, context);
  }

  async countRows(range?: KeyRange, context?: CallContext): Promise<number> {
    const table = await this.#described(context);
    const where = range ? within(table, range.lower, range.upper) : table.where;
    const [row] = await this.#transactions.run(
      (query) => query(sql`SELECT count(*)::text FROM ${table.from} WHERE ${where}`),
      context,
    );
    return Number(row?.[0]);
  }

  /**
   * Looks for a row that is too large, by the lengths that PostgreSQL keeps beside values stored out of line: without such values no row
   * is. Gives up after 20 s.
   */
  async findOversizedRow(maxBytes: number, context?: CallContext): Promise<Key | null> {
    const table = await this.#described(context);
    // PostgreSQL moves values out of line long before a row has a megabyte.
    if (maxBytes >= 1_000_000 && !table.hasLargeValues) return null;
    const size = sql.join(
      table.columns.map((column) => storedBytes(column)),
      sql` + `,
    );
    try {
      const [key] = await this.#transactions.run(async (query) => {
        await query(sql`SET LOCAL statement_timeout = '20s'`);
        return await query(sql`SELECT ${keyTexts(table, 'source')} FROM ${table.from}
          WHERE (${table.where}) AND ${size} > ${sql.lit(maxBytes)} LIMIT 1`);
      }, context);
      return key ? this.#canonicalKey(table, key as Key) : null;
    } catch (error) {
      if (isMigratorError(error) && error.retryable) return null;
      throw error;
    }
  }

  /** The tables that this table's foreign keys refer to, where all columns of the key travel. */
  async references(context?: CallContext): Promise<readonly string[]> {
    const table = await this.#described(context);
    return await this.#transactions.run((query) => readReferences(query, table), context);
  }

  async close(): Promise<void> {
    await this.#transactions.close();
  }

  /** Calls {@link close}: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #described(context?: CallContext): Promise<TableDescription> {
    if (!this.#description) await this.describe(context);
    return await (this.#description as Promise<TableDescription>);
  }

  /** The first and the last key after `after`; null where there is none. */
  async #ends(
    table: TableDescription,
    after: Key | null,
    context?: CallContext,
  ): Promise<IntegerEnds | null> {
    const key = keyColumns(table);
    const where = within(table, after && { key: after, inclusive: false }, null);
    const [row] = await this.#transactions.run(
      (query) =>
        query(
          sql`SELECT min(${key})::text, max(${key})::text FROM ${table.from} WHERE ${unchanged(table)} AND ${where}`,
        ),
      context,
    );
    const [first, last] = row ?? [];
    return typeof first === 'string' && typeof last === 'string' ? { first, last } : null;
  }

  /** The key of the row that stands `size` rows after `after`, or of the last row; found on the key's index. */
  async #boundary(
    table: TableDescription,
    after: Key | null,
    size: number,
    context?: CallContext,
  ): Promise<Key | null> {
    const where = within(table, after && { key: after, inclusive: false }, null);
    const inner = keyOrder(table);
    const descending = sql.join(table.key.map(({ source }) => sql`${sql.id('step', source)} DESC`));
    const [key] = await this.#transactions.run(
      (query) =>
        query(sql`SELECT ${keyTexts(table, 'step')} FROM (
          SELECT ${inner} FROM ${table.from} WHERE ${unchanged(table)} AND ${where} ORDER BY ${inner} LIMIT ${sql.lit(size)}
        ) AS step ORDER BY ${descending} LIMIT 1`),
      context,
    );
    return key ? this.#canonicalKey(table, key as Key) : null;
  }

  /** The travelling columns of the rows for which `rest` holds, in canonical text. */
  async #rowsWhere(
    table: TableDescription,
    rest: RawBuilder<unknown>,
    context?: CallContext,
  ): Promise<readonly TextRow[]> {
    const page = new PageTaker(table, { limit: Infinity });
    await this.#read(table, rest, page, context);
    return page.end().rows;
  }

  async #read(
    table: TableDescription,
    rest: RawBuilder<unknown>,
    taker: PageTaker,
    context?: CallContext,
  ): Promise<void> {
    const columns = travellingColumns(table);
    const from = sql`FROM ${table.from} WHERE ${unchanged(table)} AND ${rest}`;
    const read = sql`SELECT ${this.#select(columns)} ${from}`;
    const wire = taker.bytes?.wire;
    const packed =
      wire && wire.packs.length > 0 ? sql`SELECT ${this.#selectPacked(columns, wire)} ${from}` : undefined;
    try {
      await this.#transactions.run((_query, stream) => stream(read, taker, packed), context);
    } catch (error) {
      // A query that PostgreSQL does not even begin (a key is compared with another type) looks at nothing itself.
      const refused = isMigratorError(error) && error.code === 'SOURCE_FAILED' && !error.retryable;
      if (refused) await this.#transactions.run((query) => query(sql`SELECT ${unchanged(table)}`), context);
      throw error;
    }
  }

  #canonicalKey(table: TableDescription, key: Key): Key {
    return key.map((value, index) => table.key[index]?.codec.canonical?.(value) ?? value);
  }

  #select(columns: readonly PostgresColumn[]): RawBuilder<unknown> {
    return sql.join(
      columns.map((column, index) => this.#text(sql.id('source', column.source), column, index)),
    );
  }

  #selectPacked(columns: readonly PostgresColumn[], { singles, packs }: WireColumns): RawBuilder<unknown> {
    const named = (index: number): RawBuilder<unknown> => sql.id('source', columns[index]?.source ?? '');
    return sql.join([
      ...singles.map((index) => this.#text(named(index), columns[index] as PostgresColumn, index)),
      ...packs.map((pack) => packOf(pack.map(named))),
    ]);
  }

  #text(value: RawBuilder<unknown>, { codec }: PostgresColumn, index: number): RawBuilder<unknown> {
    const { rawText } = this.#transactions;
    const text = selected(value, codec, rawText);
    // Over a host's Kysely rows are objects: every value needs a name of its own.
    return rawText ? text : sql`${text} AS ${sql.id(`c${index}`)}`;
  }
}

/** As texts, whatever the pool is set to. Over a host's Kysely rows are objects: every value needs a name of its own. */
function keyTexts({ key }: TableDescription, from: string): RawBuilder<unknown> {
  return sql.join(
    key.map(
      ({ source, codec }, index) =>
        sql`${selected(sql.id(from, source), codec, false)} AS ${sql.id(`c${index}`)}`,
    ),
  );
}

function isSingleInteger({ key }: TableDescription): boolean {
  return key.length === 1 && key[0]?.type === 'integer';
}

/** What the contract says of a column: how it travels stays here. */
function descriptorOf({ name, type, nativeType, nullable }: PostgresColumn): ColumnDescriptor {
  return { name, type, nativeType, nullable };
}
