/** Writes decimal digits into bytes. */

const zero = 0x30;

/** Whole numbers below this are divided as 32-bit integers; others are taken apart first. */
const largest = 1e9;

/** The numbers of two digits, one behind the other. */
const pairs: Uint8Array = Uint8Array.from({ length: 200 }, (_, index) => {
  const number = index >> 1;
  return zero + (index % 2 === 0 ? Math.floor(number / 10) : number % 10);
});

/** The last `digits` digits of a whole number of up to 15, zeros in front included. Returns where they end. */
export function writeDigits(bytes: Uint8Array, at: number, value: number, digits: number): number {
  const end = at + digits;
  if (value < largest) {
    writeBelow(bytes, end, value | 0, at);
  } else {
    const high = Math.floor(value / largest);
    writeBelow(bytes, end, (value - high * largest) | 0, end - 9);
    writeBelow(bytes, end - 9, high | 0, at);
  }
  return end;
}

/** Writes leftwards from `end` to `at`. */
function writeBelow(bytes: Uint8Array, end: number, value: number, at: number): void {
  let rest = value;
  let place = end - 2;
  for (; place >= at; place -= 2) {
    const hundredth = (rest / 100) | 0;
    const pair = (rest - hundredth * 100) << 1;
    bytes[place] = pairs[pair] as number;
    bytes[place + 1] = pairs[pair + 1] as number;
    rest = hundredth;
  }
  if (place === at - 1) bytes[at] = zero + rest - ((rest / 10) | 0) * 10;
}

/** How many digits a whole number of up to 15 has. */
export function countDigits(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1_000) return 3;
  let digits = 4;
  for (let power = 10_000; power <= value; power *= 10) digits += 1;
  return digits;
}

/** Writes ASCII. Returns where it ends. */
export function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let index = 0; index < text.length; index += 1) bytes[at + index] = text.charCodeAt(index);
  return at + text.length;
}
