import { MigratorError } from '../../errors.ts';
import type { FloatForm } from './forms.ts';

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

/** The last letters of NaN and Infinity; digits and exponents have neither. */
const letterN = 0x4e;
const letterY = 0x79;
const minus = 0x2d;
const zero = 0x30;

/** @param exactly - a finite double as the endpoint reads it without a mistake. */
export function float({ nan, infinity, negativeZero }: FloatForm, exactly: ValueEncoder): ValueEncoder {
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
    return exactly(value);
  };
}

function declared(value: string, choice: 'refuse' | 'null' | 'text' | undefined): string {
  if (choice === 'null') return 'null';
  if (choice === 'text') return `"${value}"`;
  throw valueRefused(value === 'NaN' ? 'NaN' : 'an infinity');
}

/** Says what kind of value it is, and never the value: errors travel into logs and into the checkpoint table. */
export function valueRefused(what: string): MigratorError {
  return new MigratorError('VALUE_REFUSED', `D1 has no exact form for ${what} here.`, {
    help: "change it at the source, leave the row out with a filter, or declare with the sink's `store` option how it is to be stored.",
  });
}
