import { describe, expect, test } from 'vitest';
import {
  type GroupResult,
  isMigratorError,
  MigrationGroup,
  type MigrationGroupOptions,
  MigratorError,
  type RunOptions,
  type TuningOptions,
  type Source,
} from 'resumable-migrator';
import { MemoryDatabase, MemorySink, MemorySource } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { rejection, someRows } from './world.ts';

interface Table {
  readonly rows?: number;
  readonly references?: readonly string[];
  /** The sink has no such table. */
  readonly lost?: boolean;
  /** Characters; shorter than every row: all of its checkpoints fail. */
  readonly maxRowBytes?: number;
  readonly faults?: CrashPoints;
  readonly tuning?: TuningOptions;
}

/** One sink with several tables. Groups (processes) come and go on it. */
class GroupWorld {
  readonly database: MemoryDatabase = new MemoryDatabase();
  readonly tables: Record<string, Table>;
  /** The migrations whose batches arrived, without repetitions in a row. */
  readonly copied: string[] = [];

  constructor(tables: Record<string, Table>) {
    this.tables = tables;
    for (const [name, { lost }] of Object.entries(tables)) {
      if (!lost) this.database.createTable(name, ['id', 'name'], ['id']);
    }
  }

  group(options?: MigrationGroupOptions, tables: Record<string, Table> = this.tables): MigrationGroup {
    const group = new MigrationGroup(options);
    for (const [table, { rows = 5, references, maxRowBytes, faults, tuning }] of Object.entries(tables)) {
      const source = this.#source(table, rows, references);
      const sink = new MemorySink({ database: this.database, table, maxRowBytes });
      const migrator = group.add({
        source,
        sink: faults ? faults.wrapSink(sink) : sink,
        checkpointSize: 10,
        batchSize: 4,
        concurrency: 1,
        retry: { retries: 0 },
        ...tuning,
      });
      migrator.on('batch:committed', ({ migration }) => {
        if (this.copied.at(-1) !== migration) this.copied.push(migration);
      });
    }
    return group;
  }

  rowsIn(table: string): number | undefined {
    return this.database.tables.get(table)?.rows.size;
  }

  image(): unknown {
    const { tables, checkpoints, plans } = this.database;
    return structuredClone({ tables, checkpoints, plans });
  }

  #source(name: string, rows: number, references: readonly string[] | undefined): MemorySource {
    return new MemorySource({
      name,
      columns: [
        { name: 'id', type: 'integer', nativeType: 'int8', nullable: false },
        { name: 'name', type: 'text', nativeType: 'text', nullable: true },
      ],
      key: ['id'],
      rows: someRows(rows),
      references,
    });
  }
}

/** What became of each table. */
function statuses({ tables }: GroupResult): Record<string, string> {
  return Object.fromEntries(
    tables.map((table) => [
      table.migration,
      table.status === 'skipped'
        ? `skipped: ${table.reason} ${table.parents.join(' ')}`.trim()
        : table.status,
    ]),
  );
}

/** Lets time pass where nothing can be waited for. */
function busyFor(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

async function failure(call: Promise<unknown>): Promise<MigratorError> {
  const error = await rejection(call);
  if (!isMigratorError(error)) throw error;
  return error;
}

async function failedGroup(group: MigrationGroup, options?: RunOptions): Promise<GroupResult> {
  const error = await failure(group.run(options));
  expect(error.code).toBe('GROUP_FAILED');
  if (!error.group) throw new Error('the error carries no result', { cause: error });
  return error.group;
}

const chain = {
  visits: { references: ['stops'] },
  stops: { references: ['lines', 'cities'] },
  lines: { references: ['cities'] },
  cities: {},
};

describe('the order', () => {
  test('parents are copied before their children, whatever the order in which they were added', async () => {
    const world = new GroupWorld(chain);
    const result = await world.group().run();
    expect(world.copied).toEqual(['cities', 'lines', 'stops', 'visits']);
    expect(result).toMatchObject({
      status: 'completed',
      reason: null,
      totals: { tables: 4, completed: 4, failed: 0, paused: 0, skipped: 0, rows: 20, batches: 8 },
    });
    expect(result.tables.map(({ migration }) => migration)).toEqual(world.copied);
  });

  test('without references the order is that of adding', async () => {
    const world = new GroupWorld({ b: {}, c: {}, a: {} });
    await world.group().run();
    expect(world.copied).toEqual(['b', 'c', 'a']);
  });

  test('references to itself and to tables outside the group mean nothing', async () => {
    const world = new GroupWorld({ a: { references: ['a', 'elsewhere'] }, b: { references: ['a', 'b'] } });
    expect((await world.group().run()).status).toBe('completed');
  });

  test('a source that knows no references is copied in its turn', async () => {
    const world = new GroupWorld({ a: {} });
    const group = new MigrationGroup();
    const source = new MemorySource({
      name: 'a',
      columns: [{ name: 'id', type: 'integer', nativeType: 'int8', nullable: false }],
      key: ['id'],
      rows: [['1']],
    });
    const plain: Source = {
      describe: (context) => source.describe(context),
      ranges: (request) => source.ranges(request),
      readPage: (request, context) => source.readPage(request, context),
      countRows: (range) => source.countRows(range),
    };
    group.add({ source: plain, sink: new MemorySink({ database: world.database, table: 'a' }) });
    expect(statuses(await group.run())).toEqual({ a: 'completed' });
  });

  test('plan() shows the order, the parents and the sums, and changes nothing', async () => {
    const world = new GroupWorld(chain);
    const image = world.image();
    const { tables, totals } = await world.group().plan();
    expect(tables.map(({ migration, parents }) => [migration, parents])).toEqual([
      ['cities', []],
      ['lines', ['cities']],
      ['stops', ['lines', 'cities']],
      ['visits', ['stops']],
    ]);
    expect(totals).toMatchObject({ tables: 4, failed: 0, rows: 20, checkpoints: 4, newCheckpoints: 4 });
    // A sink that does not reckon leaves the sums unknown instead of too small.
    expect(totals).toMatchObject({ requests: null, rowsWritten: null, price: null, storedBytes: null });
    expect(totals.bytes).toBe(tables.reduce((sum, { plan }) => sum + (plan?.totalBytes ?? 0), 0));
    expect(totals.bytes).toBeGreaterThan(0);
    expect(tables[0]?.plan?.source).toBe('memory cities');
    expect(world.image()).toEqual(image);
  });
});

describe('a cycle', () => {
  test.each(['plan', 'run'] as const)('is reported by %s() before anything is written', async (method) => {
    const world = new GroupWorld({
      free: {},
      a: { references: ['c', 'free'] },
      b: { references: ['a'] },
      c: { references: ['b'] },
      hangsOn: { references: ['c'] },
      x: { references: ['y'] },
      y: { references: ['x'] },
    });
    const image = world.image();
    const error = await failure(world.group()[method]());
    expect(error).toMatchObject({ code: 'GROUP_CYCLE', group: undefined });
    expect(error.message).toContain(': a -> c -> b -> a; x -> y -> x. Nothing was written.');
    expect(error.help).toMatch(/`columns`.*drop or leave out the foreign key.*order: 'given'/);
    expect(world.image()).toEqual(image);
  });

  test('is named even where the search for it begins below it', async () => {
    const world = new GroupWorld({
      child: { references: ['a'] },
      a: { references: ['b'] },
      b: { references: ['a'] },
    });
    expect((await failure(world.group().run())).message).toContain(': a -> b -> a.');
  });

  test('is copied in the given order on request', async () => {
    const world = new GroupWorld({ b: { references: ['a'] }, a: { references: ['b'] } });
    expect((await world.group({ order: 'given' }).run()).status).toBe('completed');
    expect(world.copied).toEqual(['b', 'a']);
  });
});

test('in a given order a table waits for the parents before it, and for no other', async () => {
  const world = new GroupWorld({
    early: { references: ['broken'] },
    broken: { lost: true },
    late: { references: ['broken'] },
  });
  expect(statuses(await failedGroup(world.group({ order: 'given' })))).toEqual({
    early: 'completed',
    broken: 'failed',
    late: 'skipped: parents broken',
  });
});

test.each([
  [{}, true],
  [{ large: { maxRowBytes: 3 } }, false],
])(
  'a group may be tried again as it is where all that failed in it may: with %j %j',
  async (others, retryable) => {
    const faults = new CrashPoints();
    const busy = new MigratorError('SINK_OVERLOADED', 'Too busy.', { help: 'Wait.', retryable: true });
    faults.failAt({ effect: 'sink.commit', nth: 1 }, 'before', busy);
    const error = await failure(new GroupWorld({ busy: { faults }, ...others }).group().run());
    expect(error).toMatchObject({ code: 'GROUP_FAILED', retryable });
  },
);

describe('a table that fails', () => {
  const broken = {
    grandchild: { references: ['child'] },
    child: { references: ['broken', 'fine'] },
    broken: { maxRowBytes: 3 },
    fine: {},
    other: { references: ['fine'] },
  };

  test.each([1, 3])(
    'stops nothing but what refers to it, at %i tables at a time; the result says why',
    async (concurrency) => {
      const world = new GroupWorld(broken);
      const error = await failure(world.group({ concurrency }).run());
      expect(error.message).toMatch(
        /^1 of 5 tables failed; 2 were not begun\. The first: 1 checkpoint failed/,
      );
      expect(error.message).toContain('migration "broken"');
      expect(error.cause).toMatchObject({ code: 'CHECKPOINTS_FAILED' });
      expect(error.retryable, 'a row stays too large').toBe(false);
      const group = error.group as GroupResult;
      expect(group).toMatchObject({ status: 'failed', reason: null });
      expect(group.totals).toMatchObject({ completed: 2, failed: 1, skipped: 2, rows: 10 });
      expect(statuses(group)).toEqual({
        broken: 'failed',
        fine: 'completed',
        other: 'completed',
        child: 'skipped: parents broken',
        grandchild: 'skipped: parents child',
      });
      const failed = group.tables.find(({ status }) => status === 'failed');
      expect(failed).toMatchObject({
        error: { code: 'CHECKPOINTS_FAILED' },
        result: { status: 'failed', failures: [{ code: 'ROW_TOO_LARGE' }] },
      });
      expect(group.tables.find(({ migration }) => migration === 'child')).toMatchObject({
        message: 'Its rows refer to rows of broken, which is not complete.',
      });
      expect(world.rowsIn('child')).toBe(0);
    },
  );

  test('is taken up again by the next run, and so are its children', async () => {
    const world = new GroupWorld(broken);
    await failedGroup(world.group());
    world.copied.length = 0;
    const result = await world.group({}, { ...broken, broken: {} }).run();
    expect(result).toMatchObject({ status: 'completed', totals: { completed: 5, rows: 15 } });
    expect(world.copied).toEqual(['broken', 'child', 'grandchild']);
  });

  test('may fail before it has a name: then it stands first in the result', async () => {
    const world = new GroupWorld({ fine: {} });
    const group = world.group();
    const source = {
      ...new CrashPoints().wrapSource(new MemorySource({ columns: [], key: [], rows: [] })),
      name: undefined,
      describe: () =>
        Promise.reject(new MigratorError('SOURCE_TABLE_NOT_FOUND', 'No x.', { help: 'Make x.' })),
    };
    group.add({ source, sink: new MemorySink({ database: world.database, table: 'x' }) });
    const result = await failedGroup(group);
    expect(Object.entries(statuses(result))).toEqual([
      ['(table 2)', 'failed'],
      ['fine', 'completed'],
    ]);
    expect(result.tables[0]).toMatchObject({ error: { code: 'SOURCE_TABLE_NOT_FOUND' }, result: null });
  });

  test.each([
    ['whose source has a name', 'parent'],
    ['whose source has none', undefined],
  ])('may fail before it is described: what refers to it waits all the same, %s', async (_whose, name) => {
    const world = new GroupWorld({
      child: { references: ['parent', 'fine'] },
      grandchild: { references: ['child'] },
      fine: {},
      other: { references: ['fine'] },
    });
    const group = world.group();
    const source = {
      ...new CrashPoints().wrapSource(new MemorySource({ columns: [], key: [], rows: [] })),
      name,
      describe: () => Promise.reject(new TypeError('mute')),
    };
    group.add({ source, sink: new MemorySink({ database: world.database, table: 'parent' }) });
    const called = name ?? '(table 5)';
    const result = await failedGroup(group);
    expect(statuses(result)).toEqual({
      [called]: 'failed',
      fine: 'completed',
      other: 'completed',
      child: `skipped: parents ${called}`,
      grandchild: 'skipped: parents child',
    });
    expect(world.rowsIn('child')).toBe(0);
  });

  test('that cannot be described keeps none waiting that refers to tables outside of the group', async () => {
    const world = new GroupWorld({ child: { references: ['outside'] } });
    const group = world.group();
    const source = new MemorySource({ name: 'mute', columns: [], key: [], rows: [] });
    source.describe = () => Promise.reject(new TypeError('mute'));
    group.add({ source, sink: new MemorySink({ database: world.database, table: 'mute' }) });
    expect(statuses(await failedGroup(group))).toEqual({ mute: 'failed', child: 'completed' });
  });

  test('that cannot be described keeps only those waiting that come after it in a given order', async () => {
    const world = new GroupWorld({ before: { references: ['mute'] } });
    const group = world.group({ order: 'given' });
    const source = new MemorySource({ name: 'mute', columns: [], key: [], rows: [] });
    source.describe = () => Promise.reject(new TypeError('mute'));
    group.add({ source, sink: new MemorySink({ database: world.database, table: 'mute' }) });
    expect(statuses(await failedGroup(group))).toEqual({ mute: 'failed', before: 'completed' });
  });

  test('may fail by an adapter that throws what is no error of ours', async () => {
    const world = new GroupWorld({ fine: {} });
    const group = world.group();
    const sink = new MemorySink({ database: world.database, table: 'fine' });
    sink.prepare = () => Promise.reject(new TypeError('odd'));
    group.add({ source: new MemorySource({ name: 'odd', columns: [], key: [], rows: [] }), sink });
    const result = await failedGroup(group);
    expect(statuses(result)).toEqual({ fine: 'completed', odd: 'failed' });
    expect(result.tables[1]).toMatchObject({
      error: { code: 'INTERNAL', place: { migration: 'odd' }, cause: { message: 'odd' } },
    });
  });

  test('plan() tries all tables: one that cannot be planned says why, and does not hide the others', async () => {
    const world = new GroupWorld({ a: { lost: true }, b: {}, c: { lost: true } });
    const { tables, totals } = await world.group().plan();
    expect(tables.map(({ migration, plan, error }) => [migration, plan?.totalRows, error?.code])).toEqual([
      ['a', undefined, 'SINK_TABLE_NOT_FOUND'],
      ['b', 5, undefined],
      ['c', undefined, 'SINK_TABLE_NOT_FOUND'],
    ]);
    expect(tables[0]?.error?.message).toContain('There is no table a.');
    expect(totals).toMatchObject({ tables: 3, failed: 2, rows: 5 });
  });

  test('plan() lists a table first whose source cannot be asked', async () => {
    const world = new GroupWorld({ a: {} });
    const group = world.group();
    const source = new MemorySource({ name: 'mute', columns: [], key: [], rows: [] });
    source.describe = () => Promise.reject(new TypeError('mute'));
    group.add({ source, sink: new MemorySink({ database: world.database, table: 'a' }) });
    const { tables, totals } = await group.plan();
    expect(tables.map(({ migration, error }) => [migration, error?.code])).toEqual([
      ['mute', 'INTERNAL'],
      ['a', undefined],
    ]);
    expect(totals).toMatchObject({ tables: 2, failed: 1, rows: 5 });
  });
});

describe('budget and signal', () => {
  test.each([
    { budget: { batches: 1 }, concurrency: 1 },
    { budget: { batches: 3 }, concurrency: 1 },
    { budget: { rows: 1 }, concurrency: 1 },
    { budget: { rows: 11 }, concurrency: 1 },
    { budget: { milliseconds: 1 }, concurrency: 1 },
    { budget: { batches: 2 }, concurrency: 3 },
  ])(
    'runs with the budget $budget for all tables pause, go on, and end complete: concurrency $concurrency',
    async ({ budget, concurrency }) => {
      const tables = {
        child: { rows: 23, references: ['a'] },
        a: { rows: 17 },
        b: { rows: 9 },
        c: { rows: 2 },
      };
      const slow = { tuning: { batchDelayMs: 3 } };
      const world = new GroupWorld(
        Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, { ...table, ...slow }])),
      );
      let rows = 0;
      let runs = 0;
      for (;;) {
        const result = await world.group({ concurrency }).run({ budget });
        rows += result.totals.rows;
        runs += 1;
        if (result.status === 'completed') break;
        expect(result).toMatchObject({ status: 'paused', reason: 'budget' });
        expect(result.totals.batches, 'the smallest budget makes progress').toBeGreaterThan(0);
        if (concurrency === 1 && budget.batches !== undefined) {
          expect(result.totals.batches).toBeLessThanOrEqual(budget.batches);
        }
        // A batch that is admitted below the limit may cross it.
        if (budget.rows !== undefined) expect(result.totals.rows).toBeLessThan(budget.rows + 4);
        if (concurrency > 1) expect(result.totals.batches).toBeLessThanOrEqual(2 + concurrency);
      }
      expect(runs).toBeGreaterThan(1);
      expect(rows).toBe(51);
      expect((await world.group().verify({ mode: 'full' })).equal).toBe(true);
    },
  );

  test('a budget counts over all tables: the second gets what the first left', async () => {
    const world = new GroupWorld({ a: { rows: 8 }, b: { rows: 8 }, c: { rows: 8 } });
    const result = await world.group().run({ budget: { batches: 3 } });
    expect(statuses(result)).toEqual({ a: 'completed', b: 'paused', c: 'skipped: budget' });
    expect([world.rowsIn('a'), world.rowsIn('b'), world.rowsIn('c')]).toEqual([8, 4, 0]);
  });

  test('a budget that suffices to the last row ends as completed', async () => {
    const world = new GroupWorld({ a: { rows: 8 }, b: { rows: 8 } });
    const budget = { batches: 4, rows: 16 };
    expect(await world.group().run({ budget })).toMatchObject({ status: 'completed', reason: null });
  });

  test('tables that are complete already leave the budget to the others', async () => {
    const world = new GroupWorld({ a: {}, b: {}, c: { references: ['a'] } });
    await world.group({}, { a: {}, b: {} }).run();
    const group = world.group();
    // Only looking at what is complete takes longer than the budget: without its first batch c would never begin.
    for (const migrator of group.migrators.slice(0, 2)) migrator.on('run:start', () => busyFor(5));
    const { totals } = await group.run({ budget: { milliseconds: 1 } });
    expect(totals.batches).toBeGreaterThan(0);
    expect((await world.group().run()).status).toBe('completed');
  });

  test('a signal pauses the group: what runs gives back its work, what waits is not begun', async () => {
    const faults = new CrashPoints();
    const world = new GroupWorld({ a: {}, b: { rows: 25, faults }, c: {}, d: { references: ['b'] } });
    const freeze = faults.freezeAt({ effect: 'sink.commit', nth: 1 }, 'after');
    const controller = new AbortController();
    const run = world.group().run({ signal: controller.signal });
    await freeze.reached;
    controller.abort();
    freeze.thaw();
    const result = await run;
    expect(result).toMatchObject({ status: 'paused', reason: 'signal', totals: { rows: 9, completed: 1 } });
    expect(statuses(result)).toEqual({
      a: 'completed',
      b: 'paused',
      c: 'skipped: signal',
      d: 'skipped: signal',
    });
    expect(world.database.checkpoints.filter(({ status }) => status === 'in_progress')).toEqual([]);
    const tables = { ...world.tables, b: { rows: 25 } };
    expect(await world.group({}, tables).run()).toMatchObject({ status: 'completed', totals: { rows: 31 } });
  });

  test('a signal that was aborted before does nothing at all', async () => {
    const world = new GroupWorld(chain);
    const image = world.image();
    const result = await world.group().run({ signal: AbortSignal.abort() });
    expect(result).toMatchObject({ status: 'paused', reason: 'signal', totals: { tables: 4, skipped: 4 } });
    expect(world.image()).toEqual(image);
  });

  test('a failure says more than a pause: the group has failed, and names both', async () => {
    const world = new GroupWorld({ a: { lost: true }, b: { rows: 20 }, c: {}, d: { references: ['a'] } });
    expect(statuses(await failedGroup(world.group(), { budget: { batches: 1 } }))).toEqual({
      a: 'failed',
      b: 'paused',
      c: 'skipped: budget',
      d: 'skipped: parents a',
    });
  });

  test('a group that was killed anywhere goes on where it stopped', async () => {
    const tables = { child: { rows: 7, references: ['parent'] }, parent: { rows: 7 } };
    const wrapped = (faults: CrashPoints): Record<string, Table> => ({
      child: { ...tables.child, faults },
      parent: { ...tables.parent, faults },
    });
    const counting = new CrashPoints();
    await new GroupWorld(wrapped(counting)).group().run();
    expect(counting.count).toBeGreaterThan(10);
    for (let n = 1; n <= counting.count; n += 1) {
      const world = new GroupWorld(wrapped(new CrashPoints().at(n, 'after')));
      await world
        .group()
        .run()
        .catch(() => undefined);
      const later = Date.now() + 600_000;
      world.database.now = () => later;
      const complete = world.rowsIn('parent') === 7;
      expect(world.rowsIn('child') === 0 || complete, `crash at ${n}: no child before its parents`).toBe(
        true,
      );
      expect((await world.group({}, tables).run()).status).toBe('completed');
      expect((await world.group({}, tables).verify({ mode: 'full' })).equal).toBe(true);
    }
  });
});

describe('several tables at the same time', () => {
  test('run together up to the limit, and children wait for their parents', async () => {
    const faults = { a: new CrashPoints(), b: new CrashPoints() };
    const world = new GroupWorld({
      a: { faults: faults.a },
      child: { references: ['a'] },
      b: { faults: faults.b },
      c: {},
    });
    const commit = { effect: 'sink.commit', nth: 1 } as const;
    const freezes = [faults.a.freezeAt(commit, 'before'), faults.b.freezeAt(commit, 'before')];
    const group = world.group({ concurrency: 2 });
    const started: string[] = [];
    for (const migrator of group.migrators) {
      migrator.on('run:start', ({ migration }) => started.push(migration));
    }
    const run = group.run();
    // Both are in the middle of a batch at the same moment: neither waits for the other.
    await Promise.all(freezes.map(({ reached }) => reached));
    expect(started).toEqual(['a', 'b']);
    for (const { thaw } of freezes) thaw();
    expect(await run).toMatchObject({ status: 'completed', totals: { rows: 20 } });
    expect(started.indexOf('child')).toBeGreaterThan(1);
  });
});

describe('options', () => {
  test('two tables of one name in one store are refused before anything is written', async () => {
    const world = new GroupWorld({ a: {}, b: { tuning: { name: 'a' } } });
    const image = world.image();
    for (const method of ['run', 'plan'] as const) {
      const error = await failure(world.group()[method]());
      expect(error).toMatchObject({ code: 'INVALID_OPTION', place: { migration: 'a' } });
      expect(error.help).toContain('name');
    }
    expect(world.image()).toEqual(image);
  });

  test('two tables of one name in two stores are two migrations', async () => {
    const one = new GroupWorld({ a: {} });
    const other = new GroupWorld({ a: { rows: 3 } });
    const group = one.group();
    const [columns, key] = [
      [{ name: 'id', type: 'integer', nativeType: 'int8', nullable: false }],
      ['id'],
    ] as const;
    group.add({
      source: new MemorySource({ name: 'a', columns, key, rows: [['1']] }),
      sink: new MemorySink({ database: other.database, table: 'a' }),
    });
    expect((await group.run()).totals).toMatchObject({ completed: 2, rows: 6 });
    expect([one.rowsIn('a'), other.rowsIn('a')]).toEqual([5, 1]);
  });

  test.each([
    () => new MigrationGroup({ concurrency: 0 }),
    () => new MigrationGroup({ concurrency: 1.5 }),
    () => new MigrationGroup({ order: 'alphabetical' as 'given' }),
    () => new MigrationGroup({ concurency: 2 } as object),
  ])('what cannot work is refused at once: %s', (make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test('a group without tables, and a budget of nothing, are refused', async () => {
    const group = new MigrationGroup();
    const calls = [() => group.run(), () => group.plan(), () => group.verify(), () => group.repair()];
    for (const call of calls) expect((await failure(call())).code).toBe('INVALID_OPTION');
    const world = new GroupWorld({ a: {} });
    expect((await failure(world.group().run({ budget: { rows: 0 } }))).code).toBe('INVALID_OPTION');
  });

  test('an option that a call does not take is refused before anything is read or written', async () => {
    const world = new GroupWorld({ a: { rows: 3 } });
    const group = world.group();
    const calls = [
      ['budgets', () => group.run({ budgets: { rows: 1 } } as object)],
      ['budget', () => group.verify({ budget: { rows: 1 } } as object)],
      ['from', () => group.repair({ from: 2 } as object)],
    ] as const;
    for (const [option, call] of calls) {
      const { code, message } = await failure(call());
      expect([code, message]).toEqual(['INVALID_OPTION', `The call takes no ${option}.`]);
    }
    expect(world.rowsIn('a')).toBe(0);
    // All that it takes, taken.
    const signal = new AbortController().signal;
    const run = await group.run({ signal, budget: { rows: 100 }, beforeTable: () => undefined });
    expect(run.status).toBe('completed');
    expect((await group.verify({ signal, mode: 'count' })).equal).toBe(true);
    expect((await group.repair({ signal, mode: 'count' })).equal).toBe(true);
  });
});

describe('status and verify', () => {
  test('status() is the sum of the tables, each as its own migrator tells', async () => {
    const world = new GroupWorld({ a: { rows: 20 }, b: { rows: 10 } });
    const group = world.group();
    expect(await group.status()).toMatchObject({ rows: 0, percent: 0, checkpoints: { total: 0 } });
    await group.run({ budget: { rows: 12 } });
    await group.run({ budget: { rows: 12 } });
    const status = await group.status();
    expect(status).toMatchObject({ rows: 28, checkpoints: { total: 3, completed: 2, pending: 1 } });
    expect(status.tables).toEqual(await Promise.all(group.migrators.map((migrator) => migrator.status())));
  });

  test('verify() compares every table, and one that differs makes the group unequal', async () => {
    const world = new GroupWorld({ a: {}, b: {} });
    await world.group().run();
    expect(await world.group().verify()).toMatchObject({ equal: true });
    const rows = world.database.tables.get('b')?.rows;
    rows?.delete([...rows.keys()][0] ?? '');
    const { equal, tables } = await world.group().verify({ mode: 'full' });
    expect(equal).toBe(false);
    expect(tables).toMatchObject([
      { result: { migration: 'a', equal: true }, error: null },
      { result: { migration: 'b', equal: false, missing: [{ key: ['-5'] }] }, error: null },
    ]);
  });

  test('a table that cannot be compared is named, and the others are compared', async () => {
    const world = new GroupWorld({ a: {}, b: {}, c: {} });
    await world.group({}, { a: {}, c: {} }).run();
    const { equal, tables } = await world.group().verify();
    expect(equal).toBe(false);
    expect(tables.map(({ result, error }) => result?.equal ?? error?.code)).toEqual([
      true,
      'PLAN_MISSING',
      true,
    ]);
  });

  test('a signal ends verify() and plan() as it ends those of a migrator', async () => {
    const world = new GroupWorld({ a: {} });
    const signal = AbortSignal.abort();
    for (const method of ['verify', 'plan'] as const) {
      expect(await rejection(world.group()[method]({ signal }))).toBe(signal.reason);
    }
  });
});
