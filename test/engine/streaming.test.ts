import { describe, expect, test } from 'vitest';
import {
  MigratorError,
  type Page,
  type PageRequest,
  type RowTransform,
  type TextRow,
} from 'resumable-migrator';
import type { MemorySource } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { byteRowsOf } from '../support/byte-rows.ts';
import { Random } from '../support/random.ts';
import { heldWrites, settled } from './held-writes.ts';
import { rejection, someRows, World, type WorldOptions } from './world.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`streaming.test.ts: TEST_SEED=${seed}`);

type ReadPage = MemorySource['readPage'];

/** Databases whose source reads pages in another way. */
class StreamingWorld extends World {
  /** Keys of the rows that were handed over, in their order. */
  readonly handed: string[] = [];
  readonly #change: (readPage: ReadPage, handed: string[]) => ReadPage;

  constructor(options: WorldOptions, change: (readPage: ReadPage, handed: string[]) => ReadPage) {
    super(options);
    this.#change = change;
  }

  override source(): MemorySource {
    const source = super.source();
    source.readPage = this.#change(source.readPage.bind(source), this.handed);
    return source;
  }
}

/** Hands rows over in one of the ways. */
function handOver(request: PageRequest, rows: readonly TextRow[], as: 'texts' | 'bytes'): void {
  if (as === 'bytes' && request.onBytes) {
    const bytes = byteRowsOf(rows, (column) => (column === 1 ? 'text' : null));
    request.onBytes(bytes);
    // Its memory is used again: whoever has kept something of it has nothing now.
    bytes.source.fill(0x39);
  } else for (const row of rows) request.onRow?.(row);
}

const unreachable = new MigratorError('SOURCE_UNREACHABLE', 'The connection broke.', {
  help: 'Again.',
  retryable: true,
});

/**
 * A source that hands rows over as they come, and now and then breaks before the page ends.
 *
 * @param together - how many rows come at a time.
 */
function breaking(
  as: (nth: number) => 'texts' | 'bytes',
  breaks: (nth: number) => boolean,
  together: () => number,
) {
  let nth = 0;
  return (readPage: ReadPage, handed: string[]): ReadPage =>
    async (request, context) => {
      const page = await readPage(request, context);
      for (let next = 0; next < page.rows.length;) {
        const rows = page.rows.slice(next, next + together());
        next += rows.length;
        nth += 1;
        handed.push(...rows.map(([id]) => id ?? ''));
        handOver(request, rows, as(nth));
        if (breaks(nth)) throw unreachable;
      }
      return { rows: [], done: page.done };
    };
}

describe('a source that hands rows over and breaks half-way through its pages', () => {
  const forms: readonly (readonly [string, (nth: number) => 'texts' | 'bytes'])[] = [
    ['texts', () => 'texts'],
    ['bytes', () => 'bytes'],
    ['both in turn', (nth) => (nth % 3 === 0 ? 'texts' : 'bytes')],
  ];
  test.each(forms)('loses no row and gives none twice: %s', async (_how, as) => {
    const random = new Random(seed);
    for (let round = 0; round < 40; round += 1) {
      const part = random.pick([0.02, 0.2, 0.5, 1]);
      const together = random.pick([1, 3, 25]);
      const options = {
        checkpointSize: random.whole(1, 30),
        batchSize: random.whole(1, 9),
        pageSize: random.whole(1, 20),
        concurrency: random.whole(1, 4),
        retry: { retries: 100, baseMs: 0, maxMs: 0 },
      };
      const world = new StreamingWorld(
        { rows: 60, mode: 'insert' },
        breaking(
          as,
          () => random.fraction() < part,
          () => random.whole(1, together),
        ),
      );
      const where = `seed ${seed}, round ${round}, ${JSON.stringify({ part, together, ...options })}`;
      expect(await world.migrator(options).run(), where).toMatchObject({ status: 'completed', rows: 60 });
      expect(world.differences(), where).toEqual({});
      // What was handed over before a failure is not asked for again.
      expect(world.handed.toSorted(), where).toEqual(world.rows.map(([id]) => id ?? '').toSorted());
    }
  });

  test.each([
    ['one by one', 1],
    ['together', 5],
  ])(
    'fails its checkpoint where it breaks for good, and the next run goes on behind what is in: rows that come %s',
    async (_how, together) => {
      let nth = 0;
      let isWhole = false;
      const world = new StreamingWorld(
        { rows: 35, mode: 'insert' },
        (readPage, handed) => async (request, context) => {
          const page = await readPage(request, context);
          for (let next = 0; next < page.rows.length;) {
            const left = isWhole ? Infinity : 16 - nth;
            if (left === 0) throw unreachable;
            const rows = page.rows.slice(next, next + Math.min(together, left));
            nth += rows.length;
            next += rows.length;
            handed.push(...rows.map(([id]) => id ?? ''));
            handOver(request, rows, 'bytes');
          }
          return { rows: [], done: page.done };
        },
      );
      const error = await rejection(world.migrator({ retry: { retries: 2, baseMs: 0, maxMs: 0 } }).run());
      expect(error).toMatchObject({ code: 'CHECKPOINTS_FAILED', cause: { code: 'SOURCE_UNREACHABLE' } });
      // The first checkpoint, and the batch of the second that was whole.
      expect(world.recorded()).toBe(14);
      isWhole = true;
      expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 21 });
      expect(world.differences()).toEqual({});
    },
  );

  test('would be noticed if it gave a row twice, or none', async () => {
    const change =
      (rows: (page: Page) => readonly TextRow[]) =>
      (readPage: ReadPage): ReadPage =>
      async (request, context) => {
        const page = await readPage(request, context);
        for (const row of rows(page)) handOver(request, [row], 'bytes');
        return { rows: [], done: page.done };
      };
    const twice = new StreamingWorld(
      { rows: 5, mode: 'insert' },
      change(({ rows }) => [...rows, ...rows.slice(-1)]),
    );
    await twice.migrator().run();
    expect(twice.differences()).toEqual({ [JSON.stringify(twice.rows[4])]: 1 });
    const fewer = new StreamingWorld(
      { rows: 5, mode: 'insert' },
      change(({ rows }) => rows.slice(1)),
    );
    await fewer.migrator().run();
    expect(fewer.differences()).toEqual({ [JSON.stringify(fewer.rows[0])]: -1 });
  });
});

describe('a page without rows', () => {
  /** Gives such a page in place of the nth. */
  const emptyPage = (nth: number, done: boolean, isStreaming: boolean) => {
    let pages = 0;
    return (readPage: ReadPage): ReadPage =>
      async (request, context) => {
        pages += 1;
        if (pages === nth) return { rows: [], done };
        const page = await readPage(request, context);
        if (!isStreaming) return page;
        for (const row of page.rows) handOver(request, [row], 'bytes');
        return { rows: [], done: page.done };
      };
  };

  test.each([
    ['of a source that hands rows over', true],
    ['of a source that does not', false],
  ])(
    'that is not the last is refused, and nothing is taken for complete: %s',
    async (_whose, isStreaming) => {
      // The second page of the second checkpoint: pages of 7 rows, checkpoints of 10.
      const world = new StreamingWorld({ rows: 35, mode: 'insert' }, emptyPage(4, false, isStreaming));
      const error = await rejection(world.migrator().run());
      expect(error).toMatchObject({ code: 'INTERNAL', result: { completedCheckpoints: 1 } });
      const states = world.database.checkpoints.map(({ status }) => status);
      expect(states).toEqual(['completed', 'failed', 'pending', 'pending']);
      expect(await world.migrator().run()).toMatchObject({ status: 'completed' });
      expect(world.differences()).toEqual({});
    },
  );

  test('that is the first of its checkpoint and not the last is refused as well, with a transform too', async () => {
    const transform: RowTransform = { version: '1', map: (row) => row };
    for (const tuning of [{}, { transform }]) {
      const world = new StreamingWorld({ rows: 5, mode: 'insert' }, emptyPage(1, false, false));
      expect(await rejection(world.migrator(tuning).run())).toMatchObject({ code: 'INTERNAL' });
      expect(world.database.checkpoints.map(({ status }) => status)).toEqual(['failed']);
    }
  });

  test('that is the last completes its checkpoint', async () => {
    const world = new StreamingWorld({ rows: 5, mode: 'insert' }, emptyPage(1, true, true));
    expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 0 });
  });
});

describe('a page that does not go past the key behind which it should begin', () => {
  const transform: RowTransform = { version: '1', map: (row) => row };
  const cases = [
    ['its first rows again', 0],
    ['its last row again', 6],
  ] as const;
  test.each(cases)('is refused, and its source named: %s', async (_what, first) => {
    for (const tuning of [{}, { transform }]) {
      const rows = someRows(35);
      let pages = 0;
      const world = new StreamingWorld({ rows, mode: 'upsert' }, (readPage) => async (request, context) => {
        pages += 1;
        if (pages > 50) throw new Error('asked for ever');
        // The second page of the first checkpoint.
        if (request.lower?.key[0] === '1') return { rows: rows.slice(first, 7), done: false };
        return await readPage(request, context);
      });
      expect(await rejection(world.migrator(tuning).run())).toMatchObject({
        code: 'INTERNAL',
        summary: 'The source memory memory gave a page that ends where it begins.',
        result: { completedCheckpoints: 0 },
      });
    }
  });
});

describe('an encoder that has no room for a row that stands alone', () => {
  const transform: RowTransform = { version: '1', map: (row) => row };
  test.each([
    ['as it is', {}],
    ['with a transform', { transform }],
  ])('does not lose it, but stops the run at its key: %s', async (_how, tuning) => {
    const world = new World({ rows: 35, mode: 'insert' });
    const sink = world.sink();
    const prepare = sink.prepare.bind(sink);
    sink.prepare = async (...args) => {
      const target = await prepare(...args);
      const encoder = target.encoder.bind(target);
      target.encoder = (maxRows) => {
        const made = encoder(maxRows);
        const addAll = made.addAll.bind(made);
        made.addAll = (rows) => !rows.some(([id]) => id === '7') && addAll(rows);
        return made;
      };
      return target;
    };
    expect(await rejection(world.migrator(tuning, undefined, sink).run())).toMatchObject({
      code: 'INTERNAL',
      place: { key: ['7'], checkpoint: 2 },
      result: { completedCheckpoints: 1 },
    });
    expect(await world.migrator(tuning).run()).toMatchObject({ status: 'completed' });
    expect(world.differences()).toEqual({});
  });
});

describe('a sink that does not answer', () => {
  const transform: RowTransform = { version: '1', map: (row) => row };
  const [batchSize, pageSize] = [4, 7];
  /** A batch in flight and one behind it, and the page with which that was known. */
  const plain = 2 * batchSize + pageSize;

  test.each([
    ['one checkpoint', { concurrency: 1 }, plain],
    ['several checkpoints', { concurrency: 3 }, 2 * 3 * plain],
    ['one checkpoint with a transform', { concurrency: 1, transform }, plain + 2 * pageSize],
  ])('holds the reading back, of %s', async (_what, tuning, most) => {
    const world = new StreamingWorld(
      { rows: 900, mode: 'insert' },
      breaking(
        () => 'bytes',
        () => false,
        () => 1,
      ),
    );
    if ('transform' in tuning) {
      world.source = () => {
        const source = World.prototype.source.call(world);
        const readPage = source.readPage.bind(source);
        source.readPage = async (...call) => {
          const page = await readPage(...call);
          world.handed.push(...page.rows.map(([id]) => id ?? ''));
          return page;
        };
        return source;
      };
    }
    const { sink, waiting, open } = heldWrites(world);
    const migrator = world.migrator({ checkpointSize: 100, batchSize, pageSize, ...tuning }, undefined, sink);
    const run = migrator.run();
    await settled();
    // So many are in flight at a time; all else waits.
    expect(waiting()).toBe(tuning.concurrency);
    const read = world.handed.length;
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThanOrEqual(most);
    await settled();
    expect(world.handed.length).toBe(read);
    open();
    expect(await run).toMatchObject({ status: 'completed', rows: 900 });
    expect(world.differences()).toEqual({});
  });
});

describe('a batch that fails for good', () => {
  test('is the last of its checkpoint that is sent: what waits behind it is dropped', async () => {
    const world = new World({ rows: 40, mode: 'insert' });
    const refused = new MigratorError('SINK_FAILED', 'No.', { help: 'None.' });
    const faults = new CrashPoints().failAt({ effect: 'sink.commit', nth: 2 }, 'before', refused);
    // One page fills the queue with batches before the first of them is in.
    const migrator = world.migrator({ checkpointSize: 40, batchSize: 4, pageSize: 40 }, faults);
    const error = await rejection(migrator.run());
    expect(error).toMatchObject({ code: 'CHECKPOINTS_FAILED', cause: { code: 'SINK_FAILED' } });
    expect(faults.effects.filter((effect) => effect === 'sink.commit')).toHaveLength(2);
    expect(world.recorded()).toBe(4);
    expect(await world.migrator({ checkpointSize: 40 }).run()).toMatchObject({
      status: 'completed',
      rows: 36,
    });
    expect(world.differences()).toEqual({});
  });
});
