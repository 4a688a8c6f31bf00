import type { LogicalType } from '../../contract/index.ts';
import { jsonText } from './encode-json.ts';
import {
  dateText,
  intervalText,
  timestampText,
  timestamptzText,
  timetzText,
  timeText,
} from './encode-moments.ts';

/** Turns a value of the result into the canonical text of its column's type. */
export interface ValueEncoder {
  /** What the column takes, for messages. */
  readonly expects: string;
  /** Null: the value is none of these. Never called for null. */
  readonly encode: (value: unknown) => string | null;
}

/** How values of each type are encoded: exactly, or not at all. */
export const valueEncoders: Readonly<Record<LogicalType, ValueEncoder>> = {
  integer: {
    expects: 'a bigint of 64 bits, a safe integer, or the digits of one',
    encode: integerText,
  },
  float: { expects: 'a number', encode: floatText },
  decimal: {
    expects: 'the digits of a decimal (12.50), a bigint or a finite number',
    encode: decimalText,
  },
  boolean: { expects: 'a boolean', encode: (value) => (typeof value === 'boolean' ? String(value) : null) },
  bytes: { expects: 'a Uint8Array', encode: (value) => (value instanceof Uint8Array ? toHex(value) : null) },
  uuid: { expects: 'a UUID', encode: uuidText },
  date: { expects: 'a date (2026-01-02), or a Date at midnight UTC', encode: dateText },
  time: { expects: 'a time (03:04:05.5)', encode: timeText },
  timetz: { expects: 'a time with offset (03:04:05.5+01:00)', encode: timetzText },
  timestamp: { expects: 'a timestamp (2026-01-02T03:04:05.5), or a Date', encode: timestampText },
  timestamptz: { expects: 'a timestamp in UTC (2026-01-02T03:04:05.5Z), or a Date', encode: timestamptzText },
  interval: { expects: 'an ISO 8601 interval (P1DT2H)', encode: intervalText },
  json: { expects: 'JSON text, or a value that JSON holds exactly', encode: jsonText },
  array: {
    expects: 'an array that JSON holds exactly, or its JSON text',
    encode: (value) => (typeof value === 'string' || Array.isArray(value) ? jsonText(value) : null),
  },
  text: { expects: 'a text without NUL and without half a surrogate pair', encode: plainText },
  other: { expects: 'a text without NUL and without half a surrogate pair', encode: plainText },
};

const integerDigits = /^(?:0|-?[1-9]\d{0,18})$/;

function integerText(value: unknown): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : null;
  if (typeof value === 'string') return integerDigits.test(value) && fits(BigInt(value)) ? value : null;
  return typeof value === 'bigint' && fits(value) ? String(value) : null;
}

function fits(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

const numberText = /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

function floatText(value: unknown): string | null {
  if (typeof value === 'number') return doubleText(value);
  if (typeof value === 'bigint') return BigInt(Number(value)) === value ? doubleText(Number(value)) : null;
  if (typeof value !== 'string') return null;
  if (/^(?:NaN|-?Infinity)$/.test(value)) return value;
  if (!numberText.test(value)) return null;
  const number = Number(value);
  // Digits that no double is near to would become Infinity, or nothing.
  const lost = !Number.isFinite(number) || (number === 0 && /[1-9]/.test(value.replace(/e.*/i, '')));
  return lost ? null : doubleText(number);
}

/** As PostgreSQL writes it: with an exponent from 1e15 on. Its digits alone would be read as an integer's, all exact. */
function doubleText(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return Object.is(value, -0) ? '-0' : '0';
  if (!Number.isFinite(value) || (size >= 1e-4 && size < 1e15)) return String(value);
  return value.toExponential().replace(/([+-])(\d)$/, (_, sign: string, digit: string) => `${sign}0${digit}`);
}

const decimalDigits = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$|^(?:NaN|-?Infinity)$/;

function decimalText(value: unknown): string | null {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return decimalDigits.test(value) ? value : null;
  return typeof value === 'number' && Number.isFinite(value) ? withoutExponent(String(value)) : null;
}

function withoutExponent(text: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (!parts) return text;
  const [, sign = '', whole = '', fraction = '', exponent = ''] = parts;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  // JavaScript changes to an exponent only where the point lies behind every digit.
  return `${sign}${digits.padEnd(point, '0')}`;
}

function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += hexBytes[byte];
  return text;
}

const hexBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

function uuidText(value: unknown): string | null {
  const isOne = typeof value === 'string' && /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i.test(value);
  return isOne ? value.toLowerCase() : null;
}

/** A NUL ends a text in half of SQLite's functions; half a surrogate pair has no UTF-8. */
function plainText(value: unknown): string | null {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0') ? value : null;
}
