import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import {
  Command,
  createDrive,
  expectCompleted,
  expectEqual,
  rowsWritten,
  run,
  untilSaid,
} from './command.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
}, 120_000);
afterAll(async () => await world?.[Symbol.asyncDispose]());
afterEach(() => world.stack.api.setFaults(undefined));

const settings = { CHECKPOINT_SIZE: '100', BATCH_SIZE: '20', BATCH_DELAY_MS: '20' };

function start(table: string, ...args: string[]): Command {
  return new Command({ ...world.stack.env, TABLE_NAME: table, ...settings }, args);
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s ends the run after the batch in flight, with exit code %i, and the same command goes on',
  async (signal, code) => {
    const table = `interrupted_by_${signal.toLowerCase()}`;
    await createDrive(world, table, 'generate_series(1, 2000)');
    const command = start(table);
    await untilSaid(command, 'Checkpoint 3 completed');
    command.child.kill(signal);
    const { exitCode, stdout, stderr } = await command.ended();
    expect(exitCode, stderr).toBe(code);
    expect(stderr).toBe('');
    expect(stdout).toContain('🛑 Stopping: the batch in flight is finished and saved.');
    expect(stdout).toContain(`⏸️ Migration of ${table} paused; what was copied is saved`);
    expect(stdout).toMatch(/Checkpoints: \d+ of 20 completed/);
    expect(stdout).toContain(
      'To resume: run the same command again: npx node examples/migrate-with-resume.ts',
    );

    // Everything was given back, and what the table says is what D1 holds.
    const [state] = await world.d1(
      `SELECT sum(status = 'in_progress') AS held, sum(records_processed) AS records FROM migration_checkpoints WHERE table_name = '${table}'`,
    );
    const [stored] = await world.d1(`SELECT count(*) AS n FROM ${table}`);
    expect(state).toEqual({ held: 0, records: stored?.['n'] });

    const again = await run({ ...world.stack.env, TABLE_NAME: table, ...settings });
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.stdout).toContain('Resuming from: ID ');
    expect(again.stdout).not.toContain('Waiting');
    expect(rowsWritten(world, table)).toBe(2_000);
    await expectEqual(world, table);
  },
);

test('a Ctrl-C that arrives twice, as npm passes it on, is one', async () => {
  await createDrive(world, 'twice', 'generate_series(1, 2000)');
  const command = start('twice');
  await untilSaid(command, 'Checkpoint 3 completed');
  command.child.kill('SIGINT');
  await untilSaid(command, 'Stopping');
  command.child.kill('SIGINT');
  const { exitCode, stdout, stderr } = await command.ended();
  expect(exitCode, stderr).toBe(130);
  expect(stdout).toContain('paused; what was copied is saved');
  expect(stdout).not.toContain('Ended at once');
});

test('a second Ctrl-C ends at once, whatever is in flight, and nothing is lost by that', async () => {
  await createDrive(world, 'impatient', 'generate_series(1, 2000)');
  const command = start('impatient');
  await untilSaid(command, 'Checkpoint 3 completed');
  world.stack.api.setFaults(() => ({ kind: 'stall' }));
  command.child.kill('SIGINT');
  await untilSaid(command, 'Stopping');
  await sleep(1_200); // less could be the same keypress
  command.child.kill('SIGINT');
  const { exitCode, stdout, stderr } = await command.ended();
  expect(exitCode, stderr).toBe(130);
  expect(stdout).toContain('🛑 Ended at once.');

  world.stack.api.setFaults(undefined);
  await expectCompleted(run({ ...world.stack.env, TABLE_NAME: 'impatient', ...settings }));
  expect(rowsWritten(world, 'impatient')).toBe(2_000);
  await expectEqual(world, 'impatient');
});

test('an interrupted --all does not begin the next table', async () => {
  await createDrive(world, 'coordinate_speed_new', 'generate_series(1, 2000)');
  await createDrive(world, 'camera_locations', 'generate_series(1, 10)');
  const command = start('ignored', '--all');
  await untilSaid(command, 'Checkpoint 3 completed');
  command.child.kill('SIGINT');
  const { exitCode, stdout, stderr } = await command.ended();
  expect(exitCode, stderr).toBe(130);
  expect(stdout).toContain('node examples/migrate-with-resume.ts --all');
  expect(stdout).toContain('⏸️ camera_locations was not begun. The signal ended the run before its turn.');
  expect(stdout).not.toContain('Analyzing camera_locations');
  expect(
    await world.d1(`SELECT count(*) AS n FROM migration_checkpoints WHERE table_name = 'camera_locations'`),
  ).toEqual([{ n: 0 }]);
});

test('an interrupt during the analysis changes nothing', async () => {
  await createDrive(world, 'early', 'generate_series(1, 20)');
  const before = await world.d1Contents();
  world.stack.api.setFaults(() => ({ kind: 'stall' }));
  const command = start('early');
  await untilSaid(command, 'Analyzing early');
  command.child.kill('SIGINT');
  const { exitCode, stdout, stderr } = await command.ended();
  expect(exitCode, stderr).toBe(130);
  expect(stderr).toBe('');
  expect(stdout).toContain('⏸️ Paused before anything of this table was copied');
  world.stack.api.setFaults(undefined);
  expect(await world.d1Contents()).toEqual(before);
});
