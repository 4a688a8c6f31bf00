import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Kysely, PostgresDialect } from 'kysely';
import {
  type GroupResult,
  isMigratorError,
  MigrationGroup,
  type MigrationGroupOptions,
  type TuningOptions,
} from 'resumable-migrator';
import { PostgresKeysetSource, type PostgresTableOptions } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';

type SourceOptions = Omit<PostgresTableOptions<Record<string, Record<string, unknown>>, string>, 'table'>;
type Entry = string | ({ readonly table: string; readonly source?: SourceOptions } & TuningOptions);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await world.postgres('DROP SCHEMA public CASCADE', 'CREATE SCHEMA public');
});

function groupOf(entries: readonly Entry[], options?: MigrationGroupOptions): MigrationGroup {
  const group = new MigrationGroup(options);
  for (const entry of entries) {
    const { table, source, ...tuning } = typeof entry === 'string' ? { table: entry } : entry;
    const name = table.slice(table.indexOf('.') + 1);
    group.add({
      source: world.source(table, source),
      sink: world.rest(name),
      retry: { retries: 1 },
      ...tuning,
    });
  }
  return group;
}

async function orderOf(group: MigrationGroup): Promise<string[]> {
  return (await group.plan()).tables.map(({ migration }) => migration);
}

async function failure(
  call: Promise<unknown>,
): Promise<{ code: string; message: string; group?: GroupResult | undefined }> {
  const error: unknown = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isMigratorError(error)) throw new Error('expected a MigratorError', { cause: error });
  return error;
}

/** The same statements on both sides: both check what they say of foreign keys. */
async function onBothSides(...statements: string[]): Promise<void> {
  await world.postgres(...statements);
  for (const statement of statements) await world.d1(statement);
}

test('D1 enforces foreign keys: a child that is copied before its parent fails', async () => {
  await onBothSides(
    'CREATE TABLE mothers (id INTEGER PRIMARY KEY)',
    'CREATE TABLE daughters (id INTEGER PRIMARY KEY, mother INTEGER NOT NULL REFERENCES mothers)',
  );
  await world.postgres(
    'INSERT INTO mothers SELECT generate_series(1, 20)',
    'INSERT INTO daughters SELECT i, i % 20 + 1 FROM generate_series(1, 500) AS i',
  );
  // The negative control: without the order that the group finds, D1 refuses the rows.
  const { code, message, group } = await failure(groupOf(['daughters', 'mothers'], { order: 'given' }).run());
  expect(code).toBe('GROUP_FAILED');
  expect(message).toContain('FOREIGN KEY constraint failed');
  expect(group?.tables.map(({ migration, status }) => [migration, status])).toEqual([
    ['daughters', 'failed'],
    ['mothers', 'completed'],
  ]);
  expect(await world.d1('SELECT count(*) AS n FROM daughters')).toEqual([{ n: 0 }]);
  // And the same group in the order of its references mends it: what failed is tried again.
  const result = await groupOf(['daughters', 'mothers']).run();
  expect(result).toMatchObject({ status: 'completed', totals: { rows: 500 } });
  expect(result.tables.map(({ migration }) => migration)).toEqual(['mothers', 'daughters']);
  expect(await world.sinkRows('daughters', 'id')).toEqual(await world.sourceRows('daughters', 'id'));
});

test('a chain of four tables with composite keys, given in the wrong order, arrives whole', async () => {
  await onBothSides(
    'CREATE TABLE regions (code TEXT PRIMARY KEY)',
    'CREATE TABLE depots (region TEXT REFERENCES regions, n INTEGER, PRIMARY KEY (region, n))',
    `CREATE TABLE trucks (id INTEGER PRIMARY KEY, region TEXT, depot INTEGER,
      FOREIGN KEY (region, depot) REFERENCES depots (region, n))`,
    'CREATE TABLE tours (id INTEGER PRIMARY KEY, truck INTEGER REFERENCES trucks, start TEXT REFERENCES regions)',
  );
  await world.postgres(
    `INSERT INTO regions SELECT 'r' || i FROM generate_series(1, 9) AS i`,
    `INSERT INTO depots SELECT 'r' || (i % 9 + 1), i FROM generate_series(1, 300) AS i`,
    'INSERT INTO trucks SELECT n * 2, region, n FROM depots',
    `INSERT INTO tours SELECT i, (i % 300 + 1) * 2, 'r' || (i % 9 + 1) FROM generate_series(1, 4000) AS i`,
    'INSERT INTO trucks VALUES (9999, NULL, NULL)',
  );
  const tables = ['tours', 'trucks', 'depots', 'regions'];
  const { tables: planned, totals } = await groupOf(tables).plan();
  expect(totals).toMatchObject({ tables: 4, failed: 0, rows: 4610 });
  for (const figure of ['requests', 'rowsWritten', 'storedBytes', 'quotaMs'] as const) {
    const each = planned.map(({ plan }) => plan?.estimate[figure] ?? 0);
    expect(Math.min(...each)).toBeGreaterThan(0);
    expect(totals[figure]).toBe(each.reduce((sum, value) => sum + value, 0));
  }
  expect(planned.map(({ migration, parents }) => [migration, parents])).toEqual([
    ['regions', []],
    ['depots', ['regions']],
    ['trucks', ['depots']],
    ['tours', ['trucks', 'regions']],
  ]);
  // In pieces, by processes that follow each other: what is complete is skipped, and no child is early.
  const entries = tables.map((table) => ({ table, checkpointSize: 500, batchSize: 97 }));
  let pauses = 0;
  for (;;) {
    const result = await groupOf(entries, { concurrency: 2 }).run({ budget: { batches: 11 } });
    if (result.status === 'completed') break;
    expect(result.reason).toBe('budget');
    pauses += 1;
  }
  expect(pauses).toBeGreaterThan(1);
  const { equal, tables: verified } = await groupOf(entries).verify({ mode: 'full' });
  expect(equal).toBe(true);
  expect(verified.map(({ result }) => result?.rows)).toEqual([4000, 301, 300, 9]);
  expect(await groupOf(entries).status()).toMatchObject({ rows: 4610, percent: 100 });
  expect(await world.d1('PRAGMA foreign_key_check')).toEqual([]);
});

describe('a cycle', () => {
  beforeEach(async () => {
    await world.postgres(
      'CREATE TABLE teams (id int PRIMARY KEY, captain int)',
      'CREATE TABLE players (id int PRIMARY KEY, team int NOT NULL REFERENCES teams)',
      'ALTER TABLE teams ADD FOREIGN KEY (captain) REFERENCES players',
      'INSERT INTO teams SELECT i, NULL FROM generate_series(1, 10) AS i',
      'INSERT INTO players SELECT i, i % 10 + 1 FROM generate_series(1, 50) AS i',
      'UPDATE teams SET captain = id + 8',
    );
    await world.d1('DROP TABLE IF EXISTS players');
    await world.d1('DROP TABLE IF EXISTS teams');
    for (const migrator of groupOf(['teams', 'players']).migrators) await migrator.reset();
  });

  test('is reported before anything is written, with the tables in their order', async () => {
    const before = await world.d1Contents();
    const { code, message } = await failure(groupOf(['teams', 'players']).run());
    expect(code).toBe('GROUP_CYCLE');
    expect(message).toContain(': teams -> players -> teams.');
    expect(await world.d1Contents()).toEqual(before);
  });

  test('is none where the column that closes it is not copied', async () => {
    await world.d1('CREATE TABLE teams (id INTEGER PRIMARY KEY, captain INTEGER REFERENCES players)');
    await world.d1('CREATE TABLE players (id INTEGER PRIMARY KEY, team INTEGER NOT NULL REFERENCES teams)');
    const group = groupOf(['players', { table: 'teams', source: { columns: ['id'] } }]);
    expect(await group.run()).toMatchObject({ status: 'completed', totals: { rows: 60 } });
    expect(await world.d1('SELECT count(*) AS n FROM teams WHERE captain IS NULL')).toEqual([{ n: 10 }]);
  });

  test('is copied in the given order where D1 has no constraint that closes it', async () => {
    await world.d1('CREATE TABLE teams (id INTEGER PRIMARY KEY, captain INTEGER)');
    await world.d1('CREATE TABLE players (id INTEGER PRIMARY KEY, team INTEGER NOT NULL REFERENCES teams)');
    expect(await groupOf(['teams', 'players'], { order: 'given' }).run()).toMatchObject({
      status: 'completed',
    });
    expect(await world.sinkRows('teams', 'id')).toEqual(await world.sourceRows('teams', 'id'));
    expect(await world.sinkRows('players', 'id')).toEqual(await world.sourceRows('players', 'id'));
  });
});

test('a table that refers to itself is copied, where rows refer to rows of smaller keys', async () => {
  await onBothSides('CREATE TABLE staff (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES staff)');
  await world.postgres('INSERT INTO staff SELECT i, nullif(i / 2, 0) FROM generate_series(1, 400) AS i');
  const entry = { table: 'staff', batchSize: 33, concurrency: 1 };
  expect(await groupOf([entry]).run()).toMatchObject({ status: 'completed', totals: { rows: 400 } });
  expect(await world.sinkRows('staff', 'id')).toEqual(await world.sourceRows('staff', 'id'));
});

test('a reference to a row of a later batch is refused by D1, within a batch it is not', async () => {
  await onBothSides('CREATE TABLE queue (id INTEGER PRIMARY KEY, next INTEGER REFERENCES queue)');
  await world.postgres('INSERT INTO queue SELECT i, nullif(i + 1, 41) FROM generate_series(1, 40) AS i');
  const { message } = await failure(groupOf([{ table: 'queue', batchSize: 10 }]).run());
  expect(message).toContain('FOREIGN KEY constraint failed');
  expect(await groupOf(['queue']).run()).toMatchObject({ status: 'completed', totals: { rows: 40 } });
});

describe('the foreign keys of the source', () => {
  test('are found in other schemas, and names in capitals, with dots and quotes are matched', async () => {
    await world.postgres(
      'CREATE SCHEMA IF NOT EXISTS other',
      'DROP TABLE IF EXISTS other.parent CASCADE',
      'CREATE TABLE other.parent (id int PRIMARY KEY)',
      'CREATE TABLE parent (id int PRIMARY KEY)',
      'CREATE TABLE child (id int PRIMARY KEY REFERENCES other.parent)',
      `CREATE TABLE "Öde.""Leute""" (id int PRIMARY KEY)`,
      `CREATE TABLE zeta (id int PRIMARY KEY REFERENCES "Öde.""Leute""")`,
    );
    expect(await world.source('child').references()).toEqual([
      (await world.source('other.parent').describe()).identity,
    ]);
    const odd = world.source('Öde."Leute"', { schema: 'public' });
    expect(await world.source('zeta').references()).toEqual([(await odd.describe()).identity]);
    expect(await orderOf(groupOf(['child', 'parent', { table: 'other.parent', name: 'other' }]))).toEqual([
      'parent',
      'other',
      'child',
    ]);
  });

  test('of a partitioned table count whether it is copied whole or by its partitions', async () => {
    await world.postgres(
      'CREATE TABLE places (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)',
      'CREATE TABLE places1 PARTITION OF places FOR VALUES IN (1)',
      'CREATE TABLE places2 PARTITION OF places FOR VALUES IN (2)',
      'CREATE TABLE marks (id int PRIMARY KEY) PARTITION BY RANGE (id)',
      'CREATE TABLE marks1 PARTITION OF marks FOR VALUES FROM (1) TO (100)',
      'CREATE TABLE only1 (id int PRIMARY KEY)',
      'ALTER TABLE marks ADD COLUMN place int, ADD COLUMN part int, ADD FOREIGN KEY (place, part) REFERENCES places',
      'ALTER TABLE marks1 ADD FOREIGN KEY (id) REFERENCES only1',
      'CREATE TABLE notes (id int PRIMARY KEY, place int, FOREIGN KEY (id, place) REFERENCES places1)',
    );
    const suffixes = async (table: string): Promise<string[]> =>
      (await world.source(table).references()).map((identity) => identity.split('.').at(-1) ?? '');
    expect(await suffixes('marks')).toEqual(['only1', 'places', 'places1', 'places2']);
    expect(await suffixes('marks1')).toEqual(['only1', 'places', 'places1', 'places2']);
    // The rows of places1 may travel as rows of places.
    expect(await suffixes('notes')).toEqual(['places', 'places1']);
    expect(await suffixes('places')).toEqual([]);
    expect(await suffixes('places1')).toEqual([]);
    expect(await orderOf(groupOf(['marks', 'only1', 'places2', 'places1']))).toEqual([
      'only1',
      'places2',
      'places1',
      'marks',
    ]);
  });

  test('are none for a view, and for a table whose referring columns are not all copied', async () => {
    await world.postgres(
      'CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b))',
      'CREATE TABLE child (id int PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES parent)',
      'CREATE VIEW seen AS SELECT * FROM child',
    );
    expect(await world.source('child').references()).toHaveLength(1);
    expect(await world.source('child', { columns: ['id', 'a'] }).references()).toEqual([]);
    expect(await world.source('seen', { key: ['id'] }).references()).toEqual([]);
  });

  test("are read over a host's own Kysely instance as well", async () => {
    await world.postgres('CREATE TABLE parent (id int PRIMARY KEY)');
    await world.postgres(
      'CREATE TABLE child (id int PRIMARY KEY, a int REFERENCES parent, b int REFERENCES parent)',
    );
    interface Tables {
      readonly child: { id: number; a: number; b: number };
    }
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: world.pool }) });
    const source = new PostgresKeysetSource({ db, table: 'child' });
    expect(await source.references()).toEqual([(await world.source('parent').describe()).identity]);
  });
});

test('a table that D1 refuses fails alone, and what refers to it waits', async () => {
  await onBothSides(
    'CREATE TABLE good (id INTEGER PRIMARY KEY)',
    'CREATE TABLE bad (id INTEGER PRIMARY KEY, v INTEGER)',
    'CREATE TABLE ofbad (id INTEGER PRIMARY KEY REFERENCES bad)',
  );
  await world.d1('CREATE UNIQUE INDEX once ON bad (v)');
  await world.postgres(
    'INSERT INTO good SELECT generate_series(1, 10)',
    'INSERT INTO bad SELECT i, i % 2 FROM generate_series(1, 10) AS i',
    'INSERT INTO ofbad SELECT generate_series(1, 10)',
  );
  const { group } = await failure(groupOf(['ofbad', 'bad', 'good']).run());
  expect(group).toMatchObject({
    status: 'failed',
    totals: { completed: 1, failed: 1, skipped: 1, rows: 10 },
  });
  expect(group?.tables.find(({ status }) => status === 'skipped')).toMatchObject({
    migration: 'ofbad',
    reason: 'parents',
    parents: ['bad'],
  });
  await world.d1('DROP INDEX once');
  expect(await groupOf(['ofbad', 'bad', 'good']).run()).toMatchObject({
    status: 'completed',
    totals: { rows: 20 },
  });
});

test('one migration name in one D1 database is refused, over REST and over a binding', async () => {
  await world.postgres('CREATE TABLE twice (id int PRIMARY KEY)');
  const rest = new MigrationGroup();
  const bound = new MigrationGroup();
  for (let n = 0; n < 2; n += 1) {
    rest.add({ source: world.source('twice'), sink: world.rest('twice') });
    bound.add({ source: world.source('twice'), sink: world.binding('twice') });
  }
  for (const group of [rest, bound]) expect((await failure(group.run())).code).toBe('INVALID_OPTION');
});

test('a group is mended whole: lost parents come before their children, and go after them', async () => {
  await onBothSides(
    'CREATE TABLE houses (id INTEGER PRIMARY KEY, street TEXT)',
    'CREATE TABLE rooms (id INTEGER PRIMARY KEY, house INTEGER NOT NULL REFERENCES houses)',
  );
  await world.postgres(
    `INSERT INTO houses SELECT i, 'street ' || i FROM generate_series(1, 50) AS i`,
    'INSERT INTO rooms SELECT i, i % 50 + 1 FROM generate_series(1, 400) AS i',
  );
  const group = groupOf(['rooms', 'houses']);
  await group.run();
  expect(await group.repair({ mode: 'full' })).toMatchObject({
    equal: true,
    tables: [{ result: { rows: 0 } }, { result: { rows: 0 } }],
  });
  // A parent and its children are lost, a child is another, and a parent with children is one too many.
  await world.d1('DELETE FROM rooms WHERE house = 7');
  await world.d1('DELETE FROM houses WHERE id = 7');
  await world.d1('UPDATE rooms SET house = 1 WHERE id = 100');
  await world.d1(`INSERT INTO houses VALUES (1000, 'nowhere')`);
  await world.d1('INSERT INTO rooms VALUES (5000, 1000), (5001, 1000)');
  const { equal, tables } = await group.repair({ mode: 'full' });
  expect(equal).toBe(true);
  expect(tables.map(({ error }) => error)).toEqual([null, null]);
  expect(await world.sinkRows('houses', 'id')).toEqual(await world.sourceRows('houses', 'id'));
  expect(await world.sinkRows('rooms', 'id')).toEqual(await world.sourceRows('rooms', 'id'));
});

test('a table that cannot be mended says why, and the others are mended', async () => {
  await world.postgres('CREATE TABLE lone (id int PRIMARY KEY)', 'INSERT INTO lone VALUES (1), (2)');
  await groupOf(['lone']).run();
  await world.d1('DELETE FROM lone WHERE id = 2');
  const { equal, tables } = await groupOf(['missing_table', 'lone']).repair({ mode: 'full' });
  expect(equal).toBe(false);
  expect(tables).toMatchObject([
    { result: null, error: { code: 'SOURCE_TABLE_NOT_FOUND' } },
    { result: { rows: 1, after: { equal: true } }, error: null },
  ]);
});

test('reset() forgets the checkpoints of every table, and the next run copies all of them again', async () => {
  await world.postgres(
    'CREATE TABLE one (id int PRIMARY KEY)',
    'CREATE TABLE two (id int PRIMARY KEY)',
    'INSERT INTO one SELECT generate_series(1, 30)',
    'INSERT INTO two SELECT generate_series(1, 40)',
  );
  const group = groupOf(['one', 'two']);
  await group.run();
  await group.reset();
  expect(await group.status()).toMatchObject({ rows: 0, checkpoints: { total: 0 } });
  expect(await group.run()).toMatchObject({ totals: { rows: 70 } });
});
