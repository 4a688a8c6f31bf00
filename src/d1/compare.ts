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
import { keyRows, keysOf, keyTexts, keyTuple, tuple } from './values/key-values.ts';
import { type ColumnForm, identifiers } from './values/types.ts';

/** Keys that one answer may list; where there are more, the next call finds them. */
const listedKeys = 1_000;

/** The table that is compared. */
export interface Place {
  readonly connection: D1Connection;
  readonly table: string;
  readonly shape: RowShape;
  readonly forms: readonly ColumnForm[];
  /** The forms of the key's columns; fewer where not all of them travel. */
  readonly keyForms: readonly ColumnForm[];
}

/** A batch as it travels: what a statement begins with, what it selects from as `batch`, and the stored value of each column. */
export interface ComparedBatch {
  readonly rows: number;
  readonly table: RawBuilder<unknown>;
  readonly from: RawBuilder<unknown>;
  readonly values: readonly RawBuilder<unknown>[];
}

/** Conditions that are answered in one column of a result: D1 takes 100 columns, and 32 arguments of a function. */
const groupedFlags = 30;

/**
 * Compares a batch with the table inside D1: the rows travel there in the form in which they were copied, and only
 * what differs comes back. A value is equal where SQLite says so with the column's affinity, byte by byte for texts; what is
 * sent as a text and stored as a number is equal where the number's text is.
 */
export async function compareBatch(
  place: Place,
  batch: ComparedBatch,
  span: KeyRange | null,
  context: CallContext | undefined,
): Promise<Comparison> {
  const { connection, table, shape } = place;
  const range = span && within(place, span);
  const inSpan = sql`FROM ${sql.id(table)} WHERE ${range ?? sql`false`}`;
  const [found, counted] = await connection.batch(
    [differences(place, batch), sql`SELECT count(*) AS rows ${inSpan}`],
    context,
  );
  const rows = (found?.results ?? []) as Row[];
  const missing = rows.filter((row) => Number(row['missing']) === 1).map((row) => Number(row['place']));
  const different = rows
    .filter((row) => Number(row['missing']) === 0)
    .map((row) => {
      const flags = flagsOf(row);
      return {
        row: Number(row['place']),
        columns: shape.columns.filter((_column, index) => flags[index] === 1).map(({ name }) => name),
      };
    });
  if (!span) return { missing, different, extra: [] };
  if (!range) return { missing, different, extra: null };
  const [count] = (counted?.results ?? []) as Row[];
  const inSink = Number(count?.['rows']);
  const extra = inSink > batch.rows - missing.length ? await extraKeys(place, batch, inSpan, context) : [];
  return { missing, different, extra };
}

function differences({ table, shape, forms }: Place, batch: ComparedBatch): RawBuilder<unknown> {
  const stored = (name: string): RawBuilder<unknown> => sql.id('stored', name);
  // With a plus sign the value has no affinity: that of the column holds then, in whose order its index is.
  const sameKey = shape.key.map(
    (column) => sql`${stored(column.name)} = +(${batchValue(shape, batch, column)})`,
  );
  const differs = shape.columns.map((column, index) => {
    // With a plus sign it has no affinity of its own, which would make a number of the text that it is compared with.
    const plus = forms[index]?.isNumber ? sql`+` : sql``;
    return sql`(${plus}${stored(column.name)} COLLATE BINARY IS NOT ${batchValue(shape, batch, column)})`;
  });
  const flags = Array.from({ length: Math.ceil(differs.length / groupedFlags) }, (_, group) => {
    const conditions = differs.slice(group * groupedFlags, (group + 1) * groupedFlags);
    return sql`json_array(${sql.join(conditions)}) AS ${sql.id(`flags${group}`)}`;
  });
  const missing = sql`${stored(shape.key[0]?.name ?? '')} IS NULL`;
  return sql`${batch.table} SELECT batch.place AS place, ${missing} AS missing, ${sql.join(flags)}
  FROM ${batch.from} LEFT JOIN ${sql.id(table)} AS stored ON ${sql.join(sameKey, sql` AND `)}
  WHERE ${anyOf([missing, ...differs])}`;
}

function flagsOf(row: Row): number[] {
  return Object.entries(row).flatMap(([name, value]) =>
    name.startsWith('flags') ? (JSON.parse(String(value)) as number[]) : [],
  );
}

/** The conditions as a tree of even depth: D1 refuses an expression that is deeper than 100. */
function anyOf(conditions: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  const [first, ...others] = conditions;
  if (!first || others.length === 0) return first ?? sql`false`;
  const middle = Math.ceil(conditions.length / 2);
  return sql`(${anyOf(conditions.slice(0, middle))} OR ${anyOf(conditions.slice(middle))})`;
}

/** Rows of the span that the batch does not have. */
async function extraKeys(
  { connection, shape, keyForms }: Place,
  batch: ComparedBatch,
  inSpan: RawBuilder<unknown>,
  context: CallContext | undefined,
): Promise<Key[]> {
  const key = tuple(identifiers(shape.key));
  const batchKey = sql.join(shape.key.map((column) => batchValue(shape, batch, column)));
  return keysOf(
    keyForms,
    await connection.rows(
      sql`${batch.table} SELECT ${keyTexts(keyForms)} ${inSpan} AND ${key} NOT IN (SELECT ${batchKey} FROM ${batch.from}) LIMIT ${sql.lit(listedKeys)}`,
      context,
    ),
  );
}

/** Counts the rows of a range, or of the whole table. Null: a range has no meaning here. */
export async function countRows(
  place: Place,
  range: KeyRange | undefined,
  context: CallContext | undefined,
): Promise<number | null> {
  const { connection, table } = place;
  const condition = range && within(place, range);
  if (condition === null) return null;
  const where = condition ? sql` WHERE ${condition}` : sql``;
  const [row] = await connection.rows(sql`SELECT count(*) AS rows FROM ${sql.id(table)}${where}`, context);
  return Number(row?.['rows']);
}

/** The table's keys after `after`, in the table's own order. */
export async function readKeys(
  { connection, table, keyForms }: Place,
  after: Key | null,
  limit: number,
  context: CallContext | undefined,
): Promise<Key[]> {
  const names = identifiers(keyForms);
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
  { connection, table, keyForms }: Place,
  keys: readonly Key[],
  context: CallContext | undefined,
): Promise<number> {
  const names = tuple(identifiers(keyForms));
  return await connection.changes(
    sql`DELETE FROM ${sql.id(table)} WHERE ${names} IN (${keyRows(keyForms, keys)})`,
    context,
  );
}

/**
 * The condition that a row's key is in the range. Null: SQLite does not order the stored keys as PostgreSQL orders its
 * own, so a range has no meaning.
 */
function within({ shape, keyForms }: Place, { lower, upper }: KeyRange): RawBuilder<boolean> | null {
  if (keyForms.length !== shape.key.length || !keyForms.every(({ ordered }) => ordered)) return null;
  const names = tuple(identifiers(keyForms));
  const operator = lower?.inclusive ? sql`>=` : sql`>`;
  const start = lower === null ? sql`` : sql`${names} ${operator} ${keyTuple(keyForms, lower.key)} AND `;
  return sql`${start}${names} <= ${keyTuple(keyForms, upper)}`;
}

function batchValue(
  shape: RowShape,
  { values }: ComparedBatch,
  column: ColumnDescriptor,
): RawBuilder<unknown> {
  return values[shape.columns.findIndex(({ name }) => name === column.name)] ?? sql`NULL`;
}
