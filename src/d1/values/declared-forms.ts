import type { LogicalType, RowShape } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import { epochOf, type EpochUnit } from './epochs.ts';
import type { FloatForm, StoredForm, StoreOptions } from './forms.ts';
import { declaredFor, defaultColumnType } from './choose-forms.ts';
import type { ColumnType } from './types.ts';
import { float, quote, type ValueEncoder, valueRefused } from './value-encoders.ts';

/** How a type is stored unless the options say otherwise, and what they may say. `docs/types.md` shows the same. */
export interface TypeForms {
  readonly stored: string;
  readonly alternatives: readonly string[];
  readonly lost?: string;
}

const epochs = ['epoch-s', 'epoch-ms', 'epoch-us', '{ epoch, rounding }'];
const inText = (stored: string): TypeForms => ({ stored, alternatives: [] });

/** What is stored for each logical type. */
export const typeForms: Readonly<Record<LogicalType, TypeForms>> = {
  integer: { stored: 'the integer', alternatives: ['text'] },
  float: {
    stored: 'the double',
    alternatives: ['{ nan, infinity, negativeZero }', 'text'],
    lost: 'nothing: NaN, infinities and -0 are refused',
  },
  decimal: { stored: 'its digits', alternatives: ['{ scaled }', 'real'] },
  boolean: { stored: '1 or 0', alternatives: ['text'] },
  bytes: { stored: 'the bytes', alternatives: ['hex'] },
  uuid: { stored: 'lower case, with hyphens', alternatives: ['blob'] },
  date: { stored: '`2026-01-02`', alternatives: epochs },
  time: inText('`03:04:05.123456`'),
  timetz: inText('`03:04:05.123456+05:30`'),
  timestamp: { stored: '`2026-01-02T03:04:05.123456`', alternatives: epochs },
  timestamptz: { stored: '`2026-01-02T03:04:05.123456Z`', alternatives: epochs },
  interval: inText('`P1Y2M3DT4H5M6.5S`'),
  json: inText('JSON'),
  array: inText('JSON: `[1,null,3]`, `[["a"],["b"]]`'),
  text: inText('the text'),
  other: inText('the text'),
};

/** @throws MigratorError `INVALID_OPTION` where an option names no column, or a form that the column cannot have. */
export function checkStore({ migration, columns, key }: RowShape, store: StoreOptions): void {
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
  for (const { name, type, nativeType, nullable } of columns) {
    const form = declaredFor(store, name);
    const problem = problemOf(form, type, { nullable, isKey: key.some((one) => one.name === name) });
    if (problem === null) continue;
    const possible = [...new Set([...typeForms[type].alternatives, 'text'])].join(', ');
    refuse(
      `The column ${name} (${nativeType}) cannot be stored as ${shown(form)}${problem}.`,
      `Possible are: ${possible}. Without an entry in \`store\` it becomes ${defaultColumnType(type)}.`,
    );
  }
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

/** The type of a column that has a declared form. */
export function columnTypeOf(form: StoredForm): ColumnType {
  if (typeof form === 'object') return 'scaled' in form || 'epoch' in form ? 'INTEGER' : 'REAL';
  if (form === 'real') return 'REAL';
  if (form === 'blob') return 'BLOB';
  return form === 'text' || form === 'hex' ? 'TEXT' : 'INTEGER';
}

/**
 * What is called how in JSON.
 *
 * @param exactly - a finite double as the endpoint reads it without a mistake.
 */
export function encoderOf(form: StoredForm, exactly: ValueEncoder): ValueEncoder {
  if (form === 'text' || form === 'hex') return quote;
  if (form === 'blob') return (value) => `"${value.replaceAll('-', '')}"`;
  if (form === 'real') return nearestDouble(exactly);
  if (form === 'epoch-s') return epoch('s', false);
  if (form === 'epoch-ms') return epoch('ms', false);
  if (form === 'epoch-us') return epoch('us', false);
  if ('scaled' in form) return scaledTo(form.scaled);
  if ('epoch' in form) return epoch(form.epoch, true);
  return float(form, exactly);
}

function nearestDouble(exactly: ValueEncoder): ValueEncoder {
  return (value) => {
    const number = Number(value);
    if (!Number.isFinite(number)) throw valueRefused('a number that no double holds');
    return exactly(String(number));
  };
}

/** Exact decimals: optional sign, digits, perhaps a point and digits. */
const decimalText = /^(-?)(\d+)(?:\.(\d+))?$/;

function scaledTo(places: number): ValueEncoder {
  return (value) => {
    const parts = decimalText.exec(value);
    if (!parts) throw valueRefused('a value that is no finite decimal');
    const [, sign = '', whole = '', fraction = ''] = parts;
    if (/[1-9]/.test(fraction.slice(places))) {
      throw valueRefused(`a decimal of more than ${places} digits after the point`);
    }
    const digits = `${whole}${fraction.slice(0, places).padEnd(places, '0')}`.replace(/^0+(?=\d)/, '');
    if (digits === '0') return digits;
    // 18 digits always fit into 64 bits, 20 never.
    const fits = digits.length <= 18 || (digits.length === 19 && isInt64(BigInt(sign + digits)));
    if (!fits) throw valueRefused('a decimal that is too large for 64 bits');
    return sign + digits;
  };
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

function epoch(unit: EpochUnit, floor: boolean): ValueEncoder {
  return (value) => {
    const digits = epochOf(value, unit, floor);
    if (digits === null)
      throw valueRefused(`a moment that is infinite, too far off, or not whole in ${unit}`);
    return digits;
  };
}

/** What differs from the defaults, for the fingerprint of the plan. */
export function declaredSettings(store: StoreOptions, shape: RowShape): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const { name, type } of shape.columns) {
    const form = declaredFor(store, name);
    const isDefault = form === undefined || (form === 'text' && defaultColumnType(type) === 'TEXT');
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
