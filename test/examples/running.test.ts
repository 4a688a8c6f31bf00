import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { createDrive, expectCompleted, expectEqual, killAfter, rowsWritten, run } from './command.ts';

const oldDatabase = '0a0a0a0a-0000-4000-8000-000000000002';

let world: World;
beforeAll(async () => {
  const databases = { DB: 'd1d1d1d1-0000-4000-8000-000000000001', OLD: oldDatabase };
  world = await World.start({ d1: { databases } });
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

function env(table: string, more: Record<string, string> = {}): Record<string, string> {
  return { ...world.stack.env, TABLE_NAME: table, ...more };
}

test('a first run prints what the guide shows', async () => {
  await createDrive(world, 'first_run', 'generate_series(1, 446)');
  const { exitCode, stdout, stderr } = await run(
    env('first_run', { CHECKPOINT_SIZE: '10', BATCH_SIZE: '19', CONCURRENCY: '1' }),
  );
  expect(stderr).toBe('');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain(`🚀 Starting resumable migration from PostgreSQL to Cloudflare D1

Configuration:
  Table: first_run
  Checkpoint Size: 10 records
  D1 Batch Size: 19 rows
  Concurrency: 1 checkpoint at a time
  Resume Mode: Enabled
`);
  expect(stdout).toContain(`
📊 Analyzing first_run...
   Total records: 446
   ID range: 1 - 446

📋 Initializing checkpoints for first_run...
   Creating 45 checkpoints (10 records each)...
   ✅ Created 45 checkpoints

📊 Migration Status:
   Pending checkpoints: 45

📤 Processing 45 checkpoints...

[1/45] (2.2% of remaining)
📦 Checkpoint 1: Processing ID range 1-10 (up to 10 records)
   ✅ Checkpoint 1 completed (10 records)

[2/45] (4.4% of remaining)
📦 Checkpoint 2: Processing ID range 11-20 (up to 10 records)
   ✅ Checkpoint 2 completed (10 records)
`);
  expect(stdout).toContain(`
[45/45] (100.0% of remaining)
📦 Checkpoint 45: Processing ID range 441-446 (up to 6 records)
   ✅ Checkpoint 45 completed (6 records)

✅ Migration of first_run completed
   Records copied: 446 in this run, 446 in all
   Checkpoints: 45 of 45 completed
`);
  await expectEqual(world, 'first_run');
});

test('a run that was killed is resumed by the same command, and no row is written twice', async () => {
  await createDrive(world, 'killed', 'generate_series(1, 4500)');
  const settings = { CHECKPOINT_SIZE: '100', BATCH_SIZE: '40', CONCURRENCY: '1' };
  const killed = await killAfter(world, 'killed', 1_440, settings);
  expect(killed.exitCode).toBeNull();
  const { exitCode, stdout, stderr } = await run(env('killed', settings));
  expect(exitCode, stderr).toBe(0);
  // The request that was under way when the process died came through: rows 1441 to 1480.
  expect(stdout).toContain(`
   Found 45 checkpoints of earlier runs

📊 Migration Status:
   Last completed: ID 1301-1400 (checkpoint 14)
   Resuming from: ID 1481
   Pending checkpoints: 31

📤 Processing 31 checkpoints...

[1/31] (3.2% of remaining)
📦 Checkpoint 16: Processing ID range 1501-1600 (up to 100 records)
`);
  expect(stdout).toContain('⏳ Waiting: another run holds the checkpoints that are left');
  expect(stdout).toContain(`
[31/31] (100.0% of remaining)
📦 Checkpoint 15: Processing ID range 1401-1500 (up to 100 records)
   Going on after ID 1480: 80 records of it are in D1
   ✅ Checkpoint 15 completed (100 records)
`);
  expect(rowsWritten(world, 'killed')).toBe(4_500);
  await expectEqual(world, 'killed');
});

test('checkpoints of an older system are adopted and continued as the guide shows', async () => {
  await createDrive(world, 'coordinate_speed_new', 'generate_series(50001, 2260059, 499)');
  const old = await world.stack.d1.database('OLD');
  await old
    .prepare(
      `CREATE TABLE migration_checkpoints (id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL,
       start_id INTEGER NOT NULL, end_id INTEGER NOT NULL, status TEXT DEFAULT 'pending',
       records_processed INTEGER DEFAULT 0, error_message TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP)`,
    )
    .run();
  await old
    .prepare(
      `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 45)
       INSERT INTO migration_checkpoints (table_name, start_id, end_id, status, records_processed)
       SELECT 'coordinate_speed_new', n * 50000 + 1, min((n + 1) * 50000, 2260059),
         CASE WHEN n <= 14 THEN 'completed' WHEN n = 15 THEN 'in_progress' ELSE 'pending' END,
         CASE WHEN n <= 14 THEN 101 ELSE 0 END FROM n`,
    )
    .run();
  const { exitCode, stdout, stderr } = await run({
    ...world.stack.env,
    D1_DATABASE_ID: oldDatabase,
    CONCURRENCY: '1',
  });
  expect(stderr).toBe('');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain(`
📊 Migration Status:
   Last completed: ID 700001-750000 (checkpoint 14)
   Resuming from: ID 750001
   Pending checkpoints: 31

📤 Processing 31 checkpoints...

[1/31] (3.2% of remaining)
📦 Checkpoint 15: Processing ID range 750001-800000 (up to 50000 records)
`);
  const counted = await old.prepare('SELECT count(*) AS n, min(id) AS first FROM coordinate_speed_new').all();
  const copied = await world.pool.query(
    'SELECT count(*)::int AS n, min(id)::int AS first FROM coordinate_speed_new WHERE id > 750000',
  );
  expect(counted.results).toEqual(copied.rows);
});

test('a request that fails is tried again, in the analysis as well as in the copy', async () => {
  await createDrive(world, 'retried', 'generate_series(1, 30)');
  const { api } = world.stack;
  api.setFaults(({ n }) => (n === 1 || n === 9 ? { kind: 'html', status: 503 } : undefined));
  const { exitCode, stdout, stderr } = await run(env('retried'));
  api.setFaults(undefined);
  expect(exitCode, stderr).toBe(0);
  expect(stdout.match(/⚠️ SINK_UNREACHABLE: .* Next try in/g)).toHaveLength(2);
  expect(rowsWritten(world, 'retried')).toBe(30);
});

test('with nothing left to do the command says so, and writes nothing', async () => {
  await createDrive(world, 'done', 'generate_series(1, 30)');
  await expectCompleted(run(env('done')));
  const { exitCode, stdout, stderr } = await run(env('done'));
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Last completed: ID 1-30 (checkpoint 1)\n   Pending checkpoints: 0\n');
  expect(stdout).toContain('Records copied: 0 in this run, 30 in all');
  expect(rowsWritten(world, 'done')).toBe(30);
});

test('rows that came after the end of the plan get checkpoints of their own', async () => {
  await createDrive(world, 'grown', 'generate_series(1, 30)');
  await run(env('grown', { CHECKPOINT_SIZE: '10' }));
  await world.postgres('INSERT INTO grown SELECT id, 1, 1 FROM generate_series(31, 45) AS id');
  const { exitCode, stdout, stderr } = await run(env('grown', { CHECKPOINT_SIZE: '10' }));
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('ID range: 1 - 45');
  expect(stdout).toContain(
    'Found 3 checkpoints of earlier runs\n   Creating 2 checkpoints (10 records each)...',
  );
  expect(stdout).toContain('Resuming from: ID 31');
  await expectEqual(world, 'grown');
});

test('a range without rows is completed with 0 records', async () => {
  await createDrive(
    world,
    'sparse',
    'unnest(ARRAY(SELECT n FROM generate_series(1, 1100) AS n WHERE n <= 100 OR n > 1000))',
  );
  const { exitCode, stdout, stderr } = await run(env('sparse', { CHECKPOINT_SIZE: '100' }));
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('ID range: 1 - 1100');
  expect(stdout).toContain('Creating 11 checkpoints');
  expect(stdout).toContain('Checkpoint 5 completed (0 records)');
  await expectEqual(world, 'sparse');
});

test('an empty table is copied: it is there, and has no rows', async () => {
  await createDrive(world, 'nothing', 'generate_series(1, 0)');
  const { exitCode, stdout, stderr } = await run(env('nothing'));
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Total records: 0\n   ID range: none\n');
  expect(await world.sinkRows('nothing', 'id')).toEqual([]);
});

test('a table without an integer key is copied, and its ranges are shown by their keys', async () => {
  await world.postgres(
    'CREATE TABLE pairs (region text, n int, PRIMARY KEY (region, n))',
    "INSERT INTO pairs SELECT region, n FROM unnest(ARRAY['eu', 'us']) AS region, generate_series(1, 10) AS n",
  );
  const { exitCode, stdout, stderr } = await run(env('pairs', { CHECKPOINT_SIZE: '5', CONCURRENCY: '1' }));
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Checkpoint 2: Processing keys after (eu, 5) up to (eu, 10)');
  expect(await world.sinkRows('pairs', 'region, n')).toHaveLength(20);
});
