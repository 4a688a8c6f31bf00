import { expect, test } from 'vitest';
import { MigratorError } from 'resumable-migrator';
import { type MigrationRecord, recordRun } from 'resumable-migrator/report';
import { CrashPoints } from 'resumable-migrator/testing';
import { rejection, World } from '../engine/world.ts';
import { Random } from '../support/random.ts';

const busy = new MigratorError('SINK_OVERLOADED', 'Too busy.', { help: 'Wait.', retryable: true });
const broken = new MigratorError('SINK_FAILED', 'no such thing: "x"', { help: 'Look at x.' });

/** How many checkpoints are in which state, by the strip. */
function stripOf({ checkpoints }: MigrationRecord): Record<string, number> {
  const sums = { pending: 0, inProgress: 0, completed: 0, failed: 0 };
  for (const cell of checkpoints) {
    for (const state of ['pending', 'inProgress', 'completed', 'failed'] as const) sums[state] += cell[state];
  }
  return sums;
}

function seriesRows({ series }: MigrationRecord): number {
  return (series?.slots ?? []).reduce((sum, { rows }) => sum + rows, 0);
}

test('a record of a run has what the run came to, and survives JSON', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const migrator = world.migrator();
  const recorder = recordRun(migrator);
  const result = await migrator.run();
  const record = recorder.toJSON();
  expect(record).toMatchObject({
    version: 1,
    migration: result.migration,
    delivery: 'exactly-once',
    checkpointSize: 10,
    progress: { rows: 35, written: 35, percent: 100, checkpoints: { total: 4, completed: 4 } },
    totals: { runs: 1, rows: 35, written: 35, batches: result.batches, retries: 0, failures: 0 },
    runs: [{ status: 'completed', reason: null, rows: 35, batches: result.batches }],
    failures: [],
    error: null,
  });
  expect(seriesRows(record)).toBe(35);
  expect(stripOf(record)).toEqual({ pending: 0, inProgress: 0, completed: 4, failed: 0 });
  expect(JSON.parse(JSON.stringify(record))).toEqual(record);
});

test('retries, failures and what the next run mends are told, and the strip follows', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const faults = new CrashPoints();
  faults.failAt({ effect: 'sink.commit', nth: 1 }, 'before', busy);
  faults.failAt({ effect: 'sink.commit', nth: 3 }, 'before', broken);
  const migrator = world.migrator({}, faults);
  const recorder = recordRun(migrator);
  const error = await rejection(migrator.run());
  recorder.failed(error);
  const failed = recorder.toJSON();
  expect(failed.retries).toMatchObject([{ code: 'SINK_OVERLOADED', count: 1, message: 'Too busy.' }]);
  expect(failed.failures).toMatchObject([
    { code: 'SINK_FAILED', message: expect.stringContaining('no such thing') as unknown },
  ]);
  // That checkpoints failed is known from them; the error would say it twice.
  expect(failed.error).toBe(null);
  expect(failed.runs.at(-1)?.status).toBe('failed');
  expect(stripOf(failed)).toEqual({ pending: 0, inProgress: 0, completed: 3, failed: 1 });

  await migrator.run();
  const mended = recorder.toJSON();
  expect(mended.failures).toEqual([]);
  expect(stripOf(mended)).toEqual({ pending: 0, inProgress: 0, completed: 4, failed: 0 });
  expect(mended.runs.map(({ status }) => status)).toEqual(['failed', 'completed']);
  expect(seriesRows(mended)).toBe(35);
});

test('a paused run gives back what it had claimed, and the record of the next process knows what was done', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const first = world.migrator();
  const recorder = recordRun(first);
  await first.run({ budget: { rows: 42 } });
  const paused = recorder.toJSON();
  expect(paused.runs).toMatchObject([{ status: 'paused', reason: 'budget' }]);
  const { completed } = paused.progress?.checkpoints ?? { completed: -1 };
  expect(completed).toBeGreaterThan(0);
  expect(stripOf(paused)).toEqual({ pending: 10 - completed, inProgress: 0, completed, failed: 0 });

  const second = world.migrator();
  const next = recordRun(second);
  await second.run();
  expect(stripOf(next.toJSON())).toEqual({ pending: 0, inProgress: 0, completed: 10, failed: 0 });
  expect(next.toJSON().totals.rows + paused.totals.rows).toBe(95);
});

test('a run that ends before it begins is one of its own, and takes nothing away from what is known', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const faults = new CrashPoints();
  faults.failAt({ effect: 'source.describe', nth: 2 }, 'before', broken);
  const migrator = world.migrator({}, faults);
  const recorder = recordRun(migrator);
  await migrator.run({ budget: { rows: 42 } });
  const before = recorder.toJSON();
  const error = await rejection(migrator.run());
  recorder.failed(error);
  const after = recorder.toJSON();
  expect(after.runs).toMatchObject([before.runs[0], { status: 'failed', rows: 0 }]);
  expect(after.runs).toHaveLength(2);
  expect(after.totals.runs).toBe(2);
  expect(after.progress).toEqual(before.progress);
  expect(stripOf(after)).toEqual(stripOf(before));
  expect(after.error).toMatchObject({ code: 'SINK_FAILED' });
});

test('a record is made of durable state alone, with every checkpoint and failure', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const faults = new CrashPoints();
  faults.failAt({ effect: 'sink.commit', nth: 8 }, 'before', broken);
  await rejection(world.migrator({}, faults).run());
  const image = world.image();
  const recorder = recordRun(world.migrator());
  await recorder.load();
  const record = recorder.toJSON();
  expect(record).toMatchObject({
    runs: [],
    series: null,
    totals: { runs: 0 },
    failures: [{ code: 'SINK_FAILED', at: null }],
  });
  expect(stripOf(record)).toEqual({ pending: 0, inProgress: 0, completed: 9, failed: 1 });
  expect(record.checkpoints.findIndex(({ failed }) => failed === 1) + 1).toBe(record.failures[0]?.seq);
  expect(world.image()).toEqual(image);
});

test('a listing of checkpoints that breaks off leaves what was known', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const migrator = world.migrator();
  const recorder = recordRun({
    on: (event, listener) => migrator.on(event, listener),
    off: (event, listener) => migrator.off(event, listener),
    status: () => migrator.status(),
    async *checkpoints() {
      for await (const checkpoint of migrator.checkpoints()) {
        if (checkpoint.seq === 4) throw broken;
        yield checkpoint;
      }
    },
  });
  await migrator.run();
  expect(await rejection(recorder.load())).toBe(broken);
  expect(stripOf(recorder.toJSON())).toEqual({ pending: 0, inProgress: 0, completed: 10, failed: 0 });
});

test('a migration that does not exist is a record of nothing', async () => {
  const recorder = recordRun(new World({ rows: 3, mode: 'upsert' }).migrator());
  await recorder.load();
  expect(recorder.toJSON()).toMatchObject({ checkpoints: [], failures: [], progress: { rows: 0 } });
});

test('after detaching nothing is heard any more, and before that the migrator is not changed', async () => {
  const migrator = new World({ rows: 35, mode: 'insert' }).migrator();
  using recorder = recordRun(migrator);
  recorder.detach();
  await migrator.run();
  expect(recorder.toJSON()).toMatchObject({ runs: [], totals: { batches: 0 }, series: null });
});

test('what a comparison found is kept with its first examples', async () => {
  const world = new World({ rows: 95, mode: 'upsert' });
  const migrator = world.migrator();
  const recorder = recordRun(migrator);
  await migrator.run();
  recorder.verified(await migrator.verify({ mode: 'full' }));
  expect(recorder.toJSON().verification).toMatchObject({ equal: true, complete: true, examples: [] });
  for (let id = 0; id < 30; id += 1) world.table.rows.delete(JSON.stringify([String(id)]));
  world.table.rows.set(JSON.stringify(['44']), ['44', 'changed']);
  recorder.verified(await migrator.verify({ mode: 'full' }));
  const { verification } = recorder.toJSON();
  expect(verification).toMatchObject({ equal: false, counts: { missing: 30, different: 1, extra: 0 } });
  expect(verification?.examples).toHaveLength(11);
  expect(verification?.examples.at(-1)).toEqual({ kind: 'different', seq: 5, place: '44', detail: 'name' });
  recorder.verified(await migrator.verify());
  expect(recorder.toJSON().verification).toMatchObject({
    mode: 'count',
    equal: false,
    differingCheckpoints: 4,
  });
});

test('rows that were set aside are counted, and their values are not kept', async () => {
  const world = new World({ rows: 20, mode: 'upsert' });
  const migrator = world.migrator({
    onReject: 'set-aside',
    transform: {
      version: '1',
      map: (row: Record<string, unknown>) =>
        String(row['id']).endsWith('3') ? { ...row, name: 'secret'.repeat(2), id: {} } : row,
    },
  });
  const recorder = recordRun(migrator);
  await migrator.run();
  const record = recorder.toJSON();
  expect(record.totals.rejected).toBeGreaterThan(0);
  expect(record.rejects).toHaveLength(1);
  expect(record.rejects[0]?.rows).toBe(record.totals.rejected);
  expect(JSON.stringify(record)).not.toContain('secret');
});

test('the record keeps all sums and no more slots, runs or retries, however much happens', async () => {
  const seed = Date.now() % 100_000;
  const random = new Random(seed);
  const listeners = new Map<string, (payload: never) => unknown>();
  let now = 1_000_000;
  const recorder = recordRun(
    {
      on: (event, listener) => listeners.set(event, listener),
      off: (event) => listeners.delete(event),
      status: () => Promise.reject(broken),
      checkpoints: () => {
        throw broken;
      },
    },
    { now: () => now },
  );
  const emit = (event: string, payload: unknown): unknown => listeners.get(event)?.(payload as never);
  let rows = 0;
  let retries = 0;
  for (let index = 0; index < 20_000; index += 1) {
    now += random.whole(0, 90_000);
    if (index % 500 === 0) emit('run:start', { migration: 'm', source: 's', sink: 'd' });
    const some = random.whole(1, 9_999);
    rows += some;
    emit('batch:committed', { rows: some, written: some, rejected: 0, bytes: 1, milliseconds: 3 });
    if (random.whole(0, 9) > 0) continue;
    retries += 1;
    emit('retry', { code: `C${index}`, operation: 'o', delayMs: 1, message: 'm' });
    emit('batch:limit', { rows: 1, previous: 2, reason: 'slow' });
    emit('checkpoint:failed', {
      migration: 'm',
      seq: index + 1,
      range: { lower: null, upper: ['1'] },
      cursor: null,
      code: 'C',
      message: 'm',
    });
  }
  const record = recorder.toJSON();
  expect(seriesRows(record), `seed ${seed}`).toBe(rows);
  expect(
    record.series?.slots.reduce((sum, slot) => sum + slot.retries, 0),
    `seed ${seed}`,
  ).toBe(retries);
  expect(record.totals).toMatchObject({ rows, retries, batches: 20_000, runs: 40 });
  expect(record.series?.slots.length).toBeLessThanOrEqual(120);
  expect(record.series?.slots.length).toBeGreaterThan(60);
  // The last slot is the one in which the last event happened.
  const { slotMs = 0, slots = [], start = '' } = record.series ?? {};
  expect(Math.floor((now - Date.parse(start)) / slotMs), `seed ${seed}`).toBe(slots.length - 1);
  expect(record.runs).toHaveLength(20);
  expect([record.retries.length, record.limits.length, record.failures.length]).toEqual([50, 50, 100]);
  expect(record.checkpoints.length).toBeLessThanOrEqual(240);
  expect(JSON.stringify(record).length).toBeLessThan(120_000);
});
