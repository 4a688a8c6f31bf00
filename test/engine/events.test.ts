import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { MigrationEvents, ProgressEvent } from 'resumable-migrator';
import { CrashPoints } from 'resumable-migrator/testing';
import { World } from './world.ts';

const names = [
  'run:start',
  'plan:ready',
  'checkpoint:claimed',
  'checkpoint:completed',
  'batch:committed',
  'progress',
  'run:end',
] as const satisfies readonly (keyof MigrationEvents)[];

test('events tell the run in order', async () => {
  const world = new World({ rows: 13, mode: 'insert' });
  const migrator = world.migrator();
  const told: string[] = [];
  for (const name of names) if (name !== 'progress') migrator.on(name, () => told.push(name));
  const result = await migrator.run();
  const [claimed, committed, completed] = ['checkpoint:claimed', 'batch:committed', 'checkpoint:completed'];
  expect(told).toEqual([
    'run:start',
    'plan:ready',
    claimed,
    committed,
    committed,
    committed,
    completed,
    claimed,
    committed,
    completed,
    'run:end',
  ]);
  expect(result.failures).toEqual([]);
});

test('events carry what happened', async () => {
  const world = new World({ rows: 13, mode: 'insert' });
  const migrator = world.migrator({ name: 'mine' });
  const first = new Map<string, unknown>();
  for (const name of names) migrator.once(name, (payload) => first.set(name, payload));
  const result = await migrator.run();
  const range = { lower: null, upper: ['4'] };
  expect(first.get('run:start')).toMatchObject({
    migration: 'mine',
    source: 'memory memory',
    sink: 'memory t',
    delivery: 'exactly-once',
    concurrency: 1,
  });
  expect(first.get('plan:ready')).toMatchObject({
    checkpointSize: 10,
    added: 2,
    progress: { rows: 0, percent: 0 },
  });
  expect(first.get('checkpoint:claimed')).toEqual({
    migration: 'mine',
    seq: 1,
    range,
    cursor: null,
    rows: 0,
  });
  expect(first.get('batch:committed')).toMatchObject({ seq: 1, cursor: ['-2'], rows: 4, checkpointRows: 4 });
  expect(first.get('checkpoint:completed')).toEqual({
    migration: 'mine',
    seq: 1,
    range,
    cursor: ['4'],
    rows: 10,
  });
  expect(first.get('run:end')).toBe(result);
});

test('the last progress event stands at the end, and a resumed run counts the rows of the one before', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const last = async (batches?: number): Promise<ProgressEvent | undefined> => {
    const migrator = world.migrator();
    const events: ProgressEvent[] = [];
    migrator.on('progress', (event) => events.push(event));
    await migrator.run(batches === undefined ? {} : { budget: { batches } });
    for (const { percent, rows, totalRows } of events) {
      expect(percent).toBeLessThanOrEqual(100);
      expect(rows).toBeLessThanOrEqual(totalRows);
    }
    return events.at(-1);
  };
  expect(await last(4)).toMatchObject({
    rows: 14,
    runRows: 14,
    totalRows: 35,
    percent: 40,
    completedCheckpoints: 1,
  });
  expect(await last()).toMatchObject({
    rows: 35,
    runRows: 21,
    totalRows: 35,
    percent: 100,
    completedCheckpoints: 4,
    totalCheckpoints: 4,
    remainingMs: 0,
  });
});

test('the last progress event of a completed run counts what other runs have copied beside it', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'store.claim', nth: 2 }, 'before');
  const migrator = world.migrator({}, faults);
  const events: ProgressEvent[] = [];
  migrator.on('progress', (event) => events.push(event));
  const run = migrator.run();
  await freeze.reached;
  await world.migrator().run();
  freeze.thaw();
  const { status, progress } = await run;
  expect({ status, rows: progress.rows }).toEqual({ status: 'completed', rows: 35 });
  expect(events.at(-1)).toMatchObject({
    rows: 35,
    runRows: 10,
    totalRows: 35,
    percent: 100,
    completedCheckpoints: 4,
    totalCheckpoints: 4,
    remainingMs: 0,
  });
});

test('progress is a number also where the rows that were planned are all gone', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const stop = new AbortController();
  const first = world.migrator();
  first.once('plan:ready', () => stop.abort());
  await first.run({ signal: stop.signal });
  world.rows.length = 0;
  const migrator = world.migrator();
  const percents: number[] = [];
  migrator.on('progress', ({ percent }) => percents.push(percent));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 0 });
  expect(percents.at(0)).toBe(0);
  expect(percents.at(-1)).toBe(100);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('listener');
    },
  ],
  ['rejects', async () => await Promise.reject(new Error('listener'))],
] as const)(
  'a listener that %s at every event cannot break the run, and is reported',
  async (_how, listener) => {
    const world = new World({ rows: 25, mode: 'insert' });
    const migrator = world.migrator();
    const reported: string[] = [];
    migrator.on('listener:error', ({ event, error }) => {
      expect(error).toMatchObject({ message: 'listener' });
      reported.push(event);
    });
    const heard: string[] = [];
    for (const name of names) {
      // oxlint-disable-next-line typescript/no-misused-promises -- what users do with async listeners
      migrator.on(name, listener);
      migrator.on(name, () => heard.push(name));
    }
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 25 });
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(reported).toEqual(heard);
    expect(new Set(reported)).toEqual(new Set(names));
    expect(world.differences()).toEqual({});
  },
);

test('a listener of listener errors that throws is not told of itself', async () => {
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator();
  let calls = 0;
  migrator.on('listener:error', () => {
    calls += 1;
    throw new Error('again');
  });
  migrator.on('run:start', () => {
    throw new Error('listener');
  });
  expect((await migrator.run()).status).toBe('completed');
  expect(calls).toBe(1);
});

test('a listener for one event is not kept once it has heard it', async () => {
  const world = new World({ rows: 5, mode: 'insert' });
  const migrator = world.migrator();
  let heard = 0;
  const listen = (): WeakRef<object> => {
    const listener = (): void => void (heard += 1);
    migrator.once('run:end', listener);
    return new WeakRef(listener);
  };
  const kept = listen();
  await migrator.run();
  expect(heard).toBe(1);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await expect
    .poll(() => {
      collect();
      return kept.deref() === undefined;
    })
    .toBe(true);
  await migrator.run();
  expect(heard).toBe(1);
});

test('a listener that was added twice hears twice, until it is removed', async () => {
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator();
  let heard = 0;
  const listener = (): void => void (heard += 1);
  migrator.on('run:end', listener).on('run:end', listener).on('run:start', listener);
  await migrator.run();
  expect(heard).toBe(3);
  migrator.off('run:end', listener);
  await migrator.run();
  expect(heard).toBe(4);
});

test('a listener that was removed hears nothing, and one for the next event hears one', async () => {
  const migrator = new World({ rows: 25, mode: 'insert' }).migrator();
  const heard: string[] = [];
  const listener = (name: string) => (): void => void heard.push(name);
  const [removed, twice, once, kept] = ['removed', 'twice', 'once', 'kept'].map(listener);
  if (!removed || !twice || !once || !kept) throw new Error('four listeners');
  migrator.on('checkpoint:completed', removed).off('checkpoint:completed', removed);
  migrator
    .on('checkpoint:completed', twice)
    .on('checkpoint:completed', twice)
    .off('checkpoint:completed', twice);
  migrator.once('checkpoint:completed', removed).off('checkpoint:completed', removed);
  migrator.once('checkpoint:completed', once);
  migrator.on('checkpoint:completed', kept);
  migrator.off('checkpoint:completed', () => undefined);
  await migrator.run();
  expect(heard).toEqual(['once', 'kept', 'kept', 'kept']);
});
