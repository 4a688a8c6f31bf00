import { expect, test } from 'vitest';
import { countDigits, twoDigits, writeAscii, writeDigits } from '../../src/digits.ts';
import { fillColumn } from '../../src/d1/rows/columns.ts';
import { writeDecimal } from '../../src/d1/rows/decimals.ts';
import { kinds, Layout } from '../../src/d1/rows/layout.ts';
import { Memory } from '../../src/d1/rows/copying.ts';
import { Random } from '../support/random.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`digits.test.ts: TEST_SEED=${seed}`);

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** What a function writes between two marks, and whether it kept to its room. */
function written(room: number, write: (memory: Memory, at: number) => unknown): string {
  const memory = new Memory(new Uint8Array(room + 8).fill(0x7e));
  write(memory, 4);
  const text = textOf(memory.bytes);
  expect([text.slice(0, 4), text.slice(4 + room)]).toEqual(['~~~~', '~~~~']);
  return text.slice(4, 4 + room);
}

/** Writes a number that is handed over by its digits into the field of a column of whole numbers. False: it does not fit. */
function fillWhole(memory: Memory, at: number, width: number, value: number, uneven: Uint8Array): boolean {
  const [starts, ends] = [Int32Array.of(-3), new Int32Array(1)];
  const [digits, places] = [Float64Array.of(value), new Uint8Array(1)];
  const rows = { rows: 1, columns: 1, source: memory.bytes, starts, ends, digits, places, text: () => null };
  const layout = new Layout(Uint8Array.of(kinds.integer), Int32Array.of(width));
  const nulls = new Uint8Array(1);
  return fillColumn(rows, 0, 0, 1, memory, memory, Int32Array.of(at), 0, layout, nulls, uneven) === 1;
}

/** Whole numbers of up to 15 digits, those at the borders of each length among them. */
function numbers(random: Random): number[] {
  const borders = Array.from({ length: 16 }, (_, power) => [10 ** power - 1, 10 ** power, 10 ** power + 1]);
  const any = Array.from({ length: 3_000 }, () => Math.floor(random.fraction() * 10 ** random.whole(1, 15)));
  return [...borders.flat(), ...any].filter((number) => number < 1e15);
}

test(`digits are written as many as are asked for, and nothing beside them (seed ${seed})`, () => {
  for (const number of numbers(new Random(seed))) {
    const own = String(number);
    expect(countDigits(number)).toBe(own.length);
    for (let digits = own.length; digits <= 24; digits += 1)
      expect(written(digits, ({ words }, at) => writeDigits(words, at, number, digits))).toBe(
        own.padStart(digits, '0'),
      );
  }
  for (let number = 0; number < 100; number += 1) {
    const text = written(2, ({ words }, at) => words.setInt16(at, twoDigits(number), true));
    expect(text).toBe(String(number).padStart(2, '0'));
  }
  expect(written(3, ({ words }, at) => writeAscii(words, at, 'abc'))).toBe('abc');
});

test(`numbers fill their fields, or say what they need (seed ${seed})`, () => {
  const random = new Random(seed + 1);
  for (const number of numbers(random)) {
    const value = random.pick([1, -1]) * number || 0;
    const own = String(value);
    const width = random.whole(1, 16);
    let fits = false;
    const uneven = new Uint8Array(1);
    const whole = written(width, (memory, at) => (fits = fillWhole(memory, at, width, value, uneven)));
    expect(fits).toBe(own.length <= width);
    expect(whole).toMatch(fits ? /^-?\d+$/ : /^~+$/);
    if (fits) expect([Number(whole), uneven[0]]).toEqual([value, Number(value < 0)]);
    const places = random.whole(0, 22);
    const padded = String(number).padStart(places + 1, '0');
    const text = `${value < 0 ? '-' : ''}${padded.slice(0, padded.length - places)}${places > 0 ? `.${padded.slice(-places)}` : ''}`;
    const room = random.whole(1, 26);
    let needed = 0;
    const decimal = written(room, (memory, at) => (needed = writeDecimal(memory, at, room, value, places)));
    expect(needed).toBe(text.length);
    expect(decimal).toBe(text.length > room ? '~'.repeat(room) : text.padEnd(room));
  }
  expect(writeDecimal(new Memory(new Uint8Array(40)), 0, 30, 1, 23)).toBe(Infinity);
});
