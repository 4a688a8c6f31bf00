import { describe, expect, test } from 'vitest';
import { type Key, type KeyRange, type PageRequest, ResumableMigrator } from 'resumable-migrator';
import { type PageReader, readRange, requestAfter, RowSizes } from '../../src/engine/paging.ts';
import { NotedKey } from '../../src/engine/rows/byte-rows.ts';
import { World } from './world.ts';

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

test.each([
  ['where they share it', new RowSizes(1_000_000), [2, 200_000]],
  ['not where each has its own', undefined, [2, 2]],
])('what rows were like, one reading knows of another: %s', async (_where, sizes, asked) => {
  const limits: number[] = [];
  const description = { key: [], keyIndexes: [0], estimatedRowBytes: 1_000_000 };
  const reader = {
    source: {
      readPage: (request: PageRequest) => {
        limits.push(request.limit);
        request.onRow?.(['1234567890']);
        return Promise.resolve({ rows: [], done: true });
      },
    },
    description,
    pageSize: 1_000_000,
    sizes,
    retry: { retries: 0, baseMs: 1, maxMs: 1 },
    stop: new AbortController().signal,
    retried: () => undefined,
  } as unknown as PageReader;
  const taker = { row: () => undefined, bytes: () => undefined };
  for (const nth of [1, 2])
    await readRange(reader, between(nth, 9), null, taker, () => null, new NotedKey(description as never));
  expect(limits).toEqual(asked);
});

test('the checkpoints of a run share it', async () => {
  const world = new World({ rows: 40, mode: 'insert' });
  const source = world.source();
  const limits: number[] = [];
  const described = source.describe.bind(source);
  source.describe = async () => ({ ...(await described()), estimatedRowBytes: 1_000_000 });
  const readPage = source.readPage.bind(source);
  source.readPage = async (request, context) => {
    limits.push(request.limit);
    return await readPage(request, context);
  };
  const tuning = { checkpointSize: 10, concurrency: 1 };
  await new ResumableMigrator({ source, sink: world.sink(), ...tuning }).run();
  // Two rows at first, by the estimate; all that a checkpoint has from then on.
  expect(limits.filter((rows) => rows === 2)).toHaveLength(1);
  expect(world.differences()).toEqual({});
});
