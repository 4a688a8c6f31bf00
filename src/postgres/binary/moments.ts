import { twoDigits, writeAscii, writeDigits } from '../../digits.ts';
import { TextReader } from './text-reader.ts';

/** PostgreSQL counts from 2000-01-01. */
const daysTo1970 = 10_957;

const dash = 0x2d;
const point = 0x2e;
const zero = 0x30;
const colon = 0x3a;
const letterT = 0x54;
const letterZ = 0x5a;

/** The highest and the lowest 32-bit integer stand for the infinities. */
const highest = 0x7fffffff;
const lowest = -0x80000000;

/** Beyond these high halves microseconds are no integers that a double holds: about 285 years from 2000. */
const exactHigh = 0x1fffff;

/** Days whose texts are kept, eleven years of them: the moments of a table lie close together, whichever column and row they are of. */
const keptDays = 4_096;
/** Which day a place is of. None at first: the lowest integer is no day. */
const dayAt = new Int32Array(keptDays).fill(lowest);
const lengthAt = new Uint8Array(keptDays);
const textAt = new DataView(new ArrayBuffer(keptDays * 16));

/** `2026-01-02`; years outside 0000 to 9999 with a sign. @param day - counted from 2000-01-01. Returns where it ends. */
function writeDate(to: DataView, at: number, day: number): number {
  const place = day & (keptDays - 1);
  const text = place * 16;
  if (dayAt[place] !== day) {
    dayAt[place] = day;
    lengthAt[place] = makeDate(textAt, text, day) - text;
  }
  const length = lengthAt[place] as number;
  // As long as nearly all of them are; the others have more, up to fourteen bytes.
  to.setInt32(at, textAt.getInt32(text));
  to.setInt32(at + 4, textAt.getInt32(text + 4));
  to.setInt16(at + 8, textAt.getInt16(text + 8));
  if (length > 10) to.setInt32(at + 10, textAt.getInt32(text + 10));
  return at + length;
}

function makeDate(to: DataView, at: number, day: number): number {
  const { year, month, date } = civil(day + daysTo1970);
  const sign = year < 0 ? '-' : year > 9999 ? '+' : '';
  let next = writeAscii(to, at, `${sign}${String(Math.abs(year)).padStart(4, '0')}`);
  to.setUint8(next, dash);
  next = writeDigits(to, next + 1, month, 2);
  to.setUint8(next, dash);
  return writeDigits(to, next + 1, date, 2);
}

/** Gregorian year, month and date of a day counted from 1970: years begin in March, so that a leap day ends one. */
function civil(day: number): { readonly year: number; readonly month: number; readonly date: number } {
  const fromMarch = day + 719_468; // since 0000-03-01
  const era = Math.floor(fromMarch / 146_097);
  const ofEra = fromMarch - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarchMonth = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarchMonth < 10 ? fromMarchMonth + 3 : fromMarchMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    date: ofYear - Math.floor((153 * fromMarchMonth + 2) / 5) + 1,
  };
}

/** A date: days in four bytes. */
export class DateReader extends TextReader {
  readonly bytes: number = 4;

  write(memory: DataView, start: number, at: number): number {
    const day = memory.getInt32(start);
    if (day === highest) return writeAscii(memory, at, 'infinity');
    if (day === lowest) return writeAscii(memory, at, '-infinity');
    return writeDate(memory, at, day);
  }
}

/** A timestamp: microseconds in eight bytes. */
export class TimestampReader extends TextReader {
  readonly bytes: number = 8;
  readonly #isZoned: boolean;
  /** The minute of the value before, and its text: rows lie close together in time, as a rule. Years of other than four digits are not kept. */
  #minute = NaN;
  readonly #text = new DataView(new ArrayBuffer(16));

  /** @param isZoned - a timestamptz, which is in UTC and says so. */
  constructor(isZoned: boolean) {
    super();
    this.#isZoned = isZoned;
  }

  write(memory: DataView, start: number, at: number): number {
    const high = memory.getInt32(start);
    const low = memory.getUint32(start + 4);
    let seconds: number;
    let micros: number;
    if (high >= -exactHigh && high <= exactHigh) {
      const all = high * 0x1_0000_0000 + low;
      // No quotient is rounded up to the next second: these doubles lie less than two microseconds apart.
      seconds = Math.floor(all / 1e6);
      micros = all - seconds * 1e6;
    } else {
      if (high === highest && low === 0xffffffff) return writeAscii(memory, at, 'infinity');
      if (high === lowest && low === 0) return writeAscii(memory, at, '-infinity');
      const all = memory.getBigInt64(start);
      micros = Number(((all % 1_000_000n) + 1_000_000n) % 1_000_000n);
      seconds = Number((all - BigInt(micros)) / 1_000_000n);
    }
    const minute = Math.floor(seconds / 60);
    let next = minute === this.#minute ? this.#writeMinute(memory, at) : this.#makeMinute(memory, at, minute);
    memory.setInt16(next, twoDigits((seconds - minute * 60) | 0), true);
    next += 2;
    if (micros > 0) next = writeMicros(memory, next, micros | 0);
    if (!this.#isZoned) return next;
    memory.setUint8(next, letterZ);
    return next + 1;
  }

  #writeMinute(to: DataView, at: number): number {
    const from = this.#text;
    to.setInt32(at, from.getInt32(0));
    to.setInt32(at + 4, from.getInt32(4));
    to.setInt32(at + 8, from.getInt32(8));
    to.setInt32(at + 12, from.getInt32(12));
    to.setUint8(at + 16, colon);
    return at + 17;
  }

  #makeMinute(to: DataView, at: number, minute: number): number {
    const hour = Math.floor(minute / 60);
    const day = Math.floor(hour / 24);
    const next = writeDate(to, at, day);
    to.setInt32(next, letterT | (twoDigits((hour - day * 24) | 0) << 8) | (colon << 24), true);
    to.setInt16(next + 4, twoDigits((minute - hour * 60) | 0), true);
    to.setUint8(next + 6, colon);
    if (next - at === 10) {
      this.#minute = minute;
      for (let index = 0; index < 16; index += 4) this.#text.setInt32(index, to.getInt32(at + index));
    }
    return next + 7;
  }
}

/** `.5` */
function writeMicros(to: DataView, at: number, micros: number): number {
  to.setUint8(at, point);
  let next = writeDigits(to, at + 1, micros, 6);
  while (to.getUint8(next - 1) === zero) next -= 1;
  return next;
}
