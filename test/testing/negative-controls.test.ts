import { describe, expect, test } from 'vitest';
import type {
  Advance,
  BatchEncoder,
  Page,
  PageRequest,
  SinkTarget,
  Source,
  TextRow,
} from 'resumable-migrator';
import { MemoryCheckpointStore, MemoryDatabase, MemorySink, MemorySource } from 'resumable-migrator/memory';
import { checkpointStoreSuite, type SinkFixture, sinkSuite, sourceSuite } from 'resumable-migrator/testing';
import { byteRowOf } from '../support/byte-rows.ts';

// A suite that everything passes proves nothing: each broken adapter here must fail in the named place.

type Collected = { readonly name: string; readonly run: () => Promise<void> }[];

/** Runs a suite without a runner, and answers with the names of the tests that failed. */
async function failures(
  suite: (test: (name: string, run: () => Promise<void>) => void) => void,
): Promise<string> {
  const tests: Collected = [];
  suite((name, run) => tests.push({ name, run }));
  const failed: string[] = [];
  for (const { name, run } of tests) await run().catch(() => failed.push(name));
  expect(tests.length).toBeGreaterThan(5);
  return failed.join('\n');
}

async function storeFailures(make: (database: MemoryDatabase) => MemoryCheckpointStore): Promise<string> {
  return await failures((each) =>
    checkpointStoreSuite({
      test: each,
      create: () => {
        const database = new MemoryDatabase();
        let now = 1;
        database.now = () => now;
        const passTime = (milliseconds: number): Promise<void> => Promise.resolve(void (now += milliseconds));
        return Promise.resolve({ store: make(database), passTime });
      },
    }),
  );
}

test('a correct store fails nowhere', async () => {
  expect(await storeFailures((database) => new MemoryCheckpointStore({ database }))).toBe('');
});

test('a store that does not look at the fence token is found out', async () => {
  class Unfenced extends MemoryCheckpointStore {
    override advanceNow(advance: Advance): 'committed' | 'stale' {
      const current = this.database.checkpoints.find(({ id }) => id === advance.lease.id);
      return super.advanceNow({
        ...advance,
        lease: { ...advance.lease, fenceToken: current?.fenceToken ?? 0 },
      });
    }
  }
  const failed = await storeFailures((database) => new Unfenced({ database }));
  expect(failed).toContain('a lease that ends is taken over, and its former owner writes nothing more');
  expect(failed).toContain('a wrong token, a wrong cursor and an unknown checkpoint write nothing');
});

test('a store that does not look at the cursor is found out', async () => {
  class Uncompared extends MemoryCheckpointStore {
    override advanceNow(advance: Advance): 'committed' | 'stale' {
      const current = this.database.checkpoints.find(({ id }) => id === advance.lease.id);
      return super.advanceNow({ ...advance, from: current?.cursor ?? null });
    }
  }
  const failed = await storeFailures((database) => new Uncompared({ database }));
  expect(failed).toContain('an advance moves the cursor and counts; its replay writes nothing');
});

test('a store that reads keys as numbers is found out', async () => {
  class Rounding extends MemoryCheckpointStore {
    override advanceNow(advance: Advance): 'committed' | 'stale' {
      return super.advanceNow({ ...advance, to: advance.to.map((part) => String(Number(part) || part)) });
    }
  }
  const failed = await storeFailures((database) => new Rounding({ database }));
  expect(failed).toContain('integer keys beyond 2^53');
  expect(failed).toContain('text keys and composite keys come back exactly');
});

test('a store that gives a checkpoint to two owners, or forgets all migrations at once, is found out', async () => {
  class Generous extends MemoryCheckpointStore {
    override async claim(...args: Parameters<MemoryCheckpointStore['claim']>) {
      const [migration, request, context] = args;
      const claimed = await super.claim(migration, { ...request, leaseMs: 0 }, context);
      return claimed;
    }
    override async clear(): Promise<void> {
      for (const migration of this.database.plans.keys()) await super.clear(migration);
    }
  }
  const failed = await storeFailures((database) => new Generous({ database }));
  expect(failed).toContain('claims at the same time never give one checkpoint to two owners');
  expect(failed).toContain('clearing forgets this migration and no other');
});

const rows = Array.from({ length: 12 }, (_, index) => [String(index * 3 - 9), `name ${index}`]);

async function sourceFailures(change: (source: MemorySource) => Source<object>): Promise<string> {
  const make = (of: string[][]): Source<object> =>
    change(
      new MemorySource({
        columns: [
          { name: 'id', type: 'integer', nativeType: 'int8', nullable: false },
          { name: 'name', type: 'text', nativeType: 'text', nullable: true },
        ],
        key: ['id'],
        rows: of,
      }),
    );
  return await failures((each) =>
    sourceSuite({
      test: each,
      create: () => Promise.resolve({ source: make(rows), rows }),
      createEmpty: () => Promise.resolve({ source: make([]), rows: [] }),
    }),
  );
}

test('a source that starts at keys above 0, as many scripts do, is found out', async () => {
  const failed = await sourceFailures((source) => {
    const readPage = source.readPage.bind(source);
    source.readPage = (request, context) =>
      readPage({ ...request, lower: request.lower ?? { key: ['0'], inclusive: false } }, context);
    return source;
  });
  expect(failed).toContain('ranges of every size cover each row exactly once');
});

test('a source that is done too early or too late, or reads one row twice, is found out', async () => {
  const doneWhere = async (done: (rows: number, limit: number) => boolean): Promise<string> =>
    await sourceFailures((source) => {
      const readPage = source.readPage.bind(source);
      source.readPage = async (request: PageRequest, context): Promise<Page> => {
        const page = await readPage(request, context);
        return { ...page, done: done(page.rows.length, request.limit) };
      };
      return source;
    });
  expect(await doneWhere((found, limit) => found <= limit)).toContain('say exactly when they are done');
  expect(await doneWhere((found, limit) => found < limit)).toContain('say exactly when they are done');
  const twice = await sourceFailures((source) => {
    const readPage = source.readPage.bind(source);
    source.readPage = (request, context) =>
      readPage({ ...request, lower: request.lower && { ...request.lower, inclusive: true } }, context);
    return source;
  });
  expect(twice).toContain('a lower end is inclusive where it says so');
});

describe('a source that hands rows over', () => {
  const check = 'rows that are handed over are those of the page, in its order';

  /** Hands over what becomes of a page's rows, each as texts or as bytes. */
  const handing =
    (change: (rows: readonly TextRow[]) => readonly TextRow[], as: (nth: number) => 'texts' | 'bytes') =>
    (source: MemorySource): Source<object> => {
      const readPage = source.readPage.bind(source);
      source.readPage = async (request, context) => {
        const page = await readPage(request, context);
        if (!request.onRow) return page;
        for (const [nth, row] of change(page.rows).entries()) {
          if (as(nth) === 'bytes' && request.onBytes)
            request.onBytes(byteRowOf(row, (column) => (column === 1 ? 'text' : null)));
          else request.onRow(row);
        }
        return { rows: [], done: page.done };
      };
      return source;
    };
  const forms: readonly (readonly [string, (nth: number) => 'texts' | 'bytes'])[] = [
    ['as texts', () => 'texts'],
    ['as bytes', () => 'bytes'],
    ['as both in turn', (nth) => (nth % 2 === 0 ? 'texts' : 'bytes')],
  ];

  test.each(forms)('as it should fails nowhere: %s', async (_how, as) => {
    expect(await sourceFailures(handing((page) => page, as))).toBe('');
  });

  test.each(forms)('twice, out of order, or without the last is found out: %s', async (_how, as) => {
    const changes: readonly ((rows: readonly TextRow[]) => readonly TextRow[])[] = [
      (page) => [...page.slice(0, 1), ...page],
      (page) => page.toReversed(),
      (page) => page.slice(0, -1),
      (page) => page.map((row) => row.map((value) => value?.toUpperCase() ?? null)),
    ];
    for (const change of changes) expect(await sourceFailures(handing(change, as))).toBe(check);
  });

  test('and leaves them in the page as well is found out', async () => {
    const both = await sourceFailures((source) => {
      const readPage = source.readPage.bind(source);
      source.readPage = async (request, context) => {
        const page = await readPage(request, context);
        for (const row of page.rows) request.onRow?.(row);
        return page;
      };
      return source;
    });
    expect(both).toBe(check);
  });
});

async function sinkFailures(
  mode: 'upsert' | 'insert',
  change: (target: SinkTarget) => void,
): Promise<string> {
  const create = (): Promise<SinkFixture> => {
    const database = new MemoryDatabase();
    const table = database.createTable('t', ['id', 'name', 'note'], mode === 'upsert' ? ['id'] : []);
    const sink = new MemorySink({ database, table: 't' });
    const prepare = sink.prepare.bind(sink);
    sink.prepare = async (...args) => {
      const target = await prepare(...args);
      change(target);
      return target;
    };
    return Promise.resolve({ sink, readRows: () => Promise.resolve([...table.rows.values()]) });
  };
  return await failures((each) => sinkSuite({ test: each, mode, create }));
}

test.each(['upsert', 'insert'] as const)(
  'a sink whose rows go in whatever its checkpoint says is found out: %s',
  async (mode) => {
    const failed = await sinkFailures(mode, (target) => {
      const commit = target.commit.bind(target);
      target.commit = async (batch, advance, context) => {
        const outcome = await commit(batch, advance, context);
        if (outcome === 'stale') await target.write(batch, context);
        return outcome;
      };
    });
    expect(failed).toContain('a batch that was committed is not written again');
    expect(failed).toContain(
      'a worker whose checkpoint was claimed by another writes neither rows nor checkpoint',
    );
  },
);

test('a sink that turns empty texts into nulls, or passes over large rows, is found out', async () => {
  const failed = await sinkFailures('upsert', (target) => {
    const encoder = target.encoder.bind(target);
    target.encoder = (maxRows): BatchEncoder => {
      const inner = encoder(maxRows);
      return {
        get rows() {
          return inner.rows;
        },
        add: (row) =>
          row.some((value) => (value?.length ?? 0) > 900_000) || inner.add(row.map((value) => value || null)),
        addAll: (group) => inner.addAll(group),
        take: () => inner.take(),
      };
    };
  });
  expect(failed).toContain('rows arrive exactly as they left, and the checkpoint counts them');
  expect(failed).toContain('a row that no batch can hold is refused, and the encoder goes on without it');
});

/** Puts another encoder before the sink's own. */
async function encoderFailures(change: (inner: BatchEncoder) => Partial<BatchEncoder>): Promise<string> {
  return await sinkFailures('upsert', (target) => {
    const encoder = target.encoder.bind(target);
    target.encoder = (maxRows): BatchEncoder => {
      const inner = encoder(maxRows);
      return {
        get rows() {
          return inner.rows;
        },
        add: (row) => inner.add(row),
        addAll: (group) => inner.addAll(group),
        reject: (rejected) => inner.reject?.(rejected) === true,
        take: () => inner.take(),
        ...change(inner),
      };
    };
  });
}

test('a sink that splits what comes from one row, or drops what is set aside, is found out', async () => {
  const split = await encoderFailures((inner) => ({
    addAll: (group) => group.every((row) => inner.add(row)),
  }));
  expect(split).toContain('rows that come from one go into a batch together or not at all');
  const dropping = await encoderFailures(() => ({ reject: () => true }));
  expect(dropping).toContain('rows are set aside with a batch, as they are, and listed in pages');
});

test('a sink that sets rows aside whatever its checkpoint says is found out', async () => {
  const failed = await sinkFailures('insert', (target) => {
    const commit = target.commit.bind(target);
    target.commit = async (batch, advance, context) => {
      const outcome = await commit(batch, advance, context);
      if (outcome === 'stale' && batch.rows === 0) await target.write(batch, context);
      return outcome;
    };
  });
  expect(failed).toBe('a batch that is not due sets nothing aside');
});

test('a sink that cannot promise what it declares is refused before any test', () => {
  const create = (): Promise<SinkFixture> => Promise.reject(new Error('not called'));
  expect(() => sinkSuite({ test: () => undefined, mode: 'insert', atomic: false, create })).toThrow(
    'arrive twice',
  );
});
