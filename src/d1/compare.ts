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
  batch: { readonly table: BatchTable; readonly rows: number },
  span: KeyRange | null,
  context: CallContext | undefined,
): Promise<Comparison> {
  const ordered = shape.key.every(isOrderedAlike);
  const inSpan = sql`FROM ${sql.id(table)} WHERE ${span && ordered ? within(shape.key, span) : sql`false`}`;
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
      ? await extraKeys(connection, shape, batch.table, inSpan, context)
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
  batch: BatchTable,
  inSpan: RawBuilder<unknown>,
  context: CallContext | undefined,
): Promise<Key[]> {
  const key = tuple(shape.key.map(({ name }) => sql.id(name)));
  const batchKey = sql.join(shape.key.map((column) => batchValue(shape, column)));
  return keysOf(
    await connection.rows(
      sql`SELECT ${keyTexts(shape.key)} ${inSpan} AND ${key} NOT IN (SELECT ${batchKey} FROM ${batch} AS batch) LIMIT ${sql.lit(listedKeys)}`,
      context,
    ),
  );
}

/** The table's keys after `after`, in the table's own order. */
export async function readKeys(
  connection: D1Connection,
  table: string,
  shape: RowShape,
  after: Key | null,
  limit: number,
  context: CallContext | undefined,
): Promise<Key[]> {
  const names = sql.join(shape.key.map(({ name }) => sql.id(name)));
  const where = after
    ? sql`WHERE ${tuple(shape.key.map(({ name }) => sql.id(name)))} > ${keyTuple(shape.key, after)}`
    : sql``;
  return keysOf(
    await connection.rows(
      sql`SELECT ${keyTexts(shape.key)} FROM ${sql.id(table)} ${where} ORDER BY ${names} LIMIT ${sql.lit(limit)}`,
      context,
    ),
  );
}

/** Deletes the rows of these keys, and says how many there were. */
export async function deleteKeys(
  connection: D1Connection,
  table: string,
  shape: RowShape,
  keys: readonly Key[],
  context: CallContext | undefined,
): Promise<number> {
  const parts = shape.key.map(({ type }, index) => storedKey(type, sql`value->>${sql.lit(index)}`));
  return await connection.changes(
    sql`DELETE FROM ${sql.id(table)} WHERE ${tuple(shape.key.map(({ name }) => sql.id(name)))} IN (
  SELECT ${sql.join(parts)} FROM json_each(${JSON.stringify(keys)}))`,
    context,
  );
}

/** The condition that a row's key is in the range. */
export function within(key: readonly ColumnDescriptor[], { lower, upper }: KeyRange): RawBuilder<boolean> {
  const names = tuple(key.map(({ name }) => sql.id(name)));
  const operator = lower?.inclusive ? sql`>=` : sql`>`;
  const start = lower === null ? sql`` : sql`${names} ${operator} ${keyTuple(key, lower.key)} AND `;
  return sql`${start}${names} <= ${keyTuple(key, upper)}`;
}

/** Types that SQLite orders as PostgreSQL does: by value, or by bytes. Texts depend on the source's collation. */
export function isOrderedAlike({ type }: ColumnDescriptor): boolean {
  return type === 'integer' || type === 'uuid';
}

function batchValue(shape: RowShape, column: ColumnDescriptor): RawBuilder<unknown> {
  return sql`batch.${sql.id(`v${shape.columns.findIndex(({ name }) => name === column.name)}`)}`;
}

function keyTuple(key: readonly ColumnDescriptor[], values: Key): RawBuilder<unknown> {
  return tuple(values.map((value, index) => storedKey(key[index]?.type, sql`${value}`)));
}

/** A key's canonical text as the value that is stored. */
function storedKey(
  type: ColumnDescriptor['type'] | undefined,
  text: RawBuilder<unknown>,
): RawBuilder<unknown> {
  if (type === 'integer') return sql`CAST(${text} AS INTEGER)`;
  return type === 'bytes' ? sql`unhex(${text})` : text;
}

function keyTexts(key: readonly ColumnDescriptor[]): RawBuilder<unknown> {
  return sql.join(
    key.map(({ name, type }, index) => {
      const text = type === 'bytes' ? sql`lower(hex(${sql.id(name)}))` : sql`CAST(${sql.id(name)} AS TEXT)`;
      return sql`${text} AS ${sql.id(`k${index}`)}`;
    }),
  );
}

function keysOf(rows: readonly Row[]): Key[] {
  return rows.map((row) => Object.values(row).map(String));
}

function tuple(parts: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  return parts.length === 1 && parts[0] ? parts[0] : sql`(${sql.join(parts)})`;
}
