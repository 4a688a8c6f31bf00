import type { Key, TextRow } from '../../contract/index.ts';

/** Keys that are asked for at first, and at the most. */
const fewKeys = 16;
const mostKeys = 500;

/** Characters of the rows of a portion, by what the last one had. */
const portionCharacters = 2_000_000;

/** How much larger a portion is than the last one, at the most: its rows may be larger. */
const mostGrowth = 4;

/**
 * Reads rows by their keys, each portion with the keys that were asked for. Nothing tells beforehand how large rows are: a few are read
 * first, then as many as their size lets expect.
 */
export async function* rowsOfKeys(
  keys: readonly Key[],
  readRows: (keys: readonly Key[]) => Promise<readonly TextRow[]>,
): AsyncGenerator<[rows: readonly TextRow[], asked: readonly Key[]]> {
  for (let start = 0, size = fewKeys; start < keys.length;) {
    const asked = keys.slice(start, start + size);
    const rows = await readRows(asked);
    yield [rows, asked];
    start += size;
    const characters = rows.reduce((sum, row) => sum + row.join('').length, 1);
    size = Math.ceil(Math.min(mostKeys, size * mostGrowth, (size * portionCharacters) / characters));
  }
}

/** What tells keys apart: arrays of the same values are not the same. */
export const keyText = (key: Key): string => JSON.stringify(key);

/** Each of the keys once. */
export const distinct = (keys: readonly Key[]): Key[] => [
  ...new Map(keys.map((key) => [keyText(key), key])).values(),
];

/** The keys that are not among others. */
export function without(keys: readonly Key[], others: readonly Key[]): Key[] {
  const texts = new Set(others.map(keyText));
  return keys.filter((key) => !texts.has(keyText(key)));
}
