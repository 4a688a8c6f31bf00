/** Writes decimal digits into memory, four at a time: in a loop over bytes the checks of bounds cost more than all else. */

/** 10^0 to 10^22, all that a double holds exactly. */
export const powersOfTen: Float64Array = Float64Array.from({ length: 23 }, (_, exponent) =>
  Number(`1e${exponent}`),
);

const zero = 0x30;
const tenThousand = 10_000;
const eightDigits = 1e8;

/** The four digits of a whole number below 10,000, the first of them in the lowest byte. */
export function four(value: number): number {
  // Quotients as products and shifts, exact below 10,000 and below 100.
  const hundreds = Math.imul(value, 5_243) >> 19;
  const pairs = hundreds | ((value - Math.imul(hundreds, 100)) << 16);
  const tens = (Math.imul(pairs, 103) >> 10) & 0x000f000f;
  return 0x30303030 | tens | ((pairs - Math.imul(tens, 10)) << 8);
}

/** The two digits of a whole number below 100, the first of them in the lower byte. */
export function twoDigits(value: number): number {
  const tens = Math.imul(value, 103) >> 10;
  return 0x3030 | tens | ((value - Math.imul(tens, 10)) << 8);
}

/** The last `digits` digits of a whole number of up to 15, zeros in front included. Returns where they end. */
export function writeDigits(to: DataView, at: number, value: number, digits: number): number {
  const end = at + digits;
  if (digits <= 8) {
    writeFew(to, at, end, value | 0);
    return end;
  }
  for (let place = at; place < end - 16; place += 1) to.setUint8(place, zero);
  const high = Math.floor(value / eightDigits);
  const low = (value - high * eightDigits) | 0;
  writeFew(to, Math.max(at, end - 16), end - 8, high | 0);
  const upper = (low / tenThousand) | 0;
  to.setInt32(end - 8, four(upper), true);
  to.setInt32(end - 4, four(low - Math.imul(upper, tenThousand)), true);
  return end;
}

/** Up to eight digits. As few ways as can be: one that comes up late has all compiled anew that this is a part of. */
function writeFew(to: DataView, at: number, end: number, value: number): void {
  const digits = end - at;
  const upper = (value / tenThousand) | 0;
  const last = four(value - Math.imul(upper, tenThousand));
  if (digits >= 4) {
    // What it has too many of is written over by the last four.
    to.setInt32(at, four(upper) >>> (64 - digits * 8), true);
    to.setInt32(end - 4, last, true);
  } else if (digits > 0) {
    const word = last >>> (32 - digits * 8);
    to.setUint8(at, word);
    if (digits > 1) to.setUint8(at + 1, word >>> 8);
    if (digits > 2) to.setUint8(at + 2, word >>> 16);
  }
}

/** How many digits a whole number of up to 15 has. */
export function countDigits(value: number): number {
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits += 1;
  return digits;
}

/** Writes ASCII. Returns where it ends. */
export function writeAscii(to: DataView, at: number, text: string): number {
  for (let index = 0; index < text.length; index += 1) to.setUint8(at + index, text.charCodeAt(index));
  return at + text.length;
}
