import { expect, test } from 'vitest';
import { readPage } from './markdown.ts';

const benchmarks = readPage('docs/benchmarks.md');
const comparison = readPage('docs/comparison.md');
const tuning = readPage('docs/guides/tuning.md');

/** The cells behind the first of the row that begins with a text; the first such row, which is the narrow table's. */
function cellsOf(page: string, begins: string): readonly string[] {
  const row = page.split('\n').find((line) => line.startsWith(`| ${begins}`));
  if (row === undefined) throw new Error(`No row begins with ${begins}.`);
  return row
    .split('|')
    .slice(2)
    .map((cell) => cell.trim());
}

test.each([
  ['this package ', 'this package over REST'],
  ['dump and `wrangler d1 execute`', 'dump and wrangler'],
  ['sling', 'as sling does it'],
  ['a script of your own', 'as the guide does it, without its delay'],
])('the comparison says of "%s" how long the benchmarks took', (way, line) => {
  const [told] = /^[\d.]+(?= s\b)/.exec(cellsOf(comparison, way).at(-2) ?? '') ?? [];
  expect(told).toBe(cellsOf(benchmarks, line)[0]);
});

test('the guide to tuning says how long the narrow table took, here and from afar', () => {
  const [, here, afar] = /rows take ([\d.]+) seconds to a local D1, and ([\d.]+) seconds/.exec(tuning) ?? [];
  expect(here).toBe(cellsOf(benchmarks, 'this package over REST')[0]);
  expect(afar).toBe(cellsOf(benchmarks, 'narrow |')[1]);
});

test('the comparison says how many rows a second wrangler takes', () => {
  const [, told] = /at ([\d,]+) rows a second locally/.exec(comparison) ?? [];
  expect(told).toBe(cellsOf(benchmarks, 'dump and wrangler')[1]);
});
