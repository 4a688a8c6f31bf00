import { type RawBuilder, sql } from 'kysely';
import type { CallContext, ColumnDescriptor, RowShape } from '../../contract/index.ts';
import type { D1Connection, Row } from '../connection.ts';

/** A column of a D1 table. */
export interface TableColumn {
  readonly name: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Its place in the primary key, from 1; 0 for the others. */
  readonly primaryKey: number;
  readonly generated: boolean;
  readonly type: string;
}

/** A column of an index, and what takes its texts for equal there: `BINARY` where they differ by any byte. */
interface IndexedColumn {
  readonly name: string;
  readonly collation: string;
}

/** A D1 table as its PRAGMAs describe it. */
export interface TableDescription {
  readonly columns: readonly TableColumn[];
  /** Sets of columns that are unique together, the primary key included. */
  readonly uniqueKeys: readonly (readonly IndexedColumn[])[];
  /** Indexes that get an entry for every row beside the row itself. */
  readonly indexes: number;
  /** True: it may say itself what becomes of a row that breaks one of its constraints (`ON CONFLICT`). */
  readonly settlesConflicts: boolean;
  /** The names of its triggers; empty where it has none. */
  readonly triggers: string;
}

/** Reads a table's columns and unique keys; null where there is no such table. */
export async function describeTable(
  connection: D1Connection,
  table: string,
  context?: CallContext,
): Promise<TableDescription | null> {
  const results = await connection.batch(tableQueries(table), context);
  return tableOf(...results.map(({ results: rows }) => rows as Row[]));
}

/** What {@link tableOf} reads a table from: its columns, and those of its indexes. */
export function tableQueries(table: string): RawBuilder<unknown>[] {
  return [
    sql`SELECT name, type, "notnull" AS not_null, dflt_value IS NOT NULL AS has_default, pk, hidden,
    (SELECT sql LIKE '%conflict%' FROM sqlite_schema WHERE type = 'table' AND name = ${table} COLLATE NOCASE) AS settles,
    (SELECT ifnull(group_concat(name, ', '), '') FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ${table} COLLATE NOCASE) AS triggers
  FROM pragma_table_xinfo(${table})`,
    sql`SELECT list.name AS index_name, info.name AS column_name, coll, list.origin,
    list."unique" = 1 AND list.partial = 0 AS is_key, (SELECT wr FROM pragma_table_list(${table})) AS without_rowid
  FROM pragma_index_list(${table}) AS list, pragma_index_xinfo(list.name) AS info WHERE key`,
  ];
}

/** The table that D1's answers describe; null where there is none. */
export function tableOf(rows: readonly Row[] = [], indexes: readonly Row[] = []): TableDescription | null {
  if (rows.length === 0) return null;
  const columns = rows.map((row) => ({
    name: String(row['name']),
    type: String(row['type']).toUpperCase(),
    notNull: Number(row['not_null']) === 1,
    hasDefault: Number(row['has_default']) === 1,
    primaryKey: Number(row['pk']),
    generated: Number(row['hidden']) > 1,
  }));
  const byIndex = Map.groupBy(indexes, (row) => row['index_name']);
  const keys = [...byIndex.values()].filter(([first]) => Number(first?.['is_key']) === 1);
  // Without rowids the primary key's index is the table.
  const isTable = indexes.some((row) => row['origin'] === 'pk' && Number(row['without_rowid']) === 1);
  const primaryKey = columns
    .filter((column) => column.primaryKey > 0)
    .map(({ name }) => ({ name, collation: 'BINARY' }));
  return {
    columns,
    uniqueKeys: [
      ...(primaryKey.length > 0 ? [primaryKey] : []),
      ...keys.map((parts) =>
        parts.map((row) => ({
          name: String(row['column_name']),
          collation: String(row['coll']).toUpperCase(),
        })),
      ),
    ],
    indexes: byIndex.size - (isTable ? 1 : 0),
    settlesConflicts: Number(rows[0]?.['settles']) === 1,
    triggers: String(rows[0]?.['triggers']),
  };
}

/** SQLite compares names of columns without regard to (ASCII) case. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** What a row can be found by that consists of exactly these columns. */
export function uniquesOf(
  description: TableDescription,
  key: readonly Pick<ColumnDescriptor, 'name'>[],
): TableDescription['uniqueKeys'] {
  return description.uniqueKeys.filter(
    (unique) =>
      unique.length === key.length &&
      unique.every(({ name }) => key.some((column) => sameName(column.name, name))),
  );
}

/** True where a row can be found by exactly these columns. */
export function isUnique(...of: Parameters<typeof uniquesOf>): boolean {
  return uniquesOf(...of).length > 0;
}

/** What a table that the sink makes is beside columns, NOT NULL and primary key. */
export interface TableOptions {
  /** SQLite refuses values of another type than the column's. Default false. */
  readonly strict?: boolean | undefined;
  /** The rows are kept in the primary key itself: less to store and to write, where there is one. Default false. */
  readonly withoutRowid?: boolean | undefined;
}

/** The key's columns where all of them travel: the primary key of the table that the sink makes. */
export function primaryKeyOf({ columns, key }: RowShape): RowShape['key'] {
  return key.every(({ name }) => columns.some((column) => column.name === name)) ? key : [];
}
