/**
 * Values whose canonical text is PostgreSQL's own but for a byte or two, and no longer: it is made where the bytes stand. Each
 * sets the start and the end of a value; false means that this value takes the longer way, as a text.
 */
export type InPlace = (bytes: Uint8Array, starts: Int32Array, ends: Int32Array, column: number) => boolean;

const blank = 0x20;
const dash = 0x2d;
const plus = 0x2b;
const zero = 0x30;
const letterC = 0x43;
const letterT = 0x54;
const letterZ = 0x5a;

/** A year of four digits has its dashes here; years before 1 or after 9999, and the infinities, do not. */
function isPlainDate(bytes: Uint8Array, start: number): boolean {
  return bytes[start + 4] === dash && bytes[start + 7] === dash;
}

/** `\\x00ff` without its prefix. */
export const hexInPlace: InPlace = (_bytes, starts, _ends, column) => {
  starts[column] = (starts[column] as number) + 2;
  return true;
};

export const dateInPlace: InPlace = (_bytes, starts, ends, column) =>
  (ends[column] as number) - (starts[column] as number) === 10;

/** `2026-01-02 03:04:05.5` with a T. */
export const timestampInPlace: InPlace = (bytes, starts, ends, column) => {
  const start = starts[column] as number;
  const end = ends[column] as number;
  // "BC" ends with a C.
  if (!isPlainDate(bytes, start) || bytes[start + 10] !== blank || bytes[end - 1] === letterC) return false;
  bytes[start + 10] = letterT;
  return true;
};

/** `2026-01-02 03:04:05.5+00` with a T and a Z. */
export const timestamptzInPlace: InPlace = (bytes, starts, ends, column) => {
  const start = starts[column] as number;
  const end = ends[column] as number;
  const isUtc = bytes[end - 3] === plus && bytes[end - 2] === zero && bytes[end - 1] === zero;
  if (!isPlainDate(bytes, start) || bytes[start + 10] !== blank || !isUtc) return false;
  bytes[start + 10] = letterT;
  bytes[end - 3] = letterZ;
  ends[column] = end - 2;
  return true;
};
