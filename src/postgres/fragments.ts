import { type RawBuilder, sql } from 'kysely';
import type { Key, KeyBound } from '../contract/index.ts';
import type { TableDescription } from './describe.ts';
import { keyValue, type PostgresColumn } from './types/types.ts';

/** The condition that a row is the table's and inside the bounds. */
export function within(
  table: TableDescription,
  lower: KeyBound | null,
  upper: Key | null,
): RawBuilder<unknown> {
  const key = keyColumns(table);
  const conditions = [sql`(${table.where})`];
  if (lower)
    conditions.push(sql`${key} ${sql.raw(lower.inclusive ? '>=' : '>')} ${keyValues(table, lower.key)}`);
  if (upper) conditions.push(sql`${key} <= ${keyValues(table, upper)}`);
  return sql.join(conditions, sql` AND `);
}

/** The condition that a row has one of the keys. */
export function keyIn(table: TableDescription, keys: readonly Key[]): RawBuilder<unknown> {
  return sql`${keyColumns(table)} IN (${sql.join(keys.map((key) => keyValues(table, key)))})`;
}

export function keyColumns(table: TableDescription): RawBuilder<unknown> {
  return tuple(table.key.map(({ source }) => sql.id('source', source)));
}

/** Names, not a row value: an index serves `a, b`, never `(a, b)`. */
export function keyOrder(table: TableDescription): RawBuilder<unknown> {
  return sql.join(table.key.map(({ source }) => sql.id('source', source)));
}

function keyValues(table: TableDescription, key: Key): RawBuilder<unknown> {
  return tuple(
    key.map((value, index) => {
      const column = table.key[index];
      return column ? keyValue(value, column) : sql`${value}`;
    }),
  );
}

/** A row value, which PostgreSQL compares along a composite index. */
function tuple(parts: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  return parts.length === 1 && parts[0] ? parts[0] : sql`(${sql.join(parts)})`;
}

/** Bytes of a value. The lengths of text and bytea are known without fetching them; other large values are written out. */
export function storedBytes({ source, type, nativeType }: PostgresColumn): RawBuilder<unknown> {
  const column = sql.id('source', source);
  const plain = type === 'bytes' || /^(text|character( varying)?)(\(\d+\))?$/.test(nativeType);
  const length = plain
    ? sql`octet_length(${column})`
    : sql`CASE WHEN pg_column_size(${column}) > 4000 THEN octet_length(CAST(${column} AS text)) ELSE pg_column_size(${column}) END`;
  return sql`coalesce(${length}, 0)`;
}
