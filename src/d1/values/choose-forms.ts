import type { LogicalType, RowShape } from '../../contract/index.ts';
import { finiteFloat, type FloatReading } from './floats.ts';
import type { StoredForm, StoreOptions } from './forms.ts';
import type { ColumnForm, ColumnType } from './types.ts';
import { decoderOf } from './value-decoders.ts';
import { float, quote, quoteHex, type ValueEncoder, valueRefused } from './value-encoders.ts';

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
  const exactly = finiteFloat(reading);
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
      kind: kindOf(columnType, type, reading),
      asIs: encode === quote || encode === quoteHex || isDigits(type, stored, reading),
      read: columnType === 'BLOB' ? 'unhex' : columnType === 'REAL' && reading !== 'all' ? 'float' : 'value',
      large: encode === quote ? 'text' : type === 'bytes' && !isText ? 'hex' : null,
      ordered: columnType === 'INTEGER' || columnType === 'BLOB' || (type === 'uuid' && isText),
    };
  });
}

/** Types whose texts are nearly of one length, and ASCII. */
const shortTypes: ReadonlySet<LogicalType> = new Set([
  'uuid',
  'date',
  'time',
  'timetz',
  'timestamp',
  'timestamptz',
]);

function kindOf(columnType: ColumnType, type: LogicalType, reading: FloatReading): ColumnForm['kind'] {
  if (columnType === 'TEXT') return shortTypes.has(type) ? 'short' : 'text';
  if (columnType === 'BLOB') return 'hex';
  if (columnType === 'INTEGER') return type === 'boolean' ? 'boolean' : 'integer';
  return reading === 'none' ? 'json' : 'scaled';
}

/**
 * True where plain digits, with sign and point, can stand as they are: integers, and floats that the endpoint reads. A letter, and a
 * negative zero, have to be looked at.
 */
function isDigits(type: LogicalType, form: StoredForm | undefined, reading: FloatReading): boolean {
  if (type === 'integer' || type === 'boolean') return form === undefined;
  return type === 'float' && (form === undefined || typeof form === 'object') && reading !== 'none';
}

const unchanged: ValueEncoder = (value) => value;

function defaultEncoder(type: LogicalType, exactly: ValueEncoder): ValueEncoder {
  switch (type) {
    case 'integer':
      // Digits stay digits: D1 reads all 64 bits of a JSON integer.
      return unchanged;
    case 'float':
      return float({}, exactly);
    case 'boolean':
      return (value) => {
        if (value !== 'true' && value !== 'false')
          throw valueRefused('a boolean that is neither true nor false');
        return value === 'true' ? '1' : '0';
      };
    case 'bytes':
      return quoteHex;
    default:
      return quote;
  }
}

/** Whether the source's own text of a key can be had back from what is stored: without it a row could be taken for another. */
export function keysAreKnown(keyForms: readonly ColumnForm[]): boolean {
  return keyForms.every((form) => decoderOf(form) !== null);
}

/** What differs from the defaults, for the fingerprint of the plan. */
export async function storeSettings(
  store: StoreOptions,
  shape: RowShape,
): Promise<Readonly<Record<string, string>>> {
  if (Object.keys(store).length === 0) return {};
  return (await import('./declared-forms.ts')).declaredSettings(store, shape);
}
