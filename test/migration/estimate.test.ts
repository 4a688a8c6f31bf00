import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ResumableMigrator, type SinkEstimate, type TuningOptions } from 'resumable-migrator';
import { D1BindingSink } from 'resumable-migrator/d1';
import { CountedD1 } from '../support/counted-d1.ts';
import { World } from '../support/world.ts';

/** How far an estimate may be from what happens, as a part of what happens. */
const tolerance = { requests: 0.2, rowsWritten: 0.02, storedBytes: 0.25 };

let world: World;
let d1: CountedD1;
beforeAll(async () => {
  world = await World.start();
  d1 = new CountedD1(await world.stack.d1.database());
  await world.postgres(
    'CREATE TABLE narrow (id bigint PRIMARY KEY, a int, b double precision)',
    'INSERT INTO narrow SELECT i, i % 100, i / 7.0 FROM generate_series(1, 120000) AS i',
    'CREATE TABLE texts (k text COLLATE "C" PRIMARY KEY, a text, j jsonb, at timestamptz, n numeric)',
    `INSERT INTO texts SELECT 'key' || lpad(i::text, 8, '0'), repeat(md5(i::text), 1 + i % 5), jsonb_build_object('a', i, 'b', 'x"y'),
      '2026-01-02', i / 3.0 FROM generate_series(1, 40000) AS i`,
    'CREATE TABLE scattered (u uuid PRIMARY KEY, r text, b bytea, f bool, z int)',
    `INSERT INTO scattered SELECT gen_random_uuid(), CASE WHEN i % 3 = 0 THEN NULL ELSE 'v' || i END, decode(md5(i::text), 'hex'),
      i % 2 = 0, i FROM generate_series(1, 60000) AS i`,
    'CREATE TABLE wide (id int PRIMARY KEY, body text)',
    'INSERT INTO wide SELECT i, repeat(md5(i::text), 300) FROM generate_series(1, 3000) AS i',
    'CREATE TABLE sparse (id bigint PRIMARY KEY, v text)',
    `INSERT INTO sparse SELECT i * 1000003::bigint, 'value ' || i FROM generate_series(1, 50000) AS i`,
    'CREATE TABLE composite (a int, b int, c text, PRIMARY KEY (a, b))',
    `INSERT INTO composite SELECT i % 50, i, 'c' || i FROM generate_series(1, 50000) AS i`,
    'ANALYZE',
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** The difference from what happened, as a part of it. */
function off(estimated: number | null | undefined, real: number): number {
  if (estimated === null || estimated === undefined) throw new Error('there is no estimate');
  return Math.abs(estimated / real - 1);
}

test.each<{ table: string; options: TuningOptions }>([
  { table: 'narrow', options: {} },
  { table: 'narrow', options: { name: 'many checkpoints', checkpointSize: 1_000 } },
  { table: 'texts', options: { checkpointSize: 5_000 } },
  { table: 'scattered', options: { checkpointSize: 3_000, batchSize: 500 } },
  { table: 'wide', options: {} },
  { table: 'sparse', options: { checkpointSize: 700, concurrency: 2 } },
  { table: 'composite', options: { concurrency: 1 } },
])('calls, rows written and stored bytes of $table $options are near to what D1 counts', async (one) => {
  const target = `${one.table} ${one.options.name ?? ''}`.trim();
  const migrator = new ResumableMigrator({
    source: world.source(one.table),
    sink: new D1BindingSink({ database: d1, table: target }),
    name: target,
    ...one.options,
  });
  const { estimate } = await migrator.plan();
  const before = await d1.size();
  d1.calls = 0;
  d1.rowsWritten = 0;
  await migrator.run();
  const real = { requests: d1.calls, rowsWritten: d1.rowsWritten, storedBytes: (await d1.size()) - before };
  for (const figure of ['requests', 'rowsWritten', 'storedBytes'] as const) {
    const message = `${figure}: ${estimate[figure]} were reckoned, ${real[figure]} were found`;
    expect(off(estimate[figure], real[figure]), message).toBeLessThan(tolerance[figure]);
  }
  // The binding has no quota.
  expect(estimate.quotaMs).toBeNull();
  const most = real.rowsWritten / 1e6;
  expect(estimate.price?.least).toBe(0);
  expect(off(estimate.price?.most, most)).toBeLessThan(tolerance.rowsWritten);
});

test('requests over REST are near to those that the API counts, and take their part of the quota', async () => {
  const migrator = world.migrator('narrow', { name: 'over REST', checkpointSize: 2_000, batchSize: 300 });
  const { estimate } = await migrator.plan();
  world.stack.api.resetStatistics();
  await migrator.run();
  const { requests } = world.stack.api.statistics();
  expect(requests).toBeGreaterThan(400);
  expect(off(estimate.requests, requests)).toBeLessThan(tolerance.requests);
  // 1,200 requests in five minutes.
  expect(estimate.quotaMs).toBe((estimate.requests ?? 0) * 250);
});

test('a small table is copied with eight requests, and five find out that it is', async () => {
  const migrator = (): ReturnType<World['migrator']> =>
    world.migrator('composite', { name: 'eight requests', concurrency: 1 });
  await world.d1('DROP TABLE IF EXISTS composite');
  world.stack.api.resetStatistics();
  await migrator().run();
  // The plan, what D1 has and can, two tables, the new plan, a claim, one batch, the progress.
  expect(world.stack.api.statistics().requests).toBe(8);
  world.stack.api.resetStatistics();
  await migrator().run();
  // The plan, what D1 has and can, the checkpoint table, the progress twice.
  expect(world.stack.api.statistics().requests).toBe(5);
});

test('what is copied already is not reckoned again, but the room that all rows take is', async () => {
  const migrator = (): ReturnType<World['migrator']> =>
    world.migrator('sparse', { name: 'resumed', checkpointSize: 1_000, batchSize: 1_000 });
  const first = await migrator().plan();
  await migrator().run({ budget: { batches: 30 } });
  const second = await migrator().plan();
  world.stack.api.resetStatistics();
  await migrator().run();
  expect(off(second.estimate.requests, world.stack.api.statistics().requests)).toBeLessThan(
    tolerance.requests,
  );
  expect(second.estimate.requests).toBeLessThan(first.estimate.requests ?? 0);
  expect(second.estimate.rowsWritten).toBeLessThan((first.estimate.rowsWritten ?? 0) / 2);
  expect(off(second.estimate.storedBytes, first.estimate.storedBytes ?? 0)).toBeLessThan(0.05);
  const { estimate } = await migrator().plan();
  expect(estimate).toMatchObject({ rowsWritten: 0, price: { least: 0, most: 0 } });
});

test('indexes of a table that is there already are counted, and a table without rowids has one less', async () => {
  const written = async (table: string, ddl: string): Promise<void> => {
    await world.d1(ddl);
    const sink = new D1BindingSink({ database: d1, table });
    const migrator = new ResumableMigrator({ source: world.source('composite'), sink, name: table });
    const { estimate } = await migrator.plan();
    d1.rowsWritten = 0;
    await migrator.run();
    expect(off(estimate.rowsWritten, d1.rowsWritten), table).toBeLessThan(tolerance.rowsWritten);
  };
  await written('indexed', 'CREATE TABLE indexed (a INTEGER, b INTEGER, c TEXT UNIQUE, PRIMARY KEY (a, b))');
  await written(
    'no_rowid',
    'CREATE TABLE no_rowid (a INTEGER, b INTEGER, c TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID',
  );
});

test('what does not fit, or only on the paid plan, is found; the price counts what a month includes', async () => {
  const id = { name: 'id', type: 'integer', nativeType: 'int8', nullable: false } as const;
  const shape = { migration: 'm', columns: [id, { ...id, name: 'body', type: 'text' as const }], key: [id] };
  const target = await world.rest('figures').prepare(shape);
  const sample = [['1', 'x'.repeat(90)]];
  const reckon = async (rows: number): Promise<SinkEstimate | undefined> =>
    await target.estimate?.({
      rows,
      bytes: rows * 91,
      checkpoints: 1,
      newCheckpoints: 0,
      checkpointSize: rows,
      concurrency: 4,
      batchSize: undefined,
      sample,
    });
  const found = async (rows: number): Promise<unknown> =>
    (await reckon(rows))?.findings?.map(({ code, severity }) => [code, severity]);
  expect(await found(1_000_000)).toEqual([]);
  expect(await found(6_000_000)).toEqual([['STORAGE_LIMIT', 'info']]);
  expect(await found(100_000_000)).toEqual([['STORAGE_LIMIT', 'warning']]);
  const price = (await reckon(100_000_000))?.price;
  expect(price?.least).toBeCloseTo(50, 0);
  expect(price?.most).toBeCloseTo(100, 0);
  const small = await reckon(1_000_000);
  expect(small?.price).toMatchObject({ least: 0 });
  // Without a row to look at there are figures too, if coarser ones.
  const blind = await target.estimate?.({
    rows: 1e6,
    bytes: 91e6,
    checkpoints: 1,
    newCheckpoints: 0,
    checkpointSize: 1e6,
    concurrency: 4,
    batchSize: undefined,
    sample: [],
  });
  expect(off(blind?.storedBytes, small?.storedBytes ?? 0)).toBeLessThan(0.1);
  expect(off(blind?.requests, small?.requests ?? 0)).toBeLessThan(0.2);
});

test('a sample is no larger where values stand out of line, which statistics count by their place alone', async () => {
  await world.postgres(
    'CREATE TABLE documents (id int PRIMARY KEY, v text)',
    'ALTER TABLE documents ALTER v SET STORAGE EXTERNAL',
    `INSERT INTO documents SELECT i, repeat('x', 500000) FROM generate_series(1, 60) AS i`,
    'ANALYZE documents',
  );
  const source = world.source('documents');
  expect((await source.describe()).estimatedRowBytes).toBeLessThan(100);
  const readPage = vi.spyOn(source, 'readPage');
  const migrator = new ResumableMigrator({
    source,
    sink: new D1BindingSink({ database: d1, table: 'documents' }),
  });
  const { estimate } = await migrator.plan();
  expect(off(estimate?.storedBytes, 60 * 500_000)).toBeLessThan(0.1);
  const pages = await Promise.all(readPage.mock.results.map(({ value }) => value));
  const sizes = pages.map(({ rows }) => rows.flat().join('').length);
  expect(Math.max(...sizes)).toBeGreaterThan(500_000);
  expect(Math.max(...sizes)).toBeLessThan(2_000_000);
});
