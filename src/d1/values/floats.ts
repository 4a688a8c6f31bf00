import { type RawBuilder, sql } from 'kysely';
import type { Row } from '../connection.ts';
import type { ValueEncoder } from './value-encoders.ts';

/**
 * Which floats an endpoint reads from JSON, and from a text, without a mistake. Runtimes before mid-2026 misread one in six doubles of
 * random bits by the last bit, all of them far from 1.
 *
 * - `all`: every double
 * - `plain`: those near 1, written without an exponent
 * - `none`: not even these
 */
export type FloatReading = 'all' | 'plain' | 'none';

/** Doubles that runtimes are known to misread, and others far from 1. */
const far: readonly string[] = words(`
  -2.354111544645049e-251 1.545370599959333e-190 3.758864223443821e-180 8.852609659670154e+293
  2.201303367768637e-281 1.7976931348623157e+308 2.2250738585072014e-308 2.225073858507201e-308
  6.631236846766476e-316 3.237883913302901e-319 5e-324 9.5e-46 8.5e+35 2.3665473e+27
  1.2345678901234567e-120 9.876543210987654e-150 4.656612873077393e-100 3.141592653589793e+140
  2.718281828459045e+200 1.4142135623730951e+250 7.038531e-26 6.02214076e+23 1.616255e-35
`);

/** Doubles near 1 whose digits lie within 1/50,000 of the middle between two: whoever is imprecise takes the other. */
const ordinary: readonly string[] = words(`
  6048.97580787375 0.006647379341428387 569988.285684167 -61.05759152266209 -5248.335414724364
  -4805928.873703063 -3.140921371452152 -5641442.874933952 0.00510280476045159 -0.0825224207985173
  -35679.2330620834 -1181.525922261961 -2751.419481425811 0.1 0.30000000000000004
  -179.99999999999997 999999999999999.9 0.00012345678901234567 123456789012345680000
  0.00004859743076551748 0.0000090056195214796 0.0000002454681944949704 0.00000003647127222600907
  0.000000004778342239880055
`);

/** Asks the endpoint to compare what it reads with the same doubles by mantissa and exponent, which are exact. */
export function floatsQuery(): RawBuilder<unknown> {
  return sql`SELECT ${countRight(far)} AS far, ${countRight(ordinary)} AS ordinary`;
}

/** What the answer to {@link floatsQuery} says. */
export function floatReadingOf([row]: readonly Row[]): FloatReading {
  if (Number(row?.['ordinary']) !== ordinary.length) return 'none';
  return Number(row?.['far']) === far.length ? 'all' : 'plain';
}

function countRight(texts: readonly string[]): ReturnType<typeof sql> {
  const cases = `[${texts.map((text) => `[${text},${mantissaAndExponent(text)},"${text}"]`).join(',')}]`;
  const exact = sql`((value->>'$[1][0]') * pow(2.0, value->>'$[1][1]'))`;
  // A literal: an endpoint may take texts alone as parameters, and fewer things can go wrong without any.
  return sql`(SELECT sum((value->>0) = ${exact} AND CAST(value->>2 AS REAL) = ${exact}) FROM json_each(${sql.lit(cases)}))`;
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** Digits where the endpoint reads them without a mistake, mantissa and exponent elsewhere. */
export function finiteFloat(reading: FloatReading): ValueEncoder {
  if (reading === 'all') return asReal;
  if (reading === 'none') return mantissaAndExponent;
  return (value) => {
    const [mantissa = '', exponent] = value.split('e');
    if (exponent === undefined) return asReal(value);
    const power = Number(exponent);
    // As far from 1 as the doubles that the endpoint was asked about.
    return power >= -9 && power <= 20 ? asReal(plainDigits(mantissa, power)) : mantissaAndExponent(value);
  };
}

/** Bare digits would be an integer, whose digits past 2^53 are not the double's. */
function asReal(digits: string): string {
  return digits.length > 15 && !/[.e]/.test(digits) ? `${digits}.0` : digits;
}

const bits = new DataView(new ArrayBuffer(8));

/**
 * A finite float as `[m,e]`, where it is `m` times two to the power of `e`: integers, `m` of 53 bits at the most, so that no runtime
 * rounds either, down to the smallest subnormal.
 */
export function mantissaAndExponent(text: string): string {
  bits.setFloat64(0, Number(text));
  const high = bits.getUint32(0);
  const biased = (high >>> 20) & 0x7ff;
  const mantissa = (high & 0xfffff) * 2 ** 32 + bits.getUint32(4) + (biased === 0 ? 0 : 2 ** 52);
  return `[${high >>> 31 === 1 ? '-' : ''}${mantissa},${(biased === 0 ? 1 : biased) - 1075}]`;
}

/** A mantissa times ten to the power of `power`, without an exponent. */
export function plainDigits(mantissa: string, power: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.slice(sign.length).replace('.', '');
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, '0');
  const fraction = digits.slice(power + 1);
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}
