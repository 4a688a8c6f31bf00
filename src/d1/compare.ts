import { type RawBuilder, sql } from 'kysely';
import type {
  CallContext,
  ColumnDescriptor,
  Comparison,
  Key,
  KeyRange,
  RowShape,
} from '../contract/index.ts';
import type { D1Connection, Row } from './connection.ts';
import { keyRows, keysOf, keyTexts, keyTuple, tuple } from './key-values.ts';
import type { ColumnForm } from './types.ts';

/** Keys that one answer may list; where there are more, the next call finds them. */
const listedKeys = 1_000;

/** A batch as a table of its values: column `v0`, `v1`... of each row, and `place`, its index in the batch. */
export type BatchTable = RawBuilder<unknown>;

/**
 * Compares a batch with the table inside D1: the rows travel there in the form in which they were copied, and only
 * what differs comes back. A value is equal where SQLite says so with the column's affinity, byte by byte for texts.
 */
export async function compareBatch(
  connection: D1Connection,
  table: string,
  shape: RowShape,
  keyForms: readonly ColumnForm[],
  batch: { readonly table: BatchTable; readonly rows: number },
  span: KeyRange | null,
  context: CallContext | undefined,
): Promise<Comparison> {
  const ordered = isOrderedAlike(shape, keyForms);
  const inSpan = sql`FROM ${sql.id(table)} WHERE ${span && ordered ? within(keyForms, span) : sql`false`}`;
  const [found, counted] = await connection.batch(
    [
      connection.compile(differences(table, shape, batch.table)),
      connection.compile(sql`SELECT count(*) AS rows ${inSpan}`),
    ],
    context,
  );
  const rows = (found?.results ?? []) as Row[];
  const missing = rows.filter((row) => Number(row['missing']) === 1).map((row) => Number(row['place']));
  const different = rows
    .filter((row) => Number(row['missing']) === 0)
    .map((row) => ({
      row: Number(row['place']),
      columns: shape.columns
        .filter((_column, index) => Number(row[`d${index}`]) === 1)
        .map(({ name }) => name),
    }));
  if (!span) return { missing, different, extra: [] };
  if (!ordered) return { missing, different, extra: null };
  const [count] = (counted?.results ?? []) as Row[];
  const inSink = Number(count?.['rows']);
  const extra =
    inSink > batch.rows - missing.length
      ? await extraKeys(connection, shape, keyForms, batch.table, inSpan, context)
      : [];
  return { missing, different, extra };
}

function differences(table: string, shape: RowShape, batch: BatchTable): RawBuilder<unknown> {
  const stored = (name: string): RawBuilder<unknown> => sql.id('stored', name);
  const sameKey = shape.key.map((column) => sql`${stored(column.name)} = ${batchValue(shape, column)}`);
  const differs = shape.columns.map(
    (column) => sql`(${stored(column.name)} COLLATE BINARY IS NOT ${batchValue(shape, column)})`,
  );
  const columns = differs.map((condition, index) => sql`${condition} AS ${sql.id(`d${index}`)}`);
  const missing = sql`${stored(shape.key[0]?.name ?? '')} IS NULL`;
  return sql`SELECT batch.place AS place, ${missing} AS missing, ${sql.join(columns)}
  FROM ${batch} AS batch LEFT JOIN ${sql.id(table)} AS stored ON ${sql.join(sameKey, sql` AND `)}
  WHERE ${missing} OR ${sql.join(differs, sql` OR `)}`;
}

/** Rows of the span that the batch does not have. */
async function extraKeys(
  connection: D1Connection,
  shape: RowShape,
  keyForms: readonly ColumnForm[],
  batch: BatchTable,
  inSpan: RawBuilder<unknown>,
  context: CallContext | undefined,
): Promise<Key[]> {
  const key = tuple(shape.key.map(({ name }) => sql.id(name)));
  const batchKey = sql.join(shape.key.map((column) => batchValue(shape, column)));
  return keysOf(
    keyForms,
    await connection.rows(
      sql`SELECT ${keyTexts(keyForms)} ${inSpan} AND ${key} NOT IN (SELECT ${batchKey} FROM ${batch} AS batch) LIMIT ${sql.lit(listedKeys)}`,
      context,
    ),
  );
}

/** The table's keys after `after`, in the table's own order. */
export async function readKeys(
  connection: D1Connection,
  table: string,
  keyForms: readonly ColumnForm[],
  after: Key | null,
  limit: number,
  context: CallContext | undefined,
): Promise<Key[]> {
  const names = keyForms.map(({ name }) => sql.id(name));
  const where = after ? sql`WHERE ${tuple(names)} > ${keyTuple(keyForms, after)}` : sql``;
  return keysOf(
    keyForms,
    await connection.rows(
      sql`SELECT ${keyTexts(keyForms)} FROM ${sql.id(table)} ${where} ORDER BY ${sql.join(names)} LIMIT ${sql.lit(limit)}`,
      context,
    ),
  );
}

/** Deletes the rows of these keys, and says how many there were. */
export async function deleteKeys(
  connection: D1Connection,
  table: string,
  keyForms: readonly ColumnForm[],
  keys: readonly Key[],
  context: CallContext | undefined,
): Promise<number> {
  const names = tuple(keyForms.map(({ name }) => sql.id(name)));
  return await connection.changes(
    sql`DELETE FROM ${sql.id(table)} WHERE ${names} IN (${keyRows(keyForms, keys)})`,
    context,
  );
}

/** The condition that a row's key is in the range. */
export function within(key: readonly ColumnForm[], { lower, upper }: KeyRange): RawBuilder<boolean> {
  const names = tuple(key.map(({ name }) => sql.id(name)));
  const operator = lower?.inclusive ? sql`>=` : sql`>`;
  const start = lower === null ? sql`` : sql`${names} ${operator} ${keyTuple(key, lower.key)} AND `;
  return sql`${start}${names} <= ${keyTuple(key, upper)}`;
}

/** True where SQLite orders the stored keys as PostgreSQL orders its own, so that a range has a meaning. */
export function isOrderedAlike({ key }: RowShape, forms: readonly ColumnForm[]): boolean {
  return forms.length === key.length && forms.every(({ ordered }) => ordered);
}

function batchValue(shape: RowShape, column: ColumnDescriptor): RawBuilder<unknown> {
  return sql`batch.${sql.id(`v${shape.columns.findIndex(({ name }) => name === column.name)}`)}`;
}
