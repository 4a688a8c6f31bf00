import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ResumableMigrator, type TuningOptions } from 'resumable-migrator';
import type { D1Sink } from 'resumable-migrator/d1';
import { MemoryCheckpointStore, MemoryDatabase } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { World } from '../support/world.ts';

type Migrator = ResumableMigrator;

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    'CREATE TABLE items (id int PRIMARY KEY, v text, f float8)',
    `INSERT INTO items SELECT i, 'v' || i, i / 3.0 FROM generate_series(1, 300) AS i`,
    'CREATE INDEX items_v ON items (v)',
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await world.d1('DROP TABLE IF EXISTS children');
  await world.d1('DROP TABLE IF EXISTS items');
  await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
  await world.d1('CREATE TABLE items (id INTEGER PRIMARY KEY, old TEXT NOT NULL)');
  await world.d1(`INSERT INTO items VALUES (1, 'old'), (-7, 'old')`);
});

const options = { createTable: 'replace', carryOver: { indexes: 'after' } } as const;

function migrator(
  tuning: TuningOptions = {},
  faults?: CrashPoints,
  sink: D1Sink<Record<string, unknown>> = world.rest('items', options),
): Migrator {
  const source = world.source('items');
  return new ResumableMigrator({
    source: faults ? faults.wrapSource(source) : source,
    sink: faults ? faults.wrapSink(sink) : sink,
    checkpointSize: 100,
    batchSize: 50,
    retry: { retries: 3, baseMs: 1 },
    leaseMs: 300,
    ...tuning,
  });
}

async function expectCopied(): Promise<void> {
  const { rows } = await world.pool.query('SELECT * FROM items ORDER BY id');
  expect(await world.d1('SELECT * FROM items ORDER BY id')).toEqual(rows);
  const indexes = await world.d1(
    `SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'items' AND sql IS NOT NULL`,
  );
  expect(indexes).toEqual([{ name: 'items_v' }]);
}

/** A row that no run writes: whoever drops the table loses it. */
async function mark(): Promise<void> {
  await world.d1(`INSERT INTO items (id, v) VALUES (-1, 'mark')`);
}

async function marks(): Promise<number> {
  return (await world.d1(`SELECT id FROM items WHERE id = -1`)).length;
}

test('a new plan drops the table and makes it anew; the plan says so, with its rows, and changes nothing', async () => {
  const before = await world.d1Contents();
  const { findings } = await migrator().plan();
  expect(findings).toMatchObject([
    { code: 'TABLE_REPLACED', severity: 'warning', message: expect.stringContaining('its 2 rows') as string },
  ]);
  const columns = (await world.source('items').describe()).columns;
  const target = await world
    .rest('items', options)
    .prepare({ migration: 'items', columns, key: columns.slice(0, 1) });
  expect(target.statements).toEqual([
    'DROP TABLE IF EXISTS "items"',
    'CREATE TABLE IF NOT EXISTS "items" ("id" INTEGER NOT NULL PRIMARY KEY, "v" TEXT, "f" REAL)',
  ]);
  expect(await world.d1Contents()).toEqual(before);
  await migrator().run();
  await expectCopied();
});

test('a run that goes on never drops, nor does one that finds everything copied; after reset() the next one does', async () => {
  expect(await migrator().run({ budget: { batches: 2 } })).toMatchObject({ status: 'paused' });
  await mark();
  expect((await migrator().plan()).findings.map(({ code }) => code)).not.toContain('TABLE_REPLACED');
  expect(await migrator().run()).toMatchObject({ status: 'completed' });
  expect(await migrator().run()).toMatchObject({ status: 'completed', rows: 0 });
  expect(await marks()).toBe(1);
  await migrator().reset();
  expect(await migrator().run()).toMatchObject({ status: 'completed', rows: 300 });
  expect(await marks()).toBe(0);
  await expectCopied();
});

test.each(['REST', 'the binding'])(
  'a process that stood still before it replaced the table finds that another one has begun, and goes on in its table: over %s',
  async (way) => {
    const sink = (): D1Sink<Record<string, unknown>> =>
      way === 'REST' ? world.rest('items', options) : world.binding('items', options);
    const faults = new CrashPoints();
    const freeze = faults.freezeAt({ effect: 'sink.create', nth: 1 }, 'before');
    const late = migrator({}, faults, sink()).run();
    await freeze.reached;
    await migrator({}, undefined, sink()).run({ budget: { batches: 3 } });
    await mark();
    freeze.thaw();
    expect(await late).toMatchObject({ status: 'completed' });
    expect(await marks()).toBe(1);
    await world.d1('DELETE FROM items WHERE id = -1');
    await expectCopied();
  },
);

test('where the other process began in a table that differs, the late one stops and writes nothing there', async () => {
  await world.d1('DROP TABLE items');
  // Floats go into a column of texts as their texts.
  await world.d1('CREATE TABLE items (id INTEGER PRIMARY KEY, v TEXT, f TEXT)');
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'sink.create', nth: 1 }, 'before');
  const late = migrator({}, faults).run();
  await freeze.reached;
  const first = new ResumableMigrator({
    source: world.source('items'),
    sink: world.rest('items'),
    checkpointSize: 100,
  });
  await first.run({ budget: { batches: 1 } });
  const rows = await world.sinkRows('items', 'id');
  freeze.thaw();
  await expect(late).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('Another process began') as string,
  });
  expect(await world.sinkRows('items', 'id')).toEqual(rows);
});

test.each([1, 2, 3])(
  'several processes that replace the table at once copy each row once: round %i',
  async () => {
    const results = await Promise.all([migrator(), migrator(), migrator()].map((one) => one.run()));
    expect(results.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
    expect(results.reduce((sum, { rows }) => sum + rows, 0)).toBe(300);
    await expectCopied();
  },
);

test('a process may die at any step, or lose any answer: the next run ends with the rows and the indexes', async () => {
  const counting = new CrashPoints();
  await migrator({ concurrency: 1 }, counting).run();
  expect(counting.effects).toContain('sink.finish');
  let crashes = 0;
  for (let n = 1; n <= counting.count; n += 1) {
    await world.d1('DELETE FROM migration_checkpoints');
    const faults = new CrashPoints().at(n, n % 2 === 0 ? 'after' : 'before');
    const end = await migrator({ concurrency: 1 }, faults)
      .run()
      .catch((error: unknown) => error);
    if (faults.crashed) crashes += 1;
    expect(end).toBeDefined();
    expect(await migrator({ concurrency: 1 }).run()).toMatchObject({ status: 'completed' });
    await expectCopied();
  }
  expect(crashes).toBeGreaterThan(15);
  await world.d1('DELETE FROM migration_checkpoints');
  const faults = new CrashPoints()
    .failAt({ effect: 'sink.create', nth: 1 }, 'after')
    .failAt({ effect: 'sink.finish', nth: 1 }, 'after');
  expect(await migrator({}, faults).run()).toMatchObject({ status: 'completed' });
  await expectCopied();
});

test('it is refused where the checkpoints are not in the same database, and where other tables refer to the table', async () => {
  const elsewhere = migrator();
  const before = await world.d1Contents();
  const checkpoints = new MemoryCheckpointStore({ database: new MemoryDatabase() });
  const apart = new ResumableMigrator({
    source: world.source('items'),
    sink: world.rest('items', options),
    checkpoints,
  });
  await expect(apart.run()).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  expect(await world.d1Contents()).toEqual(before);
  await world.d1(
    'CREATE TABLE children (id INTEGER PRIMARY KEY, item INTEGER REFERENCES ITEMS ON DELETE CASCADE)',
  );
  await world.d1('INSERT INTO children VALUES (1, 1)');
  const referred = await world.d1Contents();
  await expect(elsewhere.run()).rejects.toMatchObject({
    code: 'PLAN_REFUSED',
    message: expect.stringContaining('children') as string,
  });
  expect(await world.d1Contents()).toEqual(referred);
});
