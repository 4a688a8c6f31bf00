import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { createDrive, expectEqual, rowsWritten, run } from './command.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await createDrive(world, 'coordinate_speed_new', 'generate_series(1, 20)');
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

function env(table: string, more: Record<string, string> = {}): Record<string, string> {
  return { ...world.stack.env, TABLE_NAME: table, ...more };
}

test('RESUME_MODE=false forgets the checkpoints and copies everything anew', async () => {
  await createDrive(world, 'anew', 'generate_series(1, 30)');
  await run(env('anew', { CHECKPOINT_SIZE: '10' }));
  // Another size: a plan that could not be continued can be forgotten all the same.
  const { exitCode, stdout, stderr } = await run(
    env('anew', { CHECKPOINT_SIZE: '15', RESUME_MODE: 'false' }),
  );
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Resume Mode: Disabled');
  expect(stdout).toContain('Cleared the checkpoints of earlier runs');
  expect(stdout).toContain('Created 2 checkpoints');
  expect(stdout).toContain('Records copied: 30 in this run, 30 in all');
  expect(rowsWritten(world, 'anew')).toBe(60);
  await expectEqual(world, 'anew');
});

test('RESUME_MODE=false forgets nothing where the new plan would be refused', async () => {
  await createDrive(world, 'refused', 'generate_series(1, 30)');
  await run(env('refused'));
  await world.d1('ALTER TABLE refused DROP COLUMN speed');
  const before = await world.d1Contents();
  const { exitCode, stderr } = await run(env('refused', { RESUME_MODE: '0' }));
  expect(exitCode, stderr).toBe(2);
  expect(stderr).toContain('SINK_COLUMN_MISSING');
  expect(await world.d1Contents()).toEqual(before);
});

test('--all copies both tables of the guide, and an argument goes before TABLE_NAME', async () => {
  await createDrive(world, 'camera_locations', 'generate_series(1, 20)');
  const all = await run(env('no_such_table'), '--all');
  expect(all.stderr).toBe('');
  expect(all.exitCode, all.stderr).toBe(0);
  expect(all.stdout).toMatch(
    /Migration of coordinate_speed_new completed[^]*Migration of camera_locations completed/,
  );
  const one = await run(env('no_such_table'), '--table', 'camera_locations');
  expect(one.exitCode, one.stderr).toBe(0);
  expect(one.stdout).toContain('Table: camera_locations');
});

test('a table may be named with its schema', async () => {
  await createDrive(world, 'in_public', 'generate_series(1, 20)');
  const { exitCode, stderr } = await run(env('public.in_public'));
  expect(exitCode, stderr).toBe(0);
  await expectEqual(world, 'in_public');
});

test('batches are printed where they were asked for, and then alone', async () => {
  await createDrive(world, 'batches', 'generate_series(1, 20)');
  const settings = { CHECKPOINT_SIZE: '10', BATCH_SIZE: '5', BATCH_DELAY_MS: '1' };
  const verbose = await run(env('batches', settings), '--verbose');
  expect(verbose.stdout).toContain('Batch Delay: 1 ms');
  expect(verbose.stdout).toContain('Batch 2 of checkpoint 1: Inserted 5 records (10 of this checkpoint)');
  const quiet = await run(env('batches', { ...settings, RESUME_MODE: 'false' }));
  expect(quiet.stdout).not.toContain('Inserted');
});

test('CHECKPOINT_SIZE=auto chooses by the size of the table', async () => {
  await createDrive(world, 'automatic', 'generate_series(1, 20)');
  const { exitCode, stdout, stderr } = await run(env('automatic', { CHECKPOINT_SIZE: 'auto' }));
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Checkpoint Size: auto');
  expect(stdout).toContain('Creating 1 checkpoint (10000 records each)');
});
