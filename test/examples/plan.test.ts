import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { createDrive, run } from './command.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

test('--plan shows what would be copied and what it takes, and changes nothing', async () => {
  await createDrive(world, 'coordinate_speed_new', 'generate_series(1, 12345)');
  const before = await world.d1Contents();
  const { exitCode, stdout, stderr } = await run(world.stack.env, '--plan');
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  expect(await world.d1Contents()).toEqual(before);
  const line = (name: string): string => stdout.split('\n').find((one) => one.startsWith(`  ${name}`)) ?? '';
  expect(line('Rows')).toMatch(/about 12,345$/);
  expect(line('Checkpoints')).toMatch(/1 \(all new\), up to 50,000 rows each$/);
  expect(line('Ranges')).toContain('fixed. id runs from 1 to 12345');
  expect(line('Requests')).toMatch(/about \d+, \d+ s at the quota of the API$/);
  expect(line('Written')).toMatch(/about 12,3\d\d rows, /);
  expect(line('Price')).toMatch(/at the most \$0\.01, \$0\.00 within what a month includes$/);
  expect(line('Stored')).toMatch(/about \d+ kB of 10 GB/);
  expect(stdout).toContain(
    'CREATE TABLE IF NOT EXISTS "coordinate_speed_new" (\n    "id" INTEGER NOT NULL PRIMARY KEY,\n',
  );
  expect(stdout.split('\n').filter((one) => one.length > 100)).toEqual([]);
});

test('--plan ends with 1 where there are errors, and says what to do', async () => {
  await world.postgres(`UPDATE coordinate_speed_new SET speed = 'NaN' WHERE id = 5`);
  const { exitCode, stdout } = await run(world.stack.env, '--plan', '--table', 'coordinate_speed_new');
  expect(exitCode).toBe(1);
  expect(stdout).toContain('Errors: a run would be refused, or fail (1)\n  VALUE_REFUSED, column speed\n');
  expect(stdout).toMatch(/the\s+first has the key 5\./);
  expect(stdout).toContain('    -> Column speed: ');
});

test('--plan --all shows every table, also where the first cannot be planned', async () => {
  await world.postgres('ALTER TABLE coordinate_speed_new DROP CONSTRAINT coordinate_speed_new_pkey');
  await createDrive(world, 'camera_locations', 'generate_series(1, 50)');
  const { exitCode, stdout, stderr } = await run(world.stack.env, '--plan', '--all');
  expect(stderr).toContain('SOURCE_KEY_REQUIRED');
  expect(stdout).toContain('camera_locations\n');
  expect(exitCode).toBe(2);
});
