import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { createDrive, expectCompleted, run } from './command.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await createDrive(world, 'drive', 'generate_series(1, 3000)');
  await world.postgres(
    'CREATE TABLE broken (id int PRIMARY KEY, f float8)',
    `INSERT INTO broken VALUES (1, 'NaN')`,
  );
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

const env = (more: Record<string, string> = {}): Record<string, string> => ({ ...world.stack.env, ...more });

test('--plan shows what a run would do, ends with 0, and changes nothing', async () => {
  const before = await world.d1Contents();
  const { exitCode, stdout, stderr } = await run(
    env({ CHECKPOINT_SIZE: '1000' }),
    '--plan',
    '--table',
    'drive',
  );
  expect(exitCode, stderr).toBe(0);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^drive\n\n {2}From +PostgreSQL postgres\.public\.drive\n {2}To +D1 table drive\n/);
  expect(stdout).toContain('Rows         about 3,000\n');
  expect(stdout).toContain('Checkpoints  3 (all new), up to 1,000 rows each\n');
  expect(stdout).toContain('Nothing was found that keeps the copy from being exact.');
  expect(stdout).toContain('CREATE TABLE IF NOT EXISTS "drive" (\n    "id" INTEGER NOT NULL PRIMARY KEY,');
  expect(await world.d1Contents()).toEqual(before);
});

test('--plan says what is copied already, and what is left', async () => {
  await expectCompleted(run(env({ TABLE_NAME: 'drive', CHECKPOINT_SIZE: '1000' })));
  const { stdout } = await run(env({ CHECKPOINT_SIZE: '1000' }), '--plan', '--table', 'drive');
  expect(stdout).toContain('Copied       3,000 rows, 3 of 3 checkpoints');
});

test('--plan ends with 1 where a run would fail, and with 2 where the configuration has to be changed', async () => {
  const failing = await run(env(), '--plan', '--table', 'broken');
  expect(failing.exitCode, failing.stderr).toBe(1);
  expect(failing.stdout).toContain('VALUE_REFUSED, column f\n');
  const { exitCode, stdout } = await run(env({ TABLE_NAMES: 'broken,drive,nothing' }), '--plan', '--all');
  expect(exitCode).toBe(2);
  expect(stdout).toContain('3 tables, in the order of copying');
  expect(stdout).toContain('The source has no table or view nothing.');
  expect(stdout).toMatch(/\n {2}in all +3,001 /);
});
