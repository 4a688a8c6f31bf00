import { afterAll, beforeAll, expect, test } from 'vitest';
import { queryD1 } from '../../examples/cli/d1-query.ts';
import { MONITORING_QUERIES } from '../../examples/cli/guide-queries.ts';
import { World } from '../support/world.ts';
import { createDrive, expectEqual, killAfter, rowsWritten, run } from './command.ts';

// The guide's statements that change something or stand alone, word for word.
const manualReset = `UPDATE migration_checkpoints
SET status = 'pending'
WHERE status = 'in_progress' AND table_name = 'coordinate_speed_new';`;
const manualDelete = `DELETE FROM migration_checkpoints WHERE table_name = 'coordinate_speed_new';`;
const errorMessages = `SELECT error_message FROM migration_checkpoints WHERE status = 'failed';`;

const table = 'coordinate_speed_new';
const settings = { CHECKPOINT_SIZE: '100', BATCH_SIZE: '40', CONCURRENCY: '1' };

let world: World;
beforeAll(async () => {
  world = await World.start();
  await createDrive(world, table, 'generate_series(1, 1000)');
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

const migrate = (): ReturnType<typeof run> => run({ ...world.stack.env, TABLE_NAME: table, ...settings });
const ask = async (sql: string | undefined): Promise<unknown> =>
  (await queryD1(world.stack.env, sql ?? '')).rows;
const [overall, pending, percentage, failed] = MONITORING_QUERIES.map(({ sql }) => sql);

// The guide's story in its order: each test goes on from the state that the one before left.

test('the monitoring queries show a migration that was killed', async () => {
  await killAfter(world, table, 440, settings);
  expect(await ask(overall)).toEqual([
    ['completed', 4, 400],
    ['in_progress', 1, 80],
    ['pending', 5, 0],
  ]);
  expect(await ask(pending)).toEqual(
    [501, 601, 701, 801, 901].map((start, index) => [6 + index, start, start + 99, 'pending', null]),
  );
  expect(await ask(percentage)).toEqual([[40]]);
  expect(await ask(failed)).toEqual([]);
});

test('after the manual reset of a stuck checkpoint a run takes it at once and goes on behind its last row', async () => {
  await ask(manualReset);
  expect(await ask(overall)).toEqual([
    ['completed', 4, 400],
    ['pending', 6, 80],
  ]);
  const { exitCode, stdout, stderr } = await migrate();
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Last completed: ID 301-400 (checkpoint 4)\n   Resuming from: ID 481\n');
  expect(stdout).toContain('Pending checkpoints: 6\n');
  expect(stdout).not.toContain('Waiting');
  expect(rowsWritten(world, table)).toBe(1_000);
  expect(await ask(overall)).toEqual([['completed', 10, 1_000]]);
  expect(await ask(percentage)).toEqual([[100]]);
});

test('after the manual DELETE a run plans anew and copies everything again', async () => {
  await ask(manualDelete);
  expect(await ask(overall)).toEqual([]);
  const { exitCode, stdout, stderr } = await migrate();
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Created 10 checkpoints');
  expect(stdout).toContain('Records copied: 1000 in this run, 1000 in all');
  expect(rowsWritten(world, table)).toBe(2_000);
  await expectEqual(world, table);
});

test('a failed checkpoint says why, the others are copied, and after the repair the same command goes on', async () => {
  await ask(manualDelete);
  await ask(`DROP TABLE ${table}`);
  await ask(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, latitude REAL, speed REAL CHECK (speed < 200))`);
  await world.postgres(`UPDATE ${table} SET speed = 999 WHERE id = 550`);
  const broken = await migrate();
  expect(broken.exitCode, broken.stderr).toBe(1);
  expect(broken.stdout).toMatch(/❌ Checkpoint 6 failed: SINK_FAILED: .*CHECK constraint failed/);
  expect(broken.stderr).toContain('CHECKPOINTS_FAILED');
  expect(broken.stderr).toContain(
    'What was copied is saved. To go on with the rest: run the same command again',
  );
  const [[message]] = (await ask(errorMessages)) as [[string]];
  expect(message).toMatch(/^SINK_FAILED: .*CHECK constraint failed/);
  expect(await ask(failed)).toEqual([
    [expect.any(Number), 501, 600, message, expect.stringMatching(/^\d{4}-/)],
  ]);
  expect(await ask(pending)).toEqual([[expect.any(Number), 501, 600, 'failed', message]]);
  expect(await ask(percentage)).toEqual([[90]]);

  await world.postgres(`UPDATE ${table} SET speed = 99 WHERE id = 550`);
  const repaired = await migrate();
  expect(repaired.exitCode, repaired.stderr).toBe(0);
  expect(repaired.stdout).toContain(
    'Pending checkpoints: 1\n   Of these failed before, and are tried again: 1\n',
  );
  expect(await ask(errorMessages)).toEqual([]);
  await expectEqual(world, table);
});
