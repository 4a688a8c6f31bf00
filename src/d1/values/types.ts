import { type RawBuilder, sql } from 'kysely';
import type { ColumnDescriptor, LogicalType, RowShape } from '../../contract/index.ts';
import type { FloatReading } from './floats.ts';
import type { StoredForm, StoreOptions } from './forms.ts';
import { float, quote, type ValueEncoder } from './value-encoders.ts';

/** The type of a D1 column that the sink makes. */
export type ColumnType = 'INTEGER' | 'REAL' | 'TEXT' | 'BLOB';

/** How one column is sent and stored. Chosen once a column. */
export interface ColumnForm {
  readonly name: string;
  readonly columnType: ColumnType;
  /** What the source says of the column, and what the options do: undefined where they leave the default. */
  readonly column: ColumnDescriptor;
  readonly stored: StoredForm | undefined;
  /** A canonical text as JSON. */
  readonly encode: ValueEncoder;
  /** True: what {@link encode} gives is ASCII. */
  readonly ascii: boolean;
  /** What the statement makes of the JSON value. A float may be a mantissa and an exponent. */
  readonly read: 'value' | 'unhex' | 'float';
  /** How a value too large for the JSON travels: as the text that is stored, as hexadecimal digits, or not at all. */
  readonly large: 'text' | 'hex' | null;
  /** True: SQLite orders the stored values as PostgreSQL orders its own. */
  readonly ordered: boolean;
}

/** How columns are stored whose type has a form of its own, unless the options say otherwise. All others are texts. */
const columnTypes: Readonly<Partial<Record<LogicalType, ColumnType>>> = {
  integer: 'INTEGER',
  boolean: 'INTEGER',
  float: 'REAL',
  bytes: 'BLOB',
};

/** The type of a column that has the default form of its type. */
export function defaultColumnType(type: LogicalType): ColumnType {
  return columnTypes[type] ?? 'TEXT';
}

/** What is declared for a column; undefined: the default of its type. */
export function declaredFor(store: StoreOptions, name: string): StoredForm | undefined {
  return Object.hasOwn(store, name) ? store[name] : undefined;
}

/**
 * Chooses the form of every column.
 *
 * @throws MigratorError `INVALID_OPTION` where an option names no column, or a form that the column cannot have.
 */
export async function formsOf(
  shape: RowShape,
  store: StoreOptions,
  reading: FloatReading,
): Promise<ColumnForm[]> {
  const exactly = reading === 'all' ? asIs : (await import('./floats.ts')).finiteFloat(reading);
  const declared = Object.keys(store).length === 0 ? null : await import('./declared-forms.ts');
  declared?.checkStore(shape, store);
  return shape.columns.map((column) => {
    const { name, type } = column;
    const stored = declaredFor(store, name);
    const columnType =
      (stored === undefined ? null : declared?.columnTypeOf(stored)) ?? defaultColumnType(type);
    const isText = columnType === 'TEXT';
    const encode =
      (stored === undefined ? null : declared?.encoderOf(stored, exactly)) ?? defaultEncoder(type, exactly);
    return {
      name,
      columnType,
      column,
      stored,
      encode,
      ascii: !isText,
      read: columnType === 'BLOB' ? 'unhex' : columnType === 'REAL' && reading !== 'all' ? 'float' : 'value',
      large: encode === quote ? 'text' : type === 'bytes' && !isText ? 'hex' : null,
      ordered: columnType === 'INTEGER' || columnType === 'BLOB' || (type === 'uuid' && isText),
    };
  });
}

const asIs: ValueEncoder = (value) => value;

function defaultEncoder(type: LogicalType, exactly: ValueEncoder): ValueEncoder {
  switch (type) {
    case 'integer':
      // Digits stay digits: D1 reads all 64 bits of a JSON integer.
      return asIs;
    case 'float':
      return float({}, exactly);
    case 'boolean':
      return (value) => (value === 'true' ? '1' : '0');
    case 'bytes':
      return (value) => `"${value}"`;
    default:
      return quote;
  }
}

/**
 * The value of one column of a JSON row, as it is stored.
 *
 * @param pairs - floats of this column may stand as mantissa and exponent.
 * @param row - the JSON text; by default the column `value` of `json_each`.
 */
export function valueExpression(
  { read }: ColumnForm,
  index: number,
  pairs: boolean,
  row: RawBuilder<unknown> = sql`value`,
): RawBuilder<unknown> {
  const value = sql`(${row}->>${sql.lit(index)})`;
  if (read === 'unhex') return sql`unhex(${value})`;
  if (!pairs) return value;
  const part = (place: number): RawBuilder<unknown> => sql`(${row}->>${sql.lit(`$[${index}][${place}]`)})`;
  // A plain number has no parts: the product is null then.
  return sql`coalesce(${part(0)} * pow(2.0, ${part(1)}), ${value})`;
}

/** The forms of the key's columns, in key order. Columns that do not travel have none. */
export function keyFormsOf({ columns, key }: RowShape, forms: readonly ColumnForm[]): ColumnForm[] {
  return key.flatMap(({ name }) => forms[columns.findIndex((column) => column.name === name)] ?? []);
}

/** Whether the source's own text of a key can be had back from what is stored: without it a row could be taken for another. */
export async function keysAreKnown(keyForms: readonly ColumnForm[]): Promise<boolean> {
  const special = keyForms.filter(({ stored, columnType }) => stored !== undefined || columnType === 'REAL');
  if (special.length === 0) return true;
  const { decoderOf } = await import('./value-decoders.ts');
  return special.every((form) => decoderOf(form) !== null);
}

/** What differs from the defaults, for the fingerprint of the plan. */
export async function storeSettings(
  store: StoreOptions,
  shape: RowShape,
): Promise<Readonly<Record<string, string>>> {
  if (Object.keys(store).length === 0) return {};
  return (await import('./declared-forms.ts')).declaredSettings(store, shape);
}
