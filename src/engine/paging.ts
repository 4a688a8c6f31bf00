import type { TextRow } from '../contract/index.ts';

/** Text that one page may hold in memory; a job holds two at a time. */
const pageBytes = 8_000_000;

/** Rows to ask for, so that a page stays within its bytes. */
export function pageRowsFor(maxRows: number, rowBytes: number): number {
  return Math.max(1, Math.min(maxRows, Math.floor(pageBytes / Math.max(1, rowBytes))));
}

/** The average row of a page in characters, from a sample of its rows; null for an empty page. */
export function rowTextBytes(rows: readonly TextRow[]): number | null {
  if (rows.length === 0) return null;
  const step = Math.max(1, Math.floor(rows.length / 100));
  let sampled = 0;
  let characters = 0;
  for (let index = 0; index < rows.length; index += step) {
    sampled += 1;
    for (const value of rows[index] ?? []) characters += value === null ? 1 : value.length;
  }
  return characters / sampled;
}
