import { Kysely } from 'kysely';
import { D1Dialect, type D1DialectConfig } from 'kysely-d1';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { D1RestDatabase } from 'resumable-migrator/d1';
import { World } from '../support/world.ts';

// Miniflare's local explorer is Cloudflare's own code for the same path and envelope: an independent check of the REST
// client. It has no authentication, answers SQL errors in another way, and its batches are not transactions.
let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** The explorer's address has no account; a `fetch` that leaves it out is all that differs. */
function explorer(): { readonly baseUrl: string; readonly fetch: typeof fetch } {
  const { explorerUrl } = world.stack.d1;
  return {
    baseUrl: explorerUrl,
    fetch: (url, init) => fetch((url as string).replace(/\/accounts\/[^/]+/, ''), init),
  };
}

function database(): D1RestDatabase {
  const databaseId = world.stack.env.D1_DATABASE_ID;
  return new D1RestDatabase({ accountId: 'none', apiToken: 'none', databaseId, ...explorer() });
}

test('statements, parameters, results and changes are understood', async () => {
  const db = database();
  await db.prepare('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)').all();
  const insert = await db
    .prepare('INSERT INTO t VALUES (CAST(? AS INTEGER), ?), (2, NULL)')
    .bind(1, `it's "é😀"`)
    .all();
  expect(insert.meta.changes).toBe(2);
  expect((await db.prepare('SELECT id, v FROM t ORDER BY id').all()).results).toEqual([
    { id: 1, v: `it's "é😀"` },
    { id: 2, v: null },
  ]);
  const [first, second] = await db.batch([
    db.prepare('SELECT 1 AS a'),
    db.prepare('DELETE FROM t WHERE id = ?').bind('2'),
  ]);
  expect(first?.results).toEqual([{ a: 1 }]);
  expect(second?.meta.changes).toBe(1);
});

test('Kysely works on it with kysely-d1, as on a binding', async () => {
  // kysely-d1 is typed by the Workers runtime, and uses prepare, bind and all of it.
  const binding = database() as unknown as D1DialectConfig['database'];
  const kysely = new Kysely<{ k: { id: number; v: string } }>({
    dialect: new D1Dialect({ database: binding }),
  });
  await database().prepare('CREATE TABLE k (id INTEGER PRIMARY KEY, v TEXT)').all();
  const inserted = await kysely.insertInto('k').values({ id: 7, v: 'seven' }).executeTakeFirst();
  expect(inserted.numInsertedOrUpdatedRows).toBe(1n);
  expect(await kysely.selectFrom('k').selectAll().where('id', '=', 7).execute()).toEqual([
    { id: 7, v: 'seven' },
  ]);
});

test('an SQL error keeps its message', async () => {
  await expect(database().prepare('SELECT * FROM nowhere').all()).rejects.toMatchObject({
    code: 'SINK_TABLE_NOT_FOUND',
    message: expect.stringContaining('no such table: nowhere') as string,
  });
  await expect(database().prepare('SELEC 1').all()).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('syntax error') as string,
  });
});

test('its batches are recognised as not atomic, and a migration with a key copies by upserts', async () => {
  await world.postgres(
    'CREATE TABLE e (id int PRIMARY KEY, v text)',
    `INSERT INTO e SELECT i, 'v' || i FROM generate_series(1, 700) AS i`,
  );
  const sink = world.rest('e', explorer());
  const migrator = new ResumableMigrator({
    source: world.source('e'),
    sink,
    checkpointSize: 200,
    batchSize: 60,
  });
  expect(await migrator.plan()).toMatchObject({ delivery: 'at-least-once', mode: 'upsert' });
  expect(await migrator.run({ budget: { batches: 3 } })).toMatchObject({ status: 'paused' });
  expect(await migrator.run()).toMatchObject({ status: 'completed' });
  expect(await world.sinkRows('e', 'id')).toEqual(await world.sourceRows('e', 'id'));
});

test('rows without a key are refused there, and nothing is written', async () => {
  await world.postgres('CREATE TABLE log (id int PRIMARY KEY, v text)', `INSERT INTO log VALUES (1, 'a')`);
  await world.d1('CREATE TABLE log (id INTEGER, v TEXT)');
  const before = await world.d1Contents();
  const migrator = new ResumableMigrator({
    source: world.source('log'),
    sink: world.rest('log', explorer()),
  });
  await expect(migrator.run()).rejects.toMatchObject({ code: 'DELIVERY_REFUSED' });
  expect(await world.d1Contents()).toEqual(before);
  // Where batches are atomic, the same table is copied exactly once.
  await world.migrator('log').run();
  expect(await world.sinkRows('log', 'id')).toEqual([['1', 'a']]);
});

test('a table is not replaced there, for another process could have begun to write into it; a schema is carried over all the same', async () => {
  await world.postgres(
    'CREATE TABLE kept (id int PRIMARY KEY, v int CHECK (v > 0))',
    'CREATE INDEX kept_v ON kept (v)',
    'INSERT INTO kept SELECT i, i FROM generate_series(1, 100) AS i',
  );
  await world.d1('CREATE TABLE kept (id INTEGER PRIMARY KEY, v INTEGER)');
  const before = await world.d1Contents();
  const migrator = (createTable: 'replace' | 'if-missing'): ResumableMigrator<object, object> =>
    new ResumableMigrator({
      source: world.source('kept'),
      sink: world.rest('kept', { ...explorer(), createTable, carryOver: 'all' }),
    });
  await expect(migrator('replace').run()).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  expect(await world.d1Contents()).toEqual(before);
  await world.d1('DROP TABLE kept');
  // Nothing is there to be replaced, so nothing has to be dropped.
  expect(await migrator('replace').run()).toMatchObject({ status: 'completed' });
  expect(await world.sinkRows('kept', 'id')).toEqual(await world.sourceRows('kept', 'id'));
  const made = await world.d1(`SELECT sql FROM sqlite_master WHERE tbl_name = 'kept' ORDER BY name`);
  expect(made.map((row) => String(row['sql']))).toEqual([
    expect.stringContaining('CHECK (("v" > 0))'),
    'CREATE INDEX "kept_v" ON "kept" ("v")',
  ]);
});
