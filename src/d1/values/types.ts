import { type RawBuilder, sql } from 'kysely';
import type { ColumnDescriptor, LogicalType, RowShape } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import type { FloatReading } from './floats.ts';
import type { FloatForm, StoreOptions, StoredForm } from './forms.ts';
import { decoderOf, type ValueDecoder } from './value-decoders.ts';
import { encoderOf, isDigits, quote, quoteHex, type ValueEncoder } from './value-encoders.ts';

/** The type of a D1 column that the sink makes. */
export type ColumnType = 'INTEGER' | 'REAL' | 'TEXT' | 'BLOB';

/** How a type is stored unless the options say otherwise, and what they may say. `docs/types.md` shows the same. */
export interface TypeForms {
  readonly column: ColumnType;
  readonly stored: string;
  readonly alternatives: readonly string[];
  readonly lost?: string;
}

const epochs = ['epoch-s', 'epoch-ms', 'epoch-us', '{ epoch, rounding }'];
const inText = (stored: string): TypeForms => ({ column: 'TEXT', stored, alternatives: [] });

/** What is stored for each logical type. */
export const typeForms: Readonly<Record<LogicalType, TypeForms>> = {
  integer: { column: 'INTEGER', stored: 'the integer', alternatives: ['text'] },
  float: {
    column: 'REAL',
    stored: 'the double',
    alternatives: ['{ nan, infinity, negativeZero }', 'text'],
    lost: 'nothing: NaN, infinities and -0 are refused',
  },
  decimal: { column: 'TEXT', stored: 'its digits', alternatives: ['{ scaled }', 'real'] },
  boolean: { column: 'INTEGER', stored: '1 or 0', alternatives: ['text'] },
  bytes: { column: 'BLOB', stored: 'the bytes', alternatives: ['hex'] },
  uuid: { column: 'TEXT', stored: 'lower case, with hyphens', alternatives: ['blob'] },
  date: { column: 'TEXT', stored: '`2026-01-02`', alternatives: epochs },
  time: inText('`03:04:05.123456`'),
  timetz: inText('`03:04:05.123456+05:30`'),
  timestamp: { column: 'TEXT', stored: '`2026-01-02T03:04:05.123456`', alternatives: epochs },
  timestamptz: { column: 'TEXT', stored: '`2026-01-02T03:04:05.123456Z`', alternatives: epochs },
  interval: inText('`P1Y2M3DT4H5M6.5S`'),
  json: inText('JSON'),
  array: inText('JSON: `[1,null,3]`, `[["a"],["b"]]`'),
  text: inText('the text'),
  other: inText('the text'),
};

/** How one column is sent and stored. Chosen once a column. */
export interface ColumnForm {
  readonly name: string;
  readonly columnType: ColumnType;
  /** A canonical text as JSON. */
  readonly encode: ValueEncoder;
  /** The text of a stored value, or its hexadecimal digits, as the source's canonical text. Null: that is not known. */
  readonly decode: ValueDecoder | null;
  /**
   * What {@link encode} does to most values: it makes a JSON string of the text and changes nothing else, or leaves plain
   * digits as they are. `null`: something else.
   */
  readonly asIs: 'string' | 'digits' | null;
  /** True: what {@link encode} gives is ASCII. */
  readonly ascii: boolean;
  /** What the statement makes of the JSON value. A float may be a mantissa and an exponent. */
  readonly read: 'value' | 'unhex' | 'float';
  /** How a value too large for the JSON travels: as the text that is stored, as hexadecimal digits, or not at all. */
  readonly large: 'text' | 'hex' | null;
  /** True: SQLite orders the stored values as PostgreSQL orders its own. */
  readonly ordered: boolean;
}

/**
 * Chooses the form of every column.
 *
 * @throws MigratorError `INVALID_OPTION` where an option names no column, or a form that the column cannot have.
 */
export function formsOf(shape: RowShape, store: StoreOptions, reading: FloatReading): ColumnForm[] {
  const { migration, columns, key } = shape;
  const refuse = (message: string, help: string): never => {
    throw new MigratorError('INVALID_OPTION', message, { migration, help });
  };
  const unknown = Object.keys(store).filter((name) => !columns.some((column) => column.name === name));
  if (unknown.length > 0) {
    refuse(
      `\`store\` names ${unknown.join(', ')}, which ${unknown.length === 1 ? 'is no column' : 'are no columns'} of the rows that come.`,
      `The columns: ${columns.map(({ name }) => name).join(', ')}.`,
    );
  }
  return columns.map((column) => {
    const { name, type, nativeType, nullable } = column;
    const form = Object.hasOwn(store, name) ? store[name] : undefined;
    const problem = problemOf(form, type, {
      nullable,
      isKey: key.some((one) => one.name === name),
    });
    if (problem !== null) {
      const { alternatives, column: byDefault } = typeForms[type];
      const possible = [...new Set([...alternatives, 'text'])].join(', ');
      refuse(
        `The column ${name} (${nativeType}) cannot be stored as ${shown(form)}${problem}.`,
        `Possible are: ${possible}. Without an entry in \`store\` it becomes ${byDefault}.`,
      );
    }
    return formOf(column, form, reading);
  });
}

/** Why a column cannot have this form: empty where the reason is its type alone; null where it can. */
function problemOf(
  form: StoredForm | undefined,
  type: LogicalType,
  { nullable, isKey }: { readonly nullable: boolean; readonly isKey: boolean },
): string | null {
  if (form === undefined || form === 'text') return null;
  const fits = typeForms[type].alternatives;
  if (typeof form === 'string') {
    if (!fits.includes(form)) return '';
    return form === 'real' && isKey ? ': two keys could become one' : null;
  }
  if (typeof form !== 'object' || form === null) return '';
  if ('scaled' in form) {
    if (type !== 'decimal') return '';
    const { scaled } = form;
    return Number.isInteger(scaled) && scaled >= 0 && scaled <= 18
      ? null
      : ': `scaled` is a whole number from 0 to 18';
  }
  if ('epoch' in form) {
    if (!fits.includes('epoch-s')) return '';
    if (!['s', 'ms', 'us'].includes(form.epoch) || form.rounding !== 'floor')
      return ": `epoch` is 's', 'ms' or 'us', and `rounding` is 'floor'";
    return isKey ? ': two keys could become one' : null;
  }
  return type === 'float' ? floatProblem(form, nullable) : '';
}

const floatChoices: Readonly<Record<keyof FloatForm, readonly string[]>> = {
  nan: ['refuse', 'null', 'text'],
  infinity: ['refuse', 'null', 'text', 'real'],
  negativeZero: ['refuse', 'zero'],
};

function floatProblem(form: FloatForm, nullable: boolean): string | null {
  for (const [name, choice] of Object.entries(form)) {
    const choices = Object.hasOwn(floatChoices, name) ? floatChoices[name as keyof FloatForm] : [];
    if (choice === undefined || choices.includes(choice)) continue;
    return choices.length === 0 ? '' : `: \`${name}\` is one of ${choices.join(', ')}`;
  }
  return !nullable && Object.values(form).includes('null') ? ': it is NOT NULL' : null;
}

function formOf(column: ColumnDescriptor, form: StoredForm | undefined, reading: FloatReading): ColumnForm {
  const { name, type } = column;
  const columnType = columnTypeOf(type, form);
  const isText = columnType === 'TEXT';
  const encode = encoderOf(type, form, reading);
  return {
    name,
    columnType,
    encode,
    decode: decoderOf(column, form),
    asIs:
      encode === quote || encode === quoteHex ? 'string' : isDigits(type, form, reading) ? 'digits' : null,
    ascii: !isText,
    read: columnType === 'BLOB' ? 'unhex' : columnType === 'REAL' && reading !== 'all' ? 'float' : 'value',
    large: encode === quote ? 'text' : type === 'bytes' && !isText ? 'hex' : null,
    ordered: columnType === 'INTEGER' || columnType === 'BLOB' || (type === 'uuid' && isText),
  };
}

function columnTypeOf(type: LogicalType, form: StoredForm | undefined): ColumnType {
  if (form === undefined) return typeForms[type].column;
  if (typeof form === 'object') return 'scaled' in form || 'epoch' in form ? 'INTEGER' : 'REAL';
  if (form === 'real') return 'REAL';
  if (form === 'blob') return 'BLOB';
  return form === 'text' || form === 'hex' ? 'TEXT' : 'INTEGER';
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

/** What differs from the defaults, for the fingerprint of the plan. */
export function storeSettings(store: StoreOptions, shape: RowShape): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const { name, type } of shape.columns) {
    const form = Object.hasOwn(store, name) ? store[name] : undefined;
    const isDefault = form === undefined || (form === 'text' && typeForms[type].column === 'TEXT');
    if (!isDefault) settings[`store.${name}`] = shown(form);
  }
  return settings;
}

function shown(form: StoredForm | undefined): string {
  if (typeof form !== 'object' || form === null) return String(form);
  const entries = Object.entries(form).filter(([, value]) => value !== undefined);
  return `{ ${entries
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${String(value)}`)
    .join(', ')} }`;
}
