import { describe, expect, test } from 'vitest';
import type { Key, KeyRange } from 'resumable-migrator';
import { type PageReader, requestAfter, RowSizes } from '../../src/engine/paging.ts';

// Rows of 20 bytes, and pages of 2,000.

interface Asked {
  readonly key?: readonly { readonly type: string }[];
  readonly pageSize?: number;
  readonly pageRows?: number;
}

function limit(
  range: KeyRange,
  after: Key | null,
  { key = [{ type: 'integer' }], pageSize = 10_000, pageRows = Infinity }: Asked = {},
): number {
  const reader = { description: { key }, pageSize, batchLimit: { pageRows } } as unknown as PageReader;
  return requestAfter(reader, range, after, new RowSizes(20), 2_000).limit;
}

function between(first: number | bigint, last: number | bigint): KeyRange {
  return { lower: { key: [String(first)], inclusive: true }, upper: [String(last)] };
}

describe('a page', () => {
  test('has as many rows as are likely to fit', () => {
    expect(limit(between(1, 10_000), null)).toBe(100);
    expect(limit(between(1, 10_000), ['5000'])).toBe(100);
    expect(limit(between(1, 50), null)).toBe(100);
  });

  test('takes along what would be less than a third of it', () => {
    expect(limit(between(1, 101), null)).toBe(101);
    expect(limit(between(1, 133), null)).toBe(133);
    expect(limit(between(1, 134), null)).toBe(100);
    expect(limit({ ...between(1, 1_000), lower: null }, ['879'])).toBe(122);
  });

  test('has no more rows than the host, or the sink, allows', () => {
    expect(limit(between(1, 120), null, { pageSize: 110 })).toBe(110);
    expect(limit(between(1, 120), null, { pageRows: 7 })).toBe(7);
  });

  test('of other keys, or without a beginning, is as large as any: nobody knows how many are left', () => {
    expect(limit(between(1, 120), null, { key: [{ type: 'text' }] })).toBe(100);
    expect(limit(between(1, 120), null, { key: [{ type: 'integer' }, { type: 'integer' }] })).toBe(100);
    expect(limit({ lower: null, upper: ['120'] }, null)).toBe(100);
  });

  test('is no smaller where keys are so large that numbers round them', () => {
    const first = 2n ** 62n;
    for (let rows = 1n; rows < 2_000n; rows += 1n)
      expect(limit(between(first, first + rows), null)).toBeGreaterThanOrEqual(100);
  });
});

test('what rows were like, one reading knows of another where they share it', () => {
  const sizes = new RowSizes(1_000);
  const reader = { description: { key: [] }, pageSize: 10_000, sizes } as unknown as PageReader;
  const asked = (): number => requestAfter(reader, between(1, 9), null, sizes, 2_000).limit;
  expect(asked()).toBe(2);
  sizes.see(['1234567890']);
  expect(asked()).toBe(200);
});
