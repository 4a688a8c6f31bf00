import { expect, test } from 'vitest';
import type { PageRequest } from 'resumable-migrator';
import { ReadGate } from '../../src/engine/copying/read-gate.ts';
import { type PageReader, readPage, readRange } from '../../src/engine/paging.ts';
import { NotedKey } from '../../src/engine/rows/byte-rows.ts';

/** A gate before reads that end when they are told to, and the writes that it looks at. */
function gated(concurrency: number): {
  readonly writes: { activeCount: number; pendingCount: number };
  readonly gate: ReadGate;
  readonly begun: number[];
  ask(count: number): void;
  end(read: number): Promise<void>;
} {
  const writes = { activeCount: 0, pendingCount: 0 };
  const gate = new ReadGate(concurrency, writes);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  let asked = 0;
  return {
    writes,
    gate,
    begun,
    ask(count) {
      for (let more = count; more > 0; more -= 1) {
        const read = asked;
        asked += 1;
        const turn = gate.turn();
        void gate
          .run(turn, async () => {
            begun.push(read);
            await new Promise<void>((resolve) => (ends[read] = resolve));
          })
          .then(() => gate.leave(turn));
      }
    },
    async end(read) {
      ends[read]?.();
      await settled();
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test.each([
  [1, 2],
  [4, 2],
  [8, 4],
])(
  'with a concurrency of %i, %i pages are read side by side while writes run out',
  async (concurrency, most) => {
    const { ask, begun, end } = gated(concurrency);
    ask(20);
    await settled();
    expect(begun).toHaveLength(most);
    await end(0);
    expect(begun).toHaveLength(most + 1);
  },
);

test.each([2, 4])(
  'one page at a time is read while %i of four places are taken, in the order in which they were asked for',
  async (taken) => {
    const { writes, ask, begun, end } = gated(4);
    writes.activeCount = taken;
    ask(3);
    await settled();
    expect(begun).toEqual([0]);
    await end(0);
    expect(begun).toEqual([0, 1]);
    writes.pendingCount = 1;
    await end(1);
    expect(begun).toEqual([0, 1, 2]);
  },
);

test('nothing is read while two writes wait for a place, until one has ended', async () => {
  const { writes, gate, ask, begun } = gated(4);
  Object.assign(writes, { activeCount: 4, pendingCount: 2 });
  ask(2);
  await settled();
  expect(begun).toEqual([]);
  writes.pendingCount = 1;
  gate.wake();
  await settled();
  expect(begun).toEqual([0]);
});

test.each([
  { activeCount: 0, pendingCount: 0, unhurried: false },
  { activeCount: 1, pendingCount: 0, unhurried: false },
  { activeCount: 2, pendingCount: 0, unhurried: true },
  { activeCount: 1, pendingCount: 1, unhurried: true },
])(
  'with $activeCount writes in flight and $pendingCount ready whoever reads is told that there is no hurry: $unhurried',
  async ({ unhurried, ...counts }) => {
    const { writes, gate } = gated(4);
    Object.assign(writes, counts);
    expect(await gate.run(gate.turn(), (says) => Promise.resolve(says))).toBe(unhurried);
  },
);

test.each([false, true])('what the gate says of a page, the source is told: %s', async (unhurried) => {
  const told: unknown[] = [];
  const reader = {
    source: {
      readPage: (request: PageRequest) => {
        told.push(request.unhurried);
        return Promise.resolve({ rows: [], done: true });
      },
    },
    gate: {
      turn: () => 1,
      run: async <T>(_turn: number, read: (says: boolean) => Promise<T>): Promise<T> => await read(unhurried),
      leave: () => undefined,
    },
    retry: { retries: 0, baseMs: 1, maxMs: 1 },
    stop: new AbortController().signal,
    retried: () => undefined,
  };
  await readPage(reader as unknown as PageReader, 1, () => ({ lower: null, upper: ['1'], limit: 1 }));
  expect(told).toEqual([unhurried]);
});

test('a page that fails makes room as one that is read does', async () => {
  const { gate } = gated(1);
  const failing = Array.from({ length: 5 }, async (_, read) =>
    gate.run(gate.turn(), () => Promise.reject(new Error(`read ${read}`))),
  );
  const results = await Promise.allSettled(failing);
  expect(results.map(({ status }) => status)).toEqual(results.map(() => 'rejected'));
});

test('whoever reads keeps its place from page to page, until it leaves, and the first that began goes next', async () => {
  const { writes, gate } = gated(4);
  writes.activeCount = 2;
  const [first, second, third] = [gate.turn(), gate.turn(), gate.turn()];
  const begun: number[] = [];
  const page = async (turn: number): Promise<void> => await gate.run(turn, async () => void begun.push(turn));
  await page(second);
  const others = Promise.all([page(third), page(first)]);
  await page(second);
  await settled();
  expect(begun).toEqual([second, second]);
  gate.leave(second);
  await settled();
  expect(begun).toEqual([second, second, first]);
  // It has left: its next page waits as all others do.
  const again = page(second);
  gate.leave(first);
  await settled();
  expect(begun).toEqual([second, second, first, second]);
  gate.leave(second);
  await Promise.all([others, again]);
  expect(begun).toEqual([second, second, first, second, third]);
});

test('a place that was kept is given up where fewer may read than do', async () => {
  const { writes, gate } = gated(4);
  const turns = [gate.turn(), gate.turn()] as const;
  const begun: number[] = [];
  const page = async (turn: number): Promise<void> => await gate.run(turn, async () => void begun.push(turn));
  await Promise.all(turns.map(page));
  writes.activeCount = 2;
  const next = Promise.all(turns.map(page));
  await settled();
  // The first to come back gives its place up, so that the other keeps its own.
  expect(begun).toEqual([...turns, turns[1]]);
  gate.leave(turns[1]);
  await next;
  expect(begun).toEqual([...turns, turns[1], turns[0]]);
});

test.each([
  ['waits for room', true],
  ['is at its end', false],
])('a range that %s leaves its place to others', async (_when, waits) => {
  const { writes, gate } = gated(4);
  writes.activeCount = 2;
  const description = { key: [], keyIndexes: [0], estimatedRowBytes: 10 };
  const reader = {
    source: { readPage: () => Promise.resolve({ rows: [['1']], done: !waits }) },
    description,
    pageSize: 1,
    gate,
    retry: { retries: 0, baseMs: 1, maxMs: 1 },
    stop: new AbortController().signal,
    retried: () => undefined,
  } as unknown as PageReader;
  const taker = { row: () => undefined, bytes: () => undefined };
  let pages = 0;
  const full = Promise.withResolvers<void>();
  const room = (): Promise<void> | null => ((pages += 1) > 1 ? full.promise : null);
  const range = { lower: null, upper: ['9'] };
  const reading = readRange(reader, range, null, taker, room, new NotedKey(description as never));
  reading.catch(() => undefined);
  await settled();
  const begun: number[] = [];
  void gate.run(gate.turn(), async () => void begun.push(1));
  await settled();
  expect([pages, begun]).toEqual([waits ? 2 : 1, [1]]);
  if (waits) full.reject(new Error('over'));
  await Promise.allSettled([reading]);
});
