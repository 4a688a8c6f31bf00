import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GroupProgress } from 'resumable-migrator';
import { readConfiguration } from '../../examples/cli/configuration.ts';
import { Output } from '../../examples/cli/output.ts';
import { showStatus } from '../../examples/cli/status.ts';
import { World } from '../support/world.ts';
import { Command, createDrive, expectCompleted, killAfter, run, untilSaid } from './command.ts';
import { Screen } from './screen.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await createDrive(world, 'drive', 'generate_series(1, 450)');
  await createDrive(world, 'sites', 'generate_series(1, 30)');
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());

/** Without the source: progress is in D1 alone. */
function env(more: Record<string, string> = {}): Record<string, string> {
  const { DATABASE_URL: _, ...rest } = world.stack.env;
  return { ...rest, ...more };
}

const both = { TABLE_NAMES: 'drive,public.sites' };

test('before anything is planned the status says so, ends with 3, and changes nothing', async () => {
  const before = await world.d1Contents();
  const { exitCode, stdout, stderr } = await run(env(), '--status', '--table', 'drive');
  expect(exitCode, stderr).toBe(3);
  expect(stderr).toBe('');
  expect(stdout).toBe('drive: nothing is planned yet\n');
  expect(await world.d1Contents()).toEqual(before);
});

test('half done it ends with 3 and says how far it is and where a run goes on', async () => {
  const small = { CHECKPOINT_SIZE: '100', BATCH_SIZE: '20', CONCURRENCY: '1' };
  await killAfter(world, 'drive', 240, small);
  const before = await world.d1Contents();
  const { exitCode, stdout, stderr } = await run(env({ TABLE_NAME: 'drive' }), '--status');
  expect(exitCode, stderr).toBe(3);
  expect(stdout).toMatch(/^drive: in progress\n\n {2}Done +█+░+ {2}40\.0%\n {2}Rows +2[2-6]0\n/);
  expect(stdout).toContain('2 of 5 completed, 1 in progress, 2 pending\n');
  expect(stdout).toContain('checkpoint 2, keys 101 to 200\n');
  expect(stdout).toMatch(/Next +checkpoint 3, keys 201 to 300, copied up to 2[2-6]0\n/);
  expect(await world.d1Contents()).toEqual(before);
});

test('several tables are shown with their sums, a schema is no part of their names', async () => {
  const { exitCode, stdout, stderr } = await run(env(both), '--status', '--all');
  expect(exitCode, stderr).toBe(3);
  expect(stdout).toMatch(/^0 of 2 tables completed\n/);
  expect(stdout).toMatch(/\n {2}drive .* 40\.0% /);
  expect(stdout).toMatch(/\n {2}sites .* 0\.0% /);
  expect(stdout).toMatch(/\n {2}in all .* 40\.0% /);
});

test('--watch shows every change, and ends by itself with 0 once all is completed', async () => {
  const watching = new Command(env(both), ['--status', '--all', '--watch']);
  await untilSaid(watching, '0 of 2 tables completed');
  await expectCompleted(run({ ...world.stack.env, ...both, CHECKPOINT_SIZE: '100' }, '--all'));
  const { exitCode, stdout, stderr } = await watching.ended();
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toMatch(/^0 of 2 tables completed\n[^]*\n2 of 2 tables completed\n/);
});

test('completed it ends with 0, and --watch has nothing to wait for', async () => {
  const { exitCode, stdout, stderr } = await run(env(), '--status', '--table', 'drive', '--watch');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toMatch(/^drive: completed\n\n {2}Done +█+ {2}100\.0%\n {2}Rows +450\n/);
  expect(stdout.match(/drive: completed/g)).toHaveLength(1);
});

test('--json is the same as a program reads it, of one table and of several', async () => {
  const one = await run(env(), '--status', '--table', 'drive', '--json');
  expect(one.exitCode, one.stderr).toBe(0);
  const progress = JSON.parse(one.stdout) as GroupProgress;
  expect(progress.tables).toEqual([await world.migrator('drive').status()]);
  expect(progress.checkpoints).toEqual(progress.tables[0]?.checkpoints);
  const lines = await run(env(both), '--status', '--all', '--json', '--watch');
  expect(lines.stdout.trim().split('\n')).toHaveLength(1);
  const { tables, rows } = JSON.parse(lines.stdout) as GroupProgress;
  expect(tables.map(({ migration }) => migration)).toEqual(['drive', 'sites']);
  expect(rows).toBe(480);
});

test('checkpoints that failed are shown with their message, and end it with 1', async () => {
  await world.postgres(
    'CREATE TABLE broken (id int PRIMARY KEY, f float8)',
    `INSERT INTO broken VALUES (1, 1), (2, 'NaN')`,
  );
  const failed = await run({ ...world.stack.env, TABLE_NAME: 'broken', CHECKPOINT_SIZE: '1' });
  expect(failed.exitCode, failed.stderr).toBe(1);
  const { exitCode, stdout, stderr } = await run(env(), '--status', '--table', 'broken');
  expect(exitCode, stderr).toBe(1);
  expect(stdout).toMatch(/^broken: 1 failed\n/);
  expect(stdout).toContain('VALUE_REFUSED, checkpoint 2\n');
});

test('a checkpoint that failed without a stored reason is shown without a code of its own', async () => {
  await world.d1(`UPDATE migration_checkpoints SET error_message = NULL WHERE table_name = 'broken'`);
  const { exitCode, stdout, stderr } = await run(env(), '--status', '--table', 'broken');
  expect(exitCode, stderr).toBe(1);
  expect(stdout).toMatch(/\n {2}failed, checkpoint 2\n {4}error_message holds no reason\.\n$/);
});

test('Ctrl-C ends --watch with 130, and says nothing of a copy', async () => {
  const watching = new Command(env(), ['--status', '--table', 'not_yet', '--watch']);
  await untilSaid(watching, 'not_yet: nothing is planned yet');
  watching.child.kill('SIGINT');
  const { exitCode, stdout, stderr } = await watching.ended();
  expect(exitCode, stderr).toBe(130);
  expect(stdout).toBe('not_yet: nothing is planned yet\n');
});

test('on a terminal --watch draws in place, and what it showed last stays', async () => {
  const screen = new Screen();
  const configuration = readConfiguration(['--status', '--watch', '--table', 'not_yet'], env());
  if (!configuration) throw new Error('It was not asked for help.');
  const output = new Output({ NO_COLOR: '1' }, screen, screen);
  const stop = new AbortController();
  const watching = showStatus(configuration, output, stop.signal);
  await expect.poll(() => screen.lines()).toEqual(['not_yet: nothing is planned yet']);
  stop.abort();
  await watching;
  expect(await screen.lines()).toEqual(['not_yet: nothing is planned yet']);
  const completed = await showStatus({ ...configuration, tables: ['drive'] }, output, AbortSignal.any([]));
  expect(completed).toBe(0);
  expect((await screen.lines()).filter((line) => line.startsWith('drive'))).toEqual(['drive: completed']);
});

test('where D1 cannot be reached it ends with 1, and where the token is wrong with 2', async () => {
  const away = await run(env({ CLOUDFLARE_API_BASE_URL: 'http://127.0.0.1:9/client/v4' }), '--status');
  expect(away.exitCode, away.stdout).toBe(1);
  expect(away.stderr).toMatch(/^❌ SINK_[A-Z]+: /);
  const wrong = await run(env({ CLOUDFLARE_API_TOKEN: 'some-other-token' }), '--status');
  expect(wrong.exitCode, wrong.stderr).toBe(2);
});

test.each([
  [['--watch'], '--watch and --json belong to --status.'],
  [['--json', '--plan'], '--watch and --json belong to --status.'],
  [['--plan', '--status'], '--plan and --status exclude each other.'],
])('%j is refused', async (args, message) => {
  const { exitCode, stderr } = await run(world.stack.env, ...args);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(message);
});
