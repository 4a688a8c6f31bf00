import { expect, test } from 'vitest';
import type { Checkpoint, CheckpointStatus } from 'resumable-migrator';
import { World } from './world.ts';

async function listed(checkpoints: AsyncIterable<Checkpoint>): Promise<[number, CheckpointStatus, number][]> {
  const found: [number, CheckpointStatus, number][] = [];
  for await (const { seq, status, recordsProcessed } of checkpoints)
    found.push([seq, status, recordsProcessed]);
  return found;
}

test('checkpoints are listed in the order of their ranges, as far as they are, and none before there is a plan', async () => {
  const world = new World({ rows: 40, mode: 'upsert' });
  const migrator = world.migrator({ checkpointSize: 10, batchSize: 5, pageSize: 5, concurrency: 1 });
  expect(await listed(migrator.checkpoints())).toEqual([]);
  await migrator.run({ budget: { rows: 20 } });
  expect(await listed(migrator.checkpoints())).toEqual([
    [1, 'completed', 10],
    [2, 'completed', 10],
    [3, 'pending', 0],
    [4, 'pending', 0],
  ]);
  expect(await listed(migrator.checkpoints({ status: 'pending' }))).toEqual([
    [3, 'pending', 0],
    [4, 'pending', 0],
  ]);
  expect(await listed(migrator.checkpoints({ status: 'failed' }))).toEqual([]);
});

test('more checkpoints than one answer holds are all listed', async () => {
  const world = new World({ rows: 2_100, mode: 'upsert' });
  const migrator = world.migrator({ checkpointSize: 1, batchSize: 1, pageSize: 1, concurrency: 1 });
  await migrator.run({ budget: { rows: 3 } });
  const found = await listed(migrator.checkpoints());
  expect(found.map(([seq]) => seq)).toEqual(Array.from({ length: 2_100 }, (_, index) => index + 1));
  expect(found.filter(([, status]) => status === 'completed')).toHaveLength(3);
});
