import type { LogicalType } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import { epochOf, type EpochUnit } from './epochs.ts';
import { type FloatReading, mantissaAndExponent } from './floats.ts';
import type { FloatForm, StoredForm } from './forms.ts';

/** Turns a canonical text into JSON. Throws `VALUE_REFUSED` where the form has no place for the value. */
export type ValueEncoder = (value: string) => string;

const needsEscape = /["\\\p{Cc}]/u;

/** A text as a JSON string. */
export function quote(value: string): string {
  return needsEscape.test(value) ? JSON.stringify(value) : `"${value}"`;
}

/** Hexadecimal digits as a JSON string: there is nothing to escape. */
export function quoteHex(value: string): string {
  return `"${value}"`;
}

/**
 * True where plain digits, with sign and point, are their own JSON: integers, and floats that the endpoint reads. What has a
 * letter, and a negative zero, has to be looked at.
 */
export function isDigits(type: LogicalType, form: StoredForm | undefined, reading: FloatReading): boolean {
  if (type === 'integer') return form === undefined;
  return type === 'float' && (form === undefined || typeof form === 'object') && reading !== 'none';
}

/** What is called how in JSON. Chosen once a column. */
export function encoderOf(
  type: LogicalType,
  form: StoredForm | undefined,
  reading: FloatReading,
): ValueEncoder {
  if (form === undefined) return defaultEncoder(type, reading);
  if (form === 'text' || form === 'hex') return quote;
  if (form === 'blob') return (value) => `"${value.replaceAll('-', '')}"`;
  if (form === 'real') return nearestDouble(reading);
  if (form === 'epoch-s') return epoch('s', false);
  if (form === 'epoch-ms') return epoch('ms', false);
  if (form === 'epoch-us') return epoch('us', false);
  if ('scaled' in form) return scaled(form.scaled);
  if ('epoch' in form) return epoch(form.epoch, true);
  return float(form, reading);
}

function defaultEncoder(type: LogicalType, reading: FloatReading): ValueEncoder {
  switch (type) {
    case 'integer':
      // Digits stay digits: D1 reads all 64 bits of a JSON integer.
      return (value) => value;
    case 'float':
      return float({}, reading);
    case 'boolean':
      return (value) => (value === 'true' ? '1' : '0');
    case 'bytes':
      return quoteHex;
    default:
      return quote;
  }
}

/** The last letters of NaN and Infinity; digits and exponents have neither. */
const letterN = 0x4e;
const letterY = 0x79;
const minus = 0x2d;
const zero = 0x30;

function float({ nan, infinity, negativeZero }: FloatForm, reading: FloatReading): ValueEncoder {
  return (value) => {
    const last = value.charCodeAt(value.length - 1);
    if (last === letterN) return declared(value, nan);
    if (last === letterY) {
      if (infinity === 'real') return value === 'Infinity' ? '1e999' : '-1e999';
      return declared(value, infinity);
    }
    if (value.charCodeAt(0) === minus && value.charCodeAt(1) === zero && Number(value) === 0) {
      if (negativeZero !== 'zero') throw valueRefused('a negative zero');
      return '0';
    }
    return reading === 'all' || (reading === 'plain' && !value.includes('e'))
      ? value
      : mantissaAndExponent(value);
  };
}

function declared(value: string, choice: 'refuse' | 'null' | 'text' | undefined): string {
  if (choice === 'null') return 'null';
  if (choice === 'text') return `"${value}"`;
  throw valueRefused(value === 'NaN' ? 'NaN' : 'an infinity');
}

/** Digits where the endpoint reads them without a mistake, mantissa and exponent elsewhere. */
function finiteFloat(reading: FloatReading): ValueEncoder {
  if (reading === 'all') return (value) => value;
  if (reading === 'none') return mantissaAndExponent;
  return (value) => (value.includes('e') ? mantissaAndExponent(value) : value);
}

function nearestDouble(reading: FloatReading): ValueEncoder {
  const finite = finiteFloat(reading);
  return (value) => {
    const number = Number(value);
    if (!Number.isFinite(number)) throw valueRefused('a number that no double holds');
    // Bare digits would be an integer, whose digits past 2^53 are not the double's.
    const digits = String(number);
    return finite(/[.e]/.test(digits) ? digits : `${digits}.0`);
  };
}

/** Exact decimals: optional sign, digits, perhaps a point and digits. */
const decimalText = /^(-?)(\d+)(?:\.(\d+))?$/;

function scaled(places: number): ValueEncoder {
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

/** Says what kind of value it is, and never the value: errors travel into logs and into the checkpoint table. */
function valueRefused(what: string): MigratorError {
  return new MigratorError('VALUE_REFUSED', `D1 has no exact form for ${what} here.`, {
    help: "change it at the source, leave the row out with a filter, or declare with the sink's `store` option how it is to be stored.",
  });
}
