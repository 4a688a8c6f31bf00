import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { rejection } from '../engine/world.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** A migration of so many checkpoints, of which the last alone is left. Its rows are those of the last checkpoint. */
async function nearlyDone(table: string, checkpoints: number): Promise<ResumableMigrator<object, object>> {
  await world.postgres(
    `CREATE TABLE ${table} (id int PRIMARY KEY, v text)`,
    // The ends decide how many ranges there are.
    `INSERT INTO ${table} SELECT i, 'v' FROM generate_series(1, ${checkpoints * 10}) AS i`,
    `ANALYZE ${table}`,
  );
  const migrator = new ResumableMigrator<object, object>({
    source: world.source(table),
    sink: world.rest(table),
    checkpointSize: 10,
    concurrency: 4,
  });
  await migrator.run({ budget: { batches: 1 } });
  await world.d1(
    `UPDATE migration_checkpoints SET status = 'completed', records_processed = 10, cursor = '["' || end_id || '"]'
     WHERE table_name = '${table}' AND seq < ${checkpoints}`,
  );
  return migrator;
}

/** What a run asks before its first rows are written, and how long that takes. */
async function untilFirstWrite(
  migrator: ResumableMigrator<object, object>,
  table: string,
): Promise<{ requests: number; milliseconds: number }> {
  let requests = 0;
  let first: { requests: number; milliseconds: number } | null = null;
  const started = performance.now();
  world.stack.api.setFaults(({ sql }) => {
    requests += 1;
    if (sql.some((text) => text.startsWith(`INSERT INTO "${table}"`))) {
      first ??= { requests, milliseconds: performance.now() - started };
    }
    return undefined;
  });
  await migrator.run();
  world.stack.api.setFaults(undefined);
  if (first === null) throw new Error('nothing was written');
  return first;
}

test('a run that finds 9,999 of 10,000 checkpoints done asks no more before its first write than one that finds 99 of 100', async () => {
  const few = await untilFirstWrite(await nearlyDone('few', 100), 'few');
  const many = await untilFirstWrite(await nearlyDone('many', 10_000), 'many');
  console.log(
    `until the first write: ${few.milliseconds.toFixed(0)} ms with 100 checkpoints, ${many.milliseconds.toFixed(0)} ms with 10,000`,
  );
  // Two claims of four may be under way by then, or three.
  expect(Math.abs(many.requests - few.requests)).toBeLessThanOrEqual(3);
  expect(many.requests).toBeLessThan(13);
  expect(
    await world.d1(`SELECT count(*) AS n FROM migration_checkpoints WHERE status <> 'completed'`),
  ).toEqual([{ n: 0 }]);
}, 120_000);

test('claims, progress and plan are found in indexes: D1 reads no row of what is done', async () => {
  const statements: { sql: string; params: readonly unknown[] }[] = [];
  world.stack.api.setFaults(({ queries }) => {
    statements.push(...queries.filter(({ sql }) => sql.includes('migration_checkpoints')));
    return undefined;
  });
  const migrator = await nearlyDone('planned', 50);
  await migrator.run();
  await migrator.status();
  world.stack.api.setFaults(undefined);
  const kinds = new Map(
    statements
      .filter(({ sql }) => /^(SELECT|UPDATE)/.test(sql) && !/sqlite_|pragma_/i.test(sql))
      .map((statement) => [statement.sql, statement]),
  );
  expect(kinds.size).toBeGreaterThan(4);
  const database = await world.stack.d1.database();
  const scansOf = async ({ sql, params }: { sql: string; params: readonly unknown[] }): Promise<string[]> => {
    const plan = await database
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...(params as string[]))
      .all<{ detail: string }>();
    return plan.results
      .map(({ detail }) => detail)
      .filter((detail) => /^SCAN (?!json_each|\()/.test(detail) && !/USING .*INDEX/.test(detail));
  };
  for (const statement of kinds.values()) expect(await scansOf(statement), statement.sql).toEqual([]);
  // The end of the plan is one step in an index; only the count reads an entry a checkpoint.
  const plan = [...kinds.values()].find(({ sql }) => sql.includes('AS last_seq'));
  const read = await database
    .prepare(plan?.sql ?? '')
    .bind(...((plan?.params ?? []) as string[]))
    .all();
  expect(read.meta.rows_read).toBeLessThan(50 * 2);
  // A question that no index answers would be noticed.
  const unserved = { sql: 'SELECT * FROM migration_checkpoints WHERE owner = ?', params: ['x'] };
  expect(await scansOf(unserved)).toEqual(['SCAN migration_checkpoints']);
});

test('a cursor that was set by hand in another form than it is written in fails its checkpoint, and says how to set it', async () => {
  await world.postgres(
    'CREATE TABLE by_hand (id int PRIMARY KEY, v text)',
    "INSERT INTO by_hand SELECT i, 'v' || i FROM generate_series(1, 20) AS i",
  );
  await world.d1('CREATE TABLE by_hand (id INTEGER PRIMARY KEY, v TEXT)');
  const migrator = (): ResumableMigrator<object, object> =>
    world.migrator('by_hand', { checkpointSize: 10, batchSize: 5, retry: { retries: 2, baseMs: 1 } });
  await migrator().run({ budget: { batches: 1 } });
  const set = async (cursor: string): Promise<unknown> =>
    await world.d1(
      `UPDATE migration_checkpoints SET cursor = ${cursor} WHERE table_name = 'by_hand' AND seq = 1`,
    );
  await set(`'[ "5" ]'`);
  expect(await rejection(migrator().run())).toMatchObject({
    code: 'CHECKPOINTS_FAILED',
    help: expect.stringContaining('without spaces: ["5"], or set it to NULL'),
    result: { failures: [{ seq: 1, code: 'SINK_PROTOCOL' }], progress: { checkpoints: { completed: 1 } } },
  });
  await set('NULL');
  expect(await migrator().run()).toMatchObject({ status: 'completed' });
  expect(await world.sinkRows('by_hand', 'id')).toEqual(await world.sourceRows('by_hand', 'id'));
});
