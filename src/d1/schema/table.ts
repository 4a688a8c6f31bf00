import { type RawBuilder, sql } from 'kysely';
import type { CallContext, ColumnDescriptor, Finding, RowShape } from '../../contract/index.ts';
import type { D1Connection } from '../connection.ts';
import type { ColumnForm } from '../values/types.ts';

/** A column of a D1 table. */
interface TableColumn {
  readonly name: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Its place in the primary key, from 1; 0 for the others. */
  readonly primaryKey: number;
  readonly generated: boolean;
  readonly type: string;
}

/** A D1 table as its PRAGMAs describe it. */
export interface TableDescription {
  readonly columns: readonly TableColumn[];
  /** Sets of columns that are unique together, the primary key included. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Indexes that get an entry for every row beside the row itself. */
  readonly indexes: number;
}

/** Reads a table's columns and unique keys; null where there is no such table. */
export async function describeTable(
  connection: D1Connection,
  table: string,
  context?: CallContext,
): Promise<TableDescription | null> {
  const rows = await connection.rows(
    sql`SELECT name, type, "notnull" AS not_null, dflt_value IS NOT NULL AS has_default, pk, hidden
  FROM pragma_table_xinfo(${table})`,
    context,
  );
  if (rows.length === 0) return null;
  const columns = rows.map((row) => ({
    name: String(row['name']),
    type: String(row['type']).toUpperCase(),
    notNull: Number(row['not_null']) === 1,
    hasDefault: Number(row['has_default']) === 1,
    primaryKey: Number(row['pk']),
    generated: Number(row['hidden']) > 1,
  }));
  const indexes = await connection.rows(
    sql`SELECT list.name AS index_name, info.name AS column_name, list.origin,
    list."unique" = 1 AND list.partial = 0 AS is_key, (SELECT wr FROM pragma_table_list(${table})) AS without_rowid
  FROM pragma_index_list(${table}) AS list, pragma_index_info(list.name) AS info`,
    context,
  );
  const byIndex = Map.groupBy(indexes, (row) => row['index_name']);
  const keys = [...byIndex.values()].filter(([first]) => Number(first?.['is_key']) === 1);
  // Without rowids the primary key's index is the table.
  const isTable = indexes.some((row) => row['origin'] === 'pk' && Number(row['without_rowid']) === 1);
  const primaryKey = columns.filter((column) => column.primaryKey > 0).map(({ name }) => name);
  return {
    columns,
    uniqueKeys: [
      ...(primaryKey.length > 0 ? [primaryKey] : []),
      ...keys.map((parts) => parts.map((row) => String(row['column_name']))),
    ],
    indexes: byIndex.size - (isTable ? 1 : 0),
  };
}

/** SQLite compares names of columns without regard to (ASCII) case. */
function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Why a table cannot take the rows: columns are missing, or one that must be filled gets no value. */
export function problemsOf(
  table: string,
  description: TableDescription,
  { columns }: Pick<RowShape, 'columns'>,
): Finding[] {
  const find = (name: string): TableColumn | undefined =>
    description.columns.find((column) => sameName(column.name, name));
  const missing = columns.filter(({ name }) => !find(name));
  const generated = columns.filter(({ name }) => find(name)?.generated);
  const unfilled = description.columns.filter(
    (column) =>
      column.notNull &&
      !column.hasDefault &&
      !column.generated &&
      !isRowId(column, description) &&
      !columns.some(({ name }) => sameName(name, column.name)),
  );
  return [
    problem(
      missing,
      (names) =>
        `The D1 table ${table} lacks ${missing.length === 1 ? 'the column' : 'the columns'} ${names}.`,
      'Add what is missing (ALTER TABLE ... ADD COLUMN), or choose the columns of the source with its `columns` option.',
    ),
    problem(
      generated,
      (names) => `The D1 table ${table} computes ${names} itself, so no value can be written there.`,
      'Leave these columns out with the `columns` option of the source.',
    ),
    problem(
      unfilled,
      (names) => `The D1 table ${table} needs a value for ${names}, which the source does not have.`,
      'Give these columns a default, or let them be null.',
    ),
  ].filter((finding) => finding !== null);
}

/** One finding for all columns that have the same problem; null where none has it. */
function problem(
  columns: readonly { readonly name: string }[],
  message: (names: string) => string,
  help: string,
): Finding | null {
  const names = columns.map(({ name }) => name);
  const [first = null] = names;
  if (first === null) return null;
  const column = names.length === 1 ? first : null;
  return {
    code: 'SINK_COLUMN_MISSING',
    severity: 'error',
    column,
    message: message(names.join(', ')),
    help,
  };
}

function isRowId(column: TableColumn, { columns }: TableDescription): boolean {
  return (
    column.type === 'INTEGER' && column.primaryKey === 1 && columns.every(({ primaryKey }) => primaryKey < 2)
  );
}

/** True where a row can be found by exactly these columns. */
export function isUnique(
  description: TableDescription,
  key: readonly Pick<ColumnDescriptor, 'name'>[],
): boolean {
  return description.uniqueKeys.some(
    (unique) =>
      unique.length === key.length &&
      unique.every((name) => key.some((column) => sameName(column.name, name))),
  );
}

/** What a table that the sink makes is beside columns, NOT NULL and primary key. */
export interface TableOptions {
  /** SQLite refuses values of another type than the column's. Default false. */
  readonly strict?: boolean | undefined;
  /** The rows are kept in the primary key itself: less to store and to write, where there is one. Default false. */
  readonly withoutRowid?: boolean | undefined;
}

/** What a new table gets of the source's schema, as SQL. */
export interface TableExtras extends TableOptions {
  readonly defaults: ReadonlyMap<string, string>;
  readonly constraints: readonly string[];
}

/** The key's columns where all of them travel: the primary key of the table that the sink makes. */
export function primaryKeyOf({ columns, key }: RowShape): RowShape['key'] {
  return key.every(({ name }) => columns.some((column) => column.name === name)) ? key : [];
}

/** The statement that makes a table for the rows: the source's names, the key as primary key where all of it travels. */
export function createTableStatement(
  table: string,
  shape: RowShape,
  forms: readonly ColumnForm[],
  { defaults, constraints, strict, withoutRowid }: TableExtras,
): RawBuilder<unknown> {
  const key = primaryKeyOf(shape);
  const single = key.length === 1 ? key[0] : undefined;
  const definitions = shape.columns.map(({ name, nullable }, index) => {
    const primary = name === single?.name ? sql` PRIMARY KEY` : sql``;
    const notNull = nullable ? sql`` : sql` NOT NULL`;
    const value = defaults.get(name);
    const byDefault = value === undefined ? sql`` : sql` DEFAULT ${sql.raw(value)}`;
    return sql`${sql.id(name)} ${sql.raw(forms[index]?.columnType ?? 'TEXT')}${notNull}${byDefault}${primary}`;
  });
  if (key.length > 1) definitions.push(sql`PRIMARY KEY (${sql.join(key.map(({ name }) => sql.id(name)))})`);
  definitions.push(...constraints.map((constraint) => sql.raw(constraint)));
  const options = [...(strict ? ['STRICT'] : []), ...(withoutRowid ? ['WITHOUT ROWID'] : [])].join(', ');
  return sql`CREATE TABLE IF NOT EXISTS ${sql.id(table)} (${sql.join(definitions)})${sql.raw(options === '' ? '' : ` ${options}`)}`;
}
