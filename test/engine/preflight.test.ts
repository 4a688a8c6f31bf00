import { expect, test } from 'vitest';
import {
  type KeyRange,
  MigratorError,
  type PlanPreview,
  ResumableMigrator,
  type Source,
} from 'resumable-migrator';
import { rejection, someRows, World } from './world.ts';

/** The source of a world, changed in what a test is about. */
function planWith(
  world: World,
  change: Partial<Source>,
  options: Parameters<ResumableMigrator<object, object>['plan']>[0] = {},
): Promise<PlanPreview> {
  const source = world.source();
  const changed: Source = {
    describe: (context) => source.describe(context),
    ranges: (request, context) => source.ranges(request, context),
    readPage: (request, context) => source.readPage(request, context),
    countRows: (range, context) => source.countRows(range, context),
    ...change,
  };
  return new ResumableMigrator({
    source: changed,
    sink: world.sink(),
    checkpointSize: 10,
    retry: { baseMs: 1 },
  }).plan(options);
}

/** Never answers before the signal ends it. */
function forever<T>(signal: AbortSignal | undefined): Promise<T> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

test('a walk that takes long is given up, and the rest of the checkpoints is estimated', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const plan = await planWith(world, {
    async *ranges(request, context): AsyncGenerator<readonly KeyRange[], void> {
      for await (const ranges of world.source().ranges(request, context)) {
        yield ranges;
        if (request.size === 10 && ranges[0]?.upper[0] === '24') await forever(context?.signal);
      }
    },
  });
  expect(plan).toMatchObject({
    newCheckpoints: 10,
    checkpoints: 10,
    newCheckpointsExact: false,
    newRange: null,
    findings: [],
  });
});

test('an exact count waits for the last checkpoint', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const plan = await planWith(
    world,
    {
      describe: async () => ({ ...(await world.source().describe()), estimatedRows: 7 }),
      async *ranges(request, context): AsyncGenerator<readonly KeyRange[], void> {
        // No deadline is set where none is wanted.
        if (request.size === 10) expect(context?.signal).toBeUndefined();
        yield* world.source().ranges(request, context);
      },
    },
    { exactCount: true },
  );
  expect(plan).toMatchObject({
    newCheckpoints: 10,
    newCheckpointsExact: true,
    totalRows: 95,
    totalRowsExact: true,
  });
});

test('reading pages that takes long is given up, and the plan says how little was seen', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const plan = await planWith(world, { readPage: (_request, context) => forever(context?.signal) });
  expect(plan).toMatchObject({ values: { choice: 'sample', rows: 0 }, totalRows: 95, findings: [] });
});

test('a signal of the host ends a look in progress with its own reason', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const controller = new AbortController();
  const error = await rejection(
    planWith(
      world,
      {
        readPage: (_request, context) => {
          queueMicrotask(() => controller.abort(new Error('enough')));
          return forever(context?.signal);
        },
      },
      { signal: controller.signal },
    ),
  );
  expect(error).toBe(controller.signal.reason);
});

test('an error of the source ends the plan: it is no finding', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const broken = new MigratorError('SOURCE_FAILED', 'broken', { help: 'Mend it.' });
  expect(await rejection(planWith(world, { readPage: () => Promise.reject(broken) }))).toBe(broken);
});

test('a page that fails in passing is read again, and counted once', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  let calls = 0;
  const readPage: Source['readPage'] = (request, context) => {
    calls += 1;
    if (calls % 3 !== 1) return world.source().readPage(request, context);
    const help = 'Wait.';
    return Promise.reject(new MigratorError('SOURCE_UNREACHABLE', 'away', { help, retryable: true }));
  };
  const all = await planWith(world, { readPage }, { values: 'all' });
  expect(all).toMatchObject({ totalRows: 95, totalRowsExact: true, values: { rows: 95 } });
  // Ten checkpoints: of more ranges than eight every second one is looked at, and the last.
  expect((await planWith(world, { readPage })).values.rows).toBe(55);
});

test('a row that is too large is a finding of the plan, and stops a run, whoever sees it first', async () => {
  const rows = someRows(30).with(20, ['15', 'x'.repeat(200)]);
  const world = new World({ rows, mode: 'upsert', maxRowBytes: 100 });
  const found = { code: 'ROW_TOO_LARGE', severity: 'error', column: null };
  const bySample = await planWith(world, {});
  expect(bySample.findings).toMatchObject([found]);
  expect(bySample.findings[0]?.message).toContain(
    '1 of the 30 rows that were looked at; the first has the key 15.',
  );
  const both = await planWith(world, { findOversizedRow: () => Promise.resolve(['15']) });
  expect(both.findings).toEqual(bySample.findings);
  const small = new World({ rows: 30, mode: 'upsert' });
  const bySource = await planWith(small, { findOversizedRow: () => Promise.resolve(['7']) });
  expect(bySource.findings).toMatchObject([found]);
  expect(bySource.findings[0]?.message).toContain('key 7');
  const none = await planWith(small, { findOversizedRow: () => Promise.resolve(['7']) }, { values: 'none' });
  expect(none.findings).toEqual([]);
});

test('everything that keeps a run from beginning is found at once', async () => {
  const world = new World({ rows: 30, mode: 'insert', atomic: false });
  world.table.rows.set('a stranger', ['-5', 'was here']);
  const { findings } = await world.migrator().plan();
  expect(findings.map(({ code, severity }) => [code, severity])).toEqual([
    ['DELIVERY_REFUSED', 'error'],
    ['SINK_NOT_EMPTY', 'error'],
  ]);
  expect(await rejection(world.migrator().run())).toMatchObject({ code: 'DELIVERY_REFUSED' });
});

test('an option that is none of the three is refused', async () => {
  const world = new World({ rows: 3, mode: 'upsert' });
  const error = await rejection(world.migrator().plan({ values: 'some' as 'all' }));
  expect(error).toMatchObject({ code: 'INVALID_OPTION', message: 'values must not be "some".' });
});

test('a source without rows has an empty plan', async () => {
  const world = new World({ rows: 0, mode: 'upsert' });
  for (const values of ['sample', 'all', 'none'] as const) {
    expect(await world.migrator().plan({ values })).toMatchObject({
      totalRows: 0,
      checkpoints: 0,
      newRange: null,
      findings: [],
      values: { choice: values, rows: 0 },
    });
  }
});
