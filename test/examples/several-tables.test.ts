import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { createDrive, expectEqual, rowsWritten, run } from './command.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    'CREATE TABLE regions (code text PRIMARY KEY)',
    'CREATE TABLE depots (id int PRIMARY KEY, region text REFERENCES regions)',
    `INSERT INTO regions SELECT 'r' || i FROM generate_series(1, 9) AS i`,
    `INSERT INTO depots SELECT i, 'r' || (i % 9 + 1) FROM generate_series(1, 90) AS i`,
  );
  // D1 checks the reference: children that came first would be refused.
  await world.d1('CREATE TABLE regions (code TEXT PRIMARY KEY)');
  await world.d1('CREATE TABLE depots (id INTEGER PRIMARY KEY, region TEXT REFERENCES regions)');
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

const env = (more: Record<string, string> = {}): Record<string, string> => ({ ...world.stack.env, ...more });

test('several tables are copied with one command, parents before children, and a summary says so', async () => {
  const { exitCode, stdout, stderr } = await run(env(), '--table', 'depots', '--table', 'regions');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('  Tables: depots, regions\n');
  expect(stdout).toMatch(
    /Migration of regions completed[^]*Analyzing depots[^]*Migration of depots completed/,
  );
  expect(stdout).toContain('✅ 2 of 2 tables completed, 99 records copied in this run');
  expect(await world.sinkRows('depots', 'id')).toEqual(await world.sourceRows('depots', 'id'));
});

test('--all copies the tables that TABLE_NAMES names, also anew', async () => {
  const named = env({ TABLE_NAMES: ' regions, depots,, regions ' });
  const again = await run(named, '--all');
  expect(again.exitCode, again.stderr).toBe(0);
  expect(again.stdout).toContain('✅ 2 of 2 tables completed, 0 records copied in this run');
  const before = rowsWritten(world, 'depots');
  const anew = await run({ ...named, RESUME_MODE: 'false' }, '--all');
  expect(anew.exitCode, anew.stderr).toBe(0);
  expect(rowsWritten(world, 'depots') - before).toBe(90);
});

test('TABLE_CONCURRENCY copies several at once, and each line says which table it is about', async () => {
  await createDrive(world, 'north', 'generate_series(1, 50)');
  await createDrive(world, 'south', 'generate_series(1, 60)');
  const { exitCode, stdout, stderr } = await run(
    env({ TABLE_CONCURRENCY: '2', CHECKPOINT_SIZE: '20' }),
    '--table',
    'north',
    '--table',
    'south',
  );
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('  Table Concurrency: 2 tables at a time\n');
  expect(stdout).toContain('\nnorth: 📊 Analyzing north...\n');
  expect(stdout).toContain('\nsouth: 📦 Checkpoint 3: Processing ID range 41-60 (up to 20 records)\n');
  expect(stdout).toContain(
    '\nsouth: ✅ Migration of south completed\nsouth: Records copied: 60 in this run, 60 in all\n',
  );
  const [, after = ''] = stdout.split(/Resume Mode: Enabled\n.*\n\n/);
  const [during = ''] = after.split('\n\n✅ 2 of 2');
  expect(during.split('\n').filter((line) => !/^(north|south): \S/.test(line))).toEqual([]);
  await expectEqual(world, 'north');
  await expectEqual(world, 'south');
});

test('a table that fails does not stop the others, and what refers to it waits', async () => {
  await world.postgres('CREATE TABLE trucks (id int PRIMARY KEY, depot int REFERENCES depots)');
  await createDrive(world, 'apart', 'generate_series(1, 40)');
  await world.d1('ALTER TABLE depots RENAME TO depots_away');
  const { exitCode, stdout, stderr } = await run(
    env({ TABLE_NAMES: 'no_such_table,trucks,depots,apart', BATCH_SIZE: '10' }),
    '--all',
  );
  await world.d1('DROP TABLE IF EXISTS depots');
  await world.d1('ALTER TABLE depots_away RENAME TO depots');
  expect(exitCode, stderr).toBe(2);
  expect(stderr).toContain('❌ SOURCE_TABLE_NOT_FOUND: The source has no table or view no_such_table.');
  expect(stdout).toContain('Migration of apart completed');
  await expectEqual(world, 'apart');
});

test('a failure that may pass ends with exit code 1, and the same command goes on with the rest', async () => {
  await createDrive(world, 'left_one', 'generate_series(1, 40)');
  await createDrive(world, 'right_one', 'generate_series(1, 40)');
  const { api } = world.stack;
  api.setFaults(({ sql }) =>
    sql.some((text) => text.includes('INSERT INTO "left_one"')) ? { kind: 'html', status: 503 } : undefined,
  );
  const failed = await run(env(), '--table', 'left_one', '--table', 'right_one');
  api.setFaults(undefined);
  expect(failed.exitCode, failed.stderr).toBe(1);
  expect(failed.stderr).toContain('❌ Migration of left_one failed');
  expect(failed.stdout).toContain('❌ 1 of 2 tables completed, 40 records copied in this run');
  const again = await run(env(), '--table', 'left_one', '--table', 'right_one');
  expect(again.exitCode, again.stderr).toBe(0);
  await expectEqual(world, 'left_one');
});

test('tables that refer to each other in a cycle are refused before anything is written', async () => {
  await world.postgres(
    'CREATE TABLE heads (id int PRIMARY KEY, tail int)',
    'CREATE TABLE tails (id int PRIMARY KEY, head int REFERENCES heads)',
    'ALTER TABLE heads ADD FOREIGN KEY (tail) REFERENCES tails',
  );
  const before = await world.d1Contents();
  const { exitCode, stderr } = await run(env(), '--table', 'heads', '--table', 'tails');
  expect(exitCode, stderr).toBe(2);
  expect(stderr).toContain('GROUP_CYCLE');
  expect(await world.d1Contents()).toEqual(before);
});
