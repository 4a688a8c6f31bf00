import type { CheckpointStore, RowShape, TextRow } from '../contract/index.ts';
import { isMigratorError } from '../errors.ts';
import { equal, ok, present, rejects } from './check.ts';
import { storedOf } from './plans.ts';
import {
  benchOf,
  type SinkFixture,
  sinkRow,
  sinkRows,
  sinkSuiteShape,
  type SinkSuiteOptions,
  type SinkTest,
} from './sink-fixture.ts';
import { atLeastOnceTests, exactlyOnceTests } from './sink-suite-delivery.ts';
import { groupTests, rejectTests } from './sink-suite-groups.ts';
import { abortedSignal, withFixture } from './suite.ts';

/**
 * Checks a `Sink` against the contract: values that arrive as they left, batches that keep their limits, and
 * the delivery that the sink declares.
 *
 * @throws Error where a sink declares what it cannot keep: rows that are only added, without a transaction.
 * @example
 * ```ts
 * for (const mode of ['upsert', 'insert'] as const) {
 *   describe(`MySink, ${mode}`, () => {
 *     sinkSuite({
 *       test,
 *       mode,
 *       create: async () => {
 *         const database = await databaseWithTable(`(id INTEGER ${mode === 'upsert' ? 'PRIMARY KEY' : ''}, name, note)`);
 *         return { sink: new MySink({ database }), readRows: () => database.allRows() };
 *       },
 *     });
 *   });
 * }
 * ```
 */
export function sinkSuite(options: SinkSuiteOptions): void {
  const { test, create, mode, atomic = true } = options;
  if (!atomic && mode === 'insert') {
    throw new Error(
      'Without a transaction rows can arrive twice, so a sink that only adds rows cannot be checked.',
    );
  }
  const checkFixture = withFixture(test, create);
  const check: SinkTest = (name, run) =>
    checkFixture(name, async (fixture) => await run(await benchOf(fixture)));
  prepareTests(checkFixture, check, options);
  encoderTests(check);
  groupTests(check);
  rejectTests(check, atomic);
  contentTests(check, options);
  if (atomic) exactlyOnceTests(check, mode);
  else atLeastOnceTests(check);
}

function prepareTests(
  checkFixture: (name: string, run: (fixture: SinkFixture) => Promise<void>) => void,
  check: SinkTest,
  { mode, atomic = true }: SinkSuiteOptions,
): void {
  checkFixture('preparing a sink checks the table and writes nothing', async ({ sink, readRows }) => {
    const target = await sink.prepare(sinkSuiteShape);
    equal(target.mode, mode, 'the mode');
    ok(target.identity !== '', 'identity must not be empty');
    ok(target.maxRowBytes > 0, `maxRowBytes is ${target.maxRowBytes}`);
    equal(await target.isEmpty(), true, 'isEmpty() of a new table');
    equal(await target.countRows(), 0, 'countRows() of a new table');
    equal(await sink.checkpoints.readPlan(sinkSuiteShape.migration), null, 'the plan after prepare()');
    await target.create();
    await target.create();
    equal(await readRows(), [], 'the rows after create()');
  });

  checkFixture(
    'a column that the table lacks is refused before anything is written',
    async ({ sink, readRows }) => {
      const column = { name: 'a "missing" one', type: 'text', nativeType: 'text', nullable: true } as const;
      const shape: RowShape = { ...sinkSuiteShape, columns: [...sinkSuiteShape.columns, column] };
      // Thrown, or found: the engine makes the same error of a finding.
      const refusals = await sink.prepare(shape).then(
        ({ findings = [] }) => findings.filter(({ severity }) => severity === 'error'),
        (error: unknown) => {
          ok(isMigratorError(error), `the error is no MigratorError: ${String(error)}`);
          return [error];
        },
      );
      equal(
        refusals.map(({ code }) => code),
        ['SINK_COLUMN_MISSING'],
        'the refusals of prepare() with a column that the table lacks',
      );
      const { message } = present(refusals[0], 'a refusal');
      ok(message.includes(column.name), `the message does not name the column: ${message}`);
      equal(await readRows(), [], 'the rows after a refusal');
    },
  );

  check(
    'a sink gives the delivery that it declares, and at-least-once with a store of another kind',
    async (bench) => {
      equal(bench.delivery, atomic ? 'exactly-once' : 'at-least-once', 'delivery() with the own store');
      const foreign = { identity: 'elsewhere' } as CheckpointStore;
      equal(bench.target.delivery(foreign), 'at-least-once', 'delivery() with a store of another kind');
    },
  );
}

function encoderTests(check: SinkTest): void {
  check('a batch holds what was added since the last, and no more rows than asked for', ({ target }) => {
    const encoder = target.encoder(3);
    const sizes: number[] = [];
    for (const row of sinkRows.slice(0, 8)) {
      if (!encoder.add(row)) {
        equal(encoder.rows, 3, 'rows in the encoder when it is full');
        const batch = encoder.take();
        ok(batch.bytes > 0, `bytes of a batch of ${batch.rows} rows: ${batch.bytes}`);
        sizes.push(batch.rows);
        equal(encoder.rows, 0, 'rows in the encoder after take()');
        ok(encoder.add(row), 'a row does not fit into an empty batch');
      }
    }
    sizes.push(encoder.take().rows);
    equal(sizes, [3, 3, 2], 'rows of the batches of 8 rows');
    return Promise.resolve();
  });

  check('a row that no batch can hold is refused, and the encoder goes on without it', async (bench) => {
    const { target, holds } = bench;
    if (target.maxRowBytes > 100_000_000) return;
    const huge: TextRow = ['5', 'x'.repeat(target.maxRowBytes + 1), null];
    const encoder = target.encoder();
    const refuse = async (): Promise<void> => {
      const error = await rejects(
        async () => Promise.resolve(encoder.add(huge)),
        'add() of a row that is too large',
      );
      ok(isMigratorError(error), `the error is no MigratorError: ${String(error)}`);
      equal(error.code, 'ROW_TOO_LARGE', 'the code of the error');
    };
    await refuse();
    ok(encoder.add(sinkRow(0)) && encoder.add(sinkRow(1)), 'add() after a refused row');
    equal(encoder.rows, 2, 'rows in the encoder after a refused row and two others');
    // Beside others the encoder may ask for a batch of its own first.
    ok(!addsOrRefuses(() => encoder.add(huge)), 'a row that is too large was added beside others');
    const batch = encoder.take();
    await refuse();
    equal(
      await bench.deliver(batch, bench.advance(sinkRow(1))),
      'committed',
      'the batch without the refused row',
    );
    await holds(sinkRows.slice(0, 2), 'the rows beside the refused one');
  });
}

function contentTests(check: SinkTest, { mode, countsRanges = true }: SinkSuiteOptions): void {
  check('rows arrive exactly as they left, and the checkpoint counts them', async (bench) => {
    const { store, target, checkpoint } = bench;
    const first = sinkRows.slice(0, 5);
    const [to, end] = [sinkRow(4), sinkRow(sinkRows.length - 1)];
    equal(
      await bench.deliver(bench.batch(first), bench.advance(to, { rows: 5 })),
      'committed',
      'the first batch',
    );
    await bench.holds(first, 'the rows of the first batch');
    const between = { ...checkpoint, cursor: [to[0]], recordsProcessed: 5, recordsWritten: 5 };
    equal(
      await store.read(sinkSuiteShape.migration, checkpoint.id),
      between,
      'the checkpoint after the first batch',
    );
    const rest = sinkRows.slice(5);
    const last = bench.advance(end, { from: [to[0] ?? ''], rows: rest.length, complete: true });
    equal(await bench.deliver(bench.batch(rest), last), 'committed', 'the last batch');
    await bench.holds(sinkRows, 'the rows of both batches');
    const completed = {
      ...between,
      status: 'completed',
      cursor: [end[0]],
      recordsProcessed: sinkRows.length,
      recordsWritten: sinkRows.length,
    };
    equal(await store.read(sinkSuiteShape.migration, checkpoint.id), completed, 'the completed checkpoint');
    equal(await target.isEmpty(), false, 'isEmpty() of a table with rows');
  });

  check('rows are counted, of the whole table and of a range', async (bench) => {
    const { target } = bench;
    await target.write(bench.batch(sinkRows));
    equal(await target.countRows(), sinkRows.length, 'countRows() of the table');
    const counts: (number | null)[] = [];
    for (const [from, to] of [
      [-1, 0],
      [-1, 11],
      [2, 5],
      [9, 10],
      [11, 11],
    ] as const) {
      for (const inclusive of [true, false]) {
        const lower = from < 0 ? null : { key: [sinkRow(from)[0] ?? ''], inclusive };
        counts.push(await target.countRows({ lower, upper: [sinkRow(to)[0] ?? ''] }));
      }
    }
    const expected = [1, 1, 12, 12, 4, 3, 2, 1, 1, 0];
    equal(counts, countsRanges ? expected : expected.map(() => null), 'countRows() of ranges');
  });

  check('a batch can be written alone, and leaves the checkpoint where it stands', async (bench) => {
    const before = await storedOf(bench.store, sinkSuiteShape.migration);
    await bench.target.write(bench.batch(sinkRows.slice(0, 3)));
    await bench.holds(sinkRows.slice(0, 3), 'the rows that were written');
    equal(await storedOf(bench.store, sinkSuiteShape.migration), before, 'the checkpoint after write()');
  });

  check('a call with an aborted signal is rejected and writes nothing', async (bench) => {
    const { target, store } = bench;
    const context = { signal: abortedSignal() };
    const before = await storedOf(store, sinkSuiteShape.migration);
    const batch = bench.batch(sinkRows.slice(0, 3));
    const advance = bench.advance(sinkRow(2));
    await rejects(() => target.commit(batch, advance, context), 'commit() with an aborted signal');
    await rejects(() => target.write(batch, context), 'write() with an aborted signal');
    await rejects(() => target.countRows(undefined, context), 'countRows() with an aborted signal');
    await rejects(() => target.isEmpty(context), 'isEmpty() with an aborted signal');
    await rejects(() => bench.sink.prepare(sinkSuiteShape, context), 'prepare() with an aborted signal');
    await bench.holds([], 'the rows after calls with an aborted signal');
    equal(await storedOf(store, sinkSuiteShape.migration), before, 'the checkpoint');
  });

  if (mode === 'insert') return;
  check(
    'a row that is there already is overwritten, and a batch can be sent again unchanged',
    async (bench) => {
      const { target, batch, holds } = bench;
      const first = batch(sinkRows.slice(0, 4));
      await target.write(first);
      await target.write(first);
      await holds(sinkRows.slice(0, 4), 'the rows of a batch that was written twice');
      const changed: TextRow[] = [
        ['0', 'changed', null],
        ['4', 'added', ''],
      ];
      await target.write(batch(changed));
      await holds([...sinkRows.slice(0, 3), ...changed], 'the rows after one was changed and one added');
    },
  );
}

function addsOrRefuses(add: () => boolean): boolean {
  try {
    return add();
  } catch {
    return false;
  }
}
