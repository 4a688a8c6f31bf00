import { afterAll, beforeAll, expect, test } from 'vitest';
import { rejection } from '../engine/world.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const tuning = { checkpointSize: 100, batchSize: 50, concurrency: 2, retry: { retries: 1, baseMs: 1 } };

async function tables(name: string): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${name} (id int PRIMARY KEY, v text)`,
    `INSERT INTO ${name} SELECT i, 'v' || i FROM generate_series(1, 1000) AS i`,
  );
  await world.d1(`CREATE TABLE ${name} (id INTEGER PRIMARY KEY, v TEXT)`);
}

test.each([
  ['all', 'TRUE'],
  ['the pending ones', "status = 'pending'"],
])(
  'a run of which %s are deleted by a query is not completed, and what is left is copied',
  async (what, which) => {
    const table = what === 'all' ? 'deleted_all' : 'deleted_pending';
    await tables(table);
    const migrator = world.migrator(table, { ...tuning, batchDelayMs: 20 });
    let batches = 0;
    let deleting: Promise<unknown> | undefined;
    migrator.on('batch:committed', () => {
      batches += 1;
      if (batches === 3)
        deleting = world.d1(`DELETE FROM migration_checkpoints WHERE table_name = '${table}' AND ${which}`);
    });
    expect(await rejection(migrator.run())).toMatchObject({ code: 'PLAN_INCOMPLETE', retryable: false });
    await deleting;
    expect(await world.migrator(table, tuning).run()).toMatchObject({ status: 'completed' });
    expect(await world.sinkRows(table, 'id')).toEqual(await world.sourceRows(table, 'id'));
  },
);

test('status() counts checkpoints that are missing in the middle', async () => {
  await tables('holes');
  await world.migrator('holes', tuning).run();
  await world.d1("DELETE FROM migration_checkpoints WHERE table_name = 'holes' AND seq IN (2, 5)");
  expect(await world.migrator('holes', tuning).status()).toMatchObject({
    checkpoints: { total: 10, completed: 8, pending: 0 },
    percent: 80,
  });
  expect(await rejection(world.migrator('holes', tuning).run())).toMatchObject({ code: 'PLAN_INCOMPLETE' });
});
