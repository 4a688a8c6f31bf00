import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type BatchEvent, type BatchLimitEvent, MigratorError, type RowTransform } from 'resumable-migrator';
import type { MemorySink } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { BatchLimit, type LimitChange, unlimitedRows } from '../../src/engine/copying/batch-limit.ts';
import { type MigratorOptions, World, type WorldOptions } from './world.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`batch-limit.test.ts: TEST_SEED=${seed}`);

const tooMuch = new MigratorError('SINK_OVERLOADED', 'Too much at once.', { help: 'Less.', shrink: true });

/** A clock that only the sink moves: a batch takes as long as a test says, and no test waits. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A sink whose batches take so long. @param isWaiting - it is only for their turn that they wait. */
function slowSink(
  world: World,
  milliseconds: (rows: number, nth: number) => number,
  isWaiting: boolean,
): MemorySink {
  const sink = world.sink();
  const prepare = sink.prepare.bind(sink);
  let batches = 0;
  sink.prepare = async (...args) => {
    const target = await prepare(...args);
    const commit = target.commit.bind(target);
    target.commit = async (batch, advance, context) => {
      batches += 1;
      const taken = milliseconds(batch.rows, batches);
      vi.advanceTimersByTime(taken);
      if (isWaiting) context?.waited?.(taken);
      return await commit(batch, advance, context);
    };
    return target;
  };
  return sink;
}

interface Told {
  readonly world: World;
  readonly batches: BatchEvent[];
  readonly limits: BatchLimitEvent[];
}

/** Copies, and answers with what was told of batches and their limit. */
async function copied(
  options: Partial<WorldOptions> & { readonly rows: number },
  tuning: MigratorOptions,
  milliseconds: (rows: number, nth: number) => number = () => 0,
  { faults, isWaiting = false }: { readonly faults?: CrashPoints; readonly isWaiting?: boolean } = {},
): Promise<Told> {
  const world = new World({ mode: 'insert', ...options });
  const migrator = world.migrator(
    { checkpointSize: options.rows, pageSize: 500, batchSize: undefined, targetBatchMs: 100, ...tuning },
    faults,
    slowSink(world, milliseconds, isWaiting),
  );
  const [batches, limits]: [BatchEvent[], BatchLimitEvent[]] = [[], []];
  migrator.on('batch:committed', (batch) => batches.push(batch));
  migrator.on('batch:limit', (limit) => limits.push(limit));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: options.rows });
  expect(world.differences()).toEqual({});
  return { world, batches, limits };
}

const sizes = (batches: readonly BatchEvent[]): number[] => batches.map(({ rows }) => rows);

/** Every event begins where the one before ended. */
function expectChain(limits: readonly BatchLimitEvent[]): void {
  let last: number | null = limits[0]?.previous ?? null;
  for (const { rows, previous } of limits) {
    expect(previous).toBe(last);
    expect(rows).not.toBe(previous);
    last = rows;
  }
}

describe('batches that take too long', () => {
  test('get smaller until they are in time, and each change is told with its reason', async () => {
    // A millisecond a row: 100 rows are in time.
    const { batches, limits } = await copied({ rows: 4_000, maxBatchRows: 1_000 }, {}, (rows) => rows);
    expect(limits.map(({ reason }) => reason)).toEqual(limits.map(() => 'slow'));
    // By a quarter at the most for one answer, down to what is in time.
    expect(limits.at(-1)?.rows).toBe(100);
    expectChain(limits);
    expect(limits[0]).toEqual({ migration: 'memory', rows: 250, previous: null, reason: 'slow' });
    // What is encoded already is sent as it is; what is read later obeys.
    expect(sizes(batches)[0]).toBe(1_000);
    const first = sizes(batches).indexOf(100);
    expect(first).toBeGreaterThan(0);
    expect(new Set(sizes(batches).slice(first))).toEqual(new Set([100]));
    expect(batches.map(({ milliseconds }) => milliseconds)).toEqual(sizes(batches));
  });

  test('are as large as they can be where they are in time', async () => {
    const { batches, limits } = await copied({ rows: 4_000, maxBatchRows: 1_000 }, {}, () => 100);
    expect(limits).toEqual([]);
    expect(sizes(batches)).toEqual([1_000, 1_000, 1_000, 1_000]);
  });

  test('do not get smaller than one row, nor fail for that', async () => {
    const { batches, limits } = await copied(
      { rows: 300, maxBatchRows: 64 },
      { pageSize: 10 },
      (rows) => rows * 1_000,
    );
    expect(limits.at(-1)?.rows).toBe(1);
    expect(limits.every(({ reason }) => reason === 'slow')).toBe(true);
    expectChain(limits);
    expect(Math.min(...sizes(batches))).toBe(1);
  });

  test('are as large as before where fewer rows take no less time', async () => {
    // A long way, whatever goes over it.
    const { batches, limits } = await copied({ rows: 6_000, maxBatchRows: 1_000 }, {}, () => 1_000);
    expect(limits.map(({ rows, reason }) => [rows, reason])).toEqual([
      [250, 'slow'],
      [null, 'recovered'],
    ]);
    expect(sizes(batches).slice(-2)).toEqual([1_000, expect.any(Number)]);
    expect(sizes(batches).filter((rows) => rows < 1_000).length).toBeLessThan(6);
    // Slower still is too slow again.
    const worse = await copied({ rows: 6_000, maxBatchRows: 1_000 }, {}, (rows, nth) =>
      nth < 6 ? 1_000 : rows * 100,
    );
    expect(worse.limits.map(({ reason }) => reason).slice(0, 3)).toEqual(['slow', 'recovered', 'slow']);
  });

  test('are smaller for all checkpoints of the run, whichever of them was slow', async () => {
    const tuning = { checkpointSize: 250, concurrency: 4 };
    const { batches, limits } = await copied({ rows: 3_000, maxBatchRows: 1_000 }, tuning, (rows) => rows);
    expectChain(limits);
    const later = batches.filter(({ seq }) => seq > 10);
    expect(later.length).toBeGreaterThan(0);
    expect(Math.max(...sizes(later))).toBeLessThanOrEqual(100);
  });

  test('get larger again once they are well below the limit, up to what fits', async () => {
    // The first batches are slow, and those that follow take no time.
    const { batches, limits } = await copied(
      { rows: 2_500, maxBatchRows: 100 },
      { pageSize: 100 },
      (rows, nth) => (nth <= 2 ? rows * 10 : 10),
    );
    expectChain(limits);
    const reasons = limits.map(({ reason }) => reason);
    expect(reasons[0]).toBe('slow');
    expect(reasons.slice(reasons.indexOf('recovered'))).toEqual(
      limits.slice(reasons.indexOf('recovered')).map(() => 'recovered'),
    );
    expect(limits.at(-1)).toMatchObject({ rows: null, reason: 'recovered' });
    expect(sizes(batches).at(-2)).toBe(100);
  });

  test('stay as small as they are where twice as many would be too slow', async () => {
    const { limits } = await copied({ rows: 12_000, maxBatchRows: 1_000 }, { pageSize: 100 }, (rows, nth) =>
      nth <= 2 ? rows * 10 : 60,
    );
    expect(limits.map(({ reason }) => reason)).not.toContain('recovered');
  });

  test('get smaller with a transform as well, in rows of the source', async () => {
    const transform: RowTransform = {
      version: '1',
      map: (row) => row,
    };
    const { batches, limits } = await copied(
      { rows: 4_000, maxBatchRows: 1_000 },
      { transform },
      (rows) => rows,
    );
    expect(limits[0]).toMatchObject({ previous: null, reason: 'slow' });
    expect(Math.max(...sizes(batches).slice(-5))).toBe(100);
  });

  test('are not taken for slow where they only wait for their turn', async () => {
    const options = { rows: 1_000, maxBatchRows: 250 };
    const { batches, limits } = await copied(options, {}, () => 60_000, { isWaiting: true });
    expect(limits).toEqual([]);
    expect(sizes(batches)).toEqual([250, 250, 250, 250]);
  });

  test('are left alone where the host fixes their rows', async () => {
    const { batches, limits } = await copied({ rows: 1_000 }, { batchSize: 250 }, () => 60_000);
    expect(limits).toEqual([]);
    expect(new Set(sizes(batches))).toEqual(new Set([250]));
    // The same without it: the sink is slow indeed.
    const { limits: slow } = await copied({ rows: 1_000 }, {}, () => 60_000);
    expect(slow.length).toBeGreaterThan(0);
  });
});

describe('batches that are too much for the sink', () => {
  const failing = (...calls: number[]): CrashPoints => {
    const faults = new CrashPoints();
    for (const nth of calls) faults.failAt({ effect: 'sink.commit', nth }, 'before', tooMuch);
    return faults;
  };

  test.each([
    ['the host says how many rows', 16],
    ['nobody says how many rows', undefined],
  ] as const)('are halved, tell of it, and recover once some were taken: %s', async (_who, batchSize) => {
    const { batches, limits } = await copied(
      { rows: 600, maxBatchRows: 16 },
      { batchSize, pageSize: 100 },
      () => 0,
      { faults: failing(1, 2) },
    );
    const most = batchSize ?? null;
    expect(limits.map(({ rows, previous, reason }) => [previous, rows, reason])).toEqual([
      [most, 8, 'too-much'],
      [8, 4, 'too-much'],
      [4, 8, 'recovered'],
      [8, most, 'recovered'],
    ]);
    expect(sizes(batches).slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 4));
    expect(sizes(batches).at(-2)).toBe(16);
  });

  test('are tried in full again after they have recovered, and halved again where they are too much again', async () => {
    const { limits } = await copied({ rows: 1_500, maxBatchRows: 16 }, { pageSize: 100 }, () => 0, {
      faults: failing(1, 40),
    });
    expect(limits.map(({ rows, reason }) => [rows, reason])).toEqual([
      [8, 'too-much'],
      [null, 'recovered'],
      [8, 'too-much'],
      [null, 'recovered'],
    ]);
  });
});

describe('the end of a batch', () => {
  const ends = (batches: readonly BatchEvent[]): unknown[] => batches.map(({ rows, end }) => [rows, end]);

  test('is its rows where the host limits them, and the checkpoint where there are no more', async () => {
    const { batches } = await copied({ rows: 22 }, { batchSize: 4, checkpointSize: 10 });
    const whole = [
      [4, 'rows'],
      [4, 'rows'],
      [2, 'checkpoint'],
    ];
    expect(ends(batches)).toEqual([...whole, ...whole, [2, 'checkpoint']]);
  });

  test('is its bytes where the next row does not fit', async () => {
    const { batches } = await copied({ rows: 22, maxBatchRows: 4 }, { checkpointSize: 10 });
    expect(ends(batches).slice(0, 3)).toEqual([
      [4, 'bytes'],
      [4, 'bytes'],
      [2, 'checkpoint'],
    ]);
  });

  test('is the checkpoint where its last row fills the batch', async () => {
    for (const tuning of [{ batchSize: 4 }, { batchSize: undefined }]) {
      const { batches } = await copied({ rows: 8, maxBatchRows: 4 }, tuning);
      expect(ends(batches)[1]).toEqual([4, 'checkpoint']);
    }
  });

  test('is its rows where the latest limit says so', async () => {
    const { batches, limits } = await copied(
      { rows: 400, maxBatchRows: 100 },
      { pageSize: 50 },
      (rows) => rows * 2,
    );
    expect(limits.at(-1)?.rows).toBe(50);
    expect(ends(batches)[0]).toEqual([100, 'bytes']);
    expect(ends(batches).slice(-2)).toEqual([
      [50, 'rows'],
      [50, 'checkpoint'],
    ]);
  });

  test('is the same with a transform', async () => {
    const transform: RowTransform = {
      version: '1',
      map: (row) => row,
    };
    const { batches } = await copied({ rows: 10 }, { batchSize: 4, transform });
    expect(ends(batches)).toEqual([
      [4, 'rows'],
      [4, 'rows'],
      [2, 'checkpoint'],
    ]);
    const { batches: full } = await copied({ rows: 10, maxBatchRows: 4 }, { transform });
    expect(ends(full)[0]).toEqual([4, 'bytes']);
  });
});

describe('the first batches of a long copy', () => {
  const long = { estimatedRows: 2_000_000, estimatedRowBytes: 100 };
  const begun = (
    description: typeof long,
    most?: number,
  ): readonly [limit: BatchLimit, rows: () => number[]] => {
    const limit = new BatchLimit(most, 100, () => undefined);
    limit.begin(description);
    const rows = (): number[] =>
      Array.from({ length: 5 }, () => {
        const { rows: next } = limit;
        limit.filled();
        return next;
      });
    return [limit, rows];
  };

  test('are small, each twice as large as the one before, and no page is smaller for it', () => {
    const [limit, rows] = begun(long);
    expect(limit.pageRows).toBe(Infinity);
    expect(rows()).toEqual([5_000, 10_000, 20_000, unlimitedRows, unlimitedRows]);
    expect(limit.rows).toBe(unlimitedRows);
  });

  test('are as large as any where there are not many of them', () => {
    const [, rows] = begun({ ...long, estimatedRows: 499_999 });
    expect(rows()).toEqual(Array.from({ length: 5 }, () => unlimitedRows));
  });

  test('are smaller still where the sink asks for that', () => {
    const [limit, rows] = begun(long);
    limit.tooMuch(3_000);
    expect(rows()).toEqual([1_500, 1_500, 1_500, 1_500, 1_500]);
  });

  test.each([
    ['what a source estimates', {}, [5, 10, 20, 565]],
    [
      'nothing, where rows become others',
      { transform: { version: '1', map: (row: object) => row } },
      [70, 70, 70, 70, 70, 70, 70, 70, 40],
    ],
    ['the host’s own batchSize', { batchSize: 100 }, [100, 100, 100, 100, 100, 100]],
  ])('follow %s', async (_what, tuning, expected) => {
    const world = new World({ rows: 600, mode: 'insert', maxBatchRows: 10_000 });
    const source = world.source();
    const describe_ = source.describe.bind(source);
    source.describe = async (context) => ({ ...(await describe_(context)), estimatedRowBytes: 100_000 });
    vi.spyOn(world, 'source').mockReturnValue(source);
    const migrator = world.migrator(
      { checkpointSize: 600, pageSize: 70, batchSize: undefined, ...tuning },
      undefined,
      slowSink(world, () => 0, false),
    );
    const batches: BatchEvent[] = [];
    migrator.on('batch:committed', (batch) => batches.push(batch));
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 600 });
    expect(sizes(batches)).toEqual(expected);
    expect(world.differences()).toEqual({});
  });
});

describe('a limit, whatever happens to batches', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('taken' as const), milliseconds: fc.integer({ min: 0, max: 1_000 }) }),
    fc.record({ kind: fc.constant('too much' as const), milliseconds: fc.constant(0) }),
  );
  const most = fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined });
  /** Rows of a batch that nothing limits. */
  const fits = 5_000;

  test('is at least one row, changes as it tells, and comes back to what it was', () => {
    fc.assert(
      fc.property(most, fc.array(step, { maxLength: 100 }), (given, steps) => {
        const changes: LimitChange[] = [];
        const limit = new BatchLimit(given, 100, (change) => changes.push(change));
        const whole = limit.rows;
        expect(whole).toBe(given ?? unlimitedRows);
        expect(limit.pageRows).toBe(Infinity);
        let last = whole;
        for (const { kind, milliseconds } of steps) {
          const rows = Math.min(limit.rows, fits);
          if (kind === 'taken') limit.taken(rows, milliseconds);
          else if (rows > 1) limit.tooMuch(rows);
          expect(limit.rows).toBeGreaterThanOrEqual(1);
          expect(limit.rows).toBeLessThanOrEqual(whole);
          expect(limit.pageRows).toBe(limit.rows === whole ? Infinity : limit.rows);
          const change = changes.at(-1);
          if (limit.rows !== last) {
            expect(change).toMatchObject({ previous: last, rows: limit.rows });
            expect(change?.reason === 'recovered').toBe(limit.rows > last);
          }
          last = limit.rows;
        }
        if (given !== undefined) expect(changes.map(({ reason }) => reason)).not.toContain('slow');
        // Twice as many after every twenty: from one row to 5,000 takes thirteen times that.
        for (let batch = 0; batch < 20 * 14; batch += 1) limit.taken(Math.min(limit.rows, fits), 1);
        expect(limit.rows).toBe(whole);
      }),
      { seed, numRuns: 100 },
    );
  });
});
