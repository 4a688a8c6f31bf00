import { Random as Generator } from '../support/random.ts';

/** The seed of this run: `VALUES_SEED=123 vitest run test/values` repeats another run's values. */
export const seed: number = Number(process.env['VALUES_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.info(`test/values: VALUES_SEED=${seed}`);

/** Numbers from 0 to 1, so that a seed gives the same values everywhere. */
export function generator(salt: number): () => number {
  const random = new Generator(seed ^ Math.imul(salt, 0x9e3779b1));
  return () => random.fraction();
}

export type Random = ReturnType<typeof generator>;

export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

/** Ranges of code points: control characters, ASCII, what JSON or SQL escape, Latin, BMP, non-characters, astral. */
const codePoints: readonly (readonly [number, number])[] = [
  [0x01, 0x1f],
  [0x20, 0x7e],
  [0x22, 0x22],
  [0x27, 0x27],
  [0x5c, 0x5c],
  [0x7b, 0x7d],
  [0x7f, 0x9f],
  [0xa0, 0x24f],
  [0x300, 0x36f],
  [0x2028, 0x202f],
  [0x4e00, 0x9fff],
  [0xe000, 0xffff],
  [0x1_0000, 0x10_ffff],
];

export function anyText(random: Random, maxLength: number): string {
  return Array.from({ length: below(random, maxLength + 1) }, () => {
    const [from, to] = codePoints[below(random, codePoints.length)] ?? [0x20, 0x20];
    return String.fromCodePoint(from + below(random, to - from + 1));
  }).join('');
}

const blanks = ['', ' ', '\n', '\t ', '  '];

/** JSON text with needless blanks, doubled keys and numbers that no double holds. */
export function anyJson(random: Random, depth = 3): string {
  const blank = (): string => blanks[below(random, blanks.length)] ?? '';
  const many = (item: () => string): string =>
    Array.from({ length: below(random, 4) }, item).join(`${blank()},${blank()}`);
  switch (below(random, depth > 0 ? 7 : 5)) {
    case 0:
      return ['null', 'true', 'false'][below(random, 3)] ?? 'null';
    case 1:
      return `${below(random, 2) === 1 ? '-' : ''}${below(random, 1e9)}${below(random, 1e9)}${below(random, 1e9)}`.replace(
        /^(-?)0+(?=\d)/,
        '$1',
      );
    case 2:
      return `${below(random, 1e6)}.${below(random, 1e9)}0e${below(random, 60) - 30}`;
    case 3:
    case 4:
      return JSON.stringify(anyText(random, 12));
    case 5:
      return `[${blank()}${many(() => anyJson(random, depth - 1))}${blank()}]`;
    default:
      return `{${blank()}${many(() => `${JSON.stringify(anyText(random, 3))}${blank()}:${blank()}${anyJson(random, depth - 1)}`)}${blank()}}`;
  }
}

const bits = new DataView(new ArrayBuffer(8));

/** A double of random bits, neither NaN nor infinite nor -0. */
export function anyDouble(random: Random): number {
  for (;;) {
    bits.setUint32(0, below(random, 2 ** 32));
    bits.setUint32(4, below(random, 2 ** 32));
    const double = bits.getFloat64(0);
    if (Number.isFinite(double) && !Object.is(double, -0)) return double;
  }
}

/** A single of random bits, as the double that is equal to it. */
export function anySingle(random: Random): number {
  for (;;) {
    bits.setUint32(0, below(random, 2 ** 32));
    const single = bits.getFloat32(0);
    if (Number.isFinite(single) && !Object.is(single, -0)) return single;
  }
}
