import type { ColumnDescriptor } from '../../contract/index.ts';
import { type EpochUnit, fromEpoch } from './epochs.ts';
import { mantissaAndExponent, plainDigits } from './floats.ts';
import type { ColumnForm } from './types.ts';

/** Turns what D1 answers for a stored value back into the canonical text that the source has for it. */
export type ValueDecoder = (stored: string) => string;

const asIs: ValueDecoder = (stored) => stored;

/** The way back from a column's form, for keys. Null: the text that the source would have cannot be known. */
export function decoderOf({ column, stored: form }: ColumnForm): ValueDecoder | null {
  const { type } = column;
  const since1970 =
    (unit: EpochUnit): ValueDecoder =>
    (stored) =>
      fromEpoch(stored, unit, type);
  if (form === undefined || typeof form === 'object') {
    if (type === 'boolean') return (stored) => (stored === '1' ? 'true' : 'false');
    if (type === 'float') return floatDecoder(column);
    if (form && 'scaled' in form) return scaledDecoder(column, form.scaled);
    return form && 'epoch' in form ? null : asIs;
  }
  if (form === 'blob') return hyphenated;
  if (form === 'real') return null;
  if (form === 'epoch-s') return since1970('s');
  if (form === 'epoch-ms') return since1970('ms');
  return form === 'epoch-us' ? since1970('us') : asIs;
}

function hyphenated(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** PostgreSQL writes as many digits after the point as the column declares. */
function scaledDecoder({ nativeType }: ColumnDescriptor, places: number): ValueDecoder | null {
  const scale = nativeType === 'money' ? 2 : Number(/^numeric\(\d+,(\d+)\)$/.exec(nativeType)?.[1] ?? NaN);
  if (!(scale <= places)) return null;
  return (stored) => {
    const sign = stored.startsWith('-') ? '-' : '';
    const digits = stored.slice(sign.length).padStart(places + 1, '0');
    const point = digits.length - places;
    return `${sign}${digits.slice(0, point)}${scale === 0 ? '' : `.${digits.slice(point, point + scale)}`}`;
  };
}

/** PostgreSQL writes the shortest digits as JavaScript does, but changes to an exponent at other sizes. */
function floatDecoder({ nativeType }: ColumnDescriptor): ValueDecoder | null {
  const limit = { 'double precision': 15, real: 6 }[nativeType];
  if (limit === undefined) return null;
  return (stored) => {
    const number = Number(stored);
    if (!Number.isFinite(number) || number === 0) return String(number);
    // A single is stored as the double nearest to its few digits, which JavaScript gives back.
    const digits = limit === 6 ? number.toExponential() : shortestBetween(number);
    const [mantissa = '', exponent = ''] = digits.split('e');
    const power = Number(exponent);
    if (power >= -4 && power < limit) return plainDigits(mantissa, power);
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  };
}

/**
 * The shortest digits that lie between the halves to both neighbours. JavaScript takes digits on a half itself too,
 * which PostgreSQL does not; only whole numbers past 2^53 have such digits.
 */
function shortestBetween(number: number): string {
  const shortest = number.toExponential();
  if (Math.abs(number) < 2 ** 53 || Math.abs(number) > 1e41 || !isOnHalf(shortest, number)) return shortest;
  for (let places = shortest.replace(/e.*|[-.]/g, '').length; places < 16; places += 1) {
    const digits = number.toExponential(places);
    if (Number(digits) === number && !isOnHalf(digits, number)) return digits;
  }
  return number.toExponential(16);
}

function isOnHalf(digits: string, number: number): boolean {
  const [mantissa = '', exponent = ''] = digits.replace('-', '').split('e');
  const whole = mantissa.replace('.', '');
  const above = BigInt(whole) * 10n ** BigInt(Number(exponent) - whole.length + 1) - BigInt(Math.abs(number));
  const [m, power = 0] = JSON.parse(mantissaAndExponent(String(Math.abs(number)))) as number[];
  const gap = 2n ** BigInt(power);
  // Below a power of two the neighbour is half as far away.
  return above < 0n && m === 2 ** 52 ? above * -4n === gap : (above < 0n ? -above : above) * 2n === gap;
}
