import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDrive, type Ended, run } from '../examples/command.ts';
import { World } from '../support/world.ts';

let world: World;
let folder: string;
beforeAll(async () => {
  world = await World.start();
  folder = await mkdtemp(join(tmpdir(), 'report-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await world[Symbol.asyncDispose]();
});

/** Copies tables with a report, and reads it. */
async function reported(
  tables: string,
  env: Record<string, string> = {},
): Promise<Ended & { readonly page: string }> {
  const REPORT_FILE = join(folder, 'report.html');
  await rm(REPORT_FILE, { force: true });
  const ended = await run({ ...world.stack.env, TABLE_NAMES: tables, REPORT_FILE, ...env }, '--all');
  expect(ended.stdout).toContain(`Report: ${REPORT_FILE}`);
  // Nothing half-written is left beside it.
  expect(await readdir(folder)).toEqual(['report.html']);
  const page = await readFile(REPORT_FILE, 'utf8');
  const { CLOUDFLARE_API_TOKEN, DATABASE_URL } = world.stack.env;
  expect(page).not.toContain(CLOUDFLARE_API_TOKEN);
  expect(page).not.toContain(new URL(DATABASE_URL).password);
  return { ...ended, page };
}

test('REPORT_FILE gets a page about all tables: those that are completed, and those that could not be begun', async () => {
  await createDrive(world, 'trips', 'generate_series(1, 450)');
  const { exitCode, page } = await reported('trips,not_there', { CHECKPOINT_SIZE: '100' });
  expect(exitCode).toBe(2);
  expect(page).toContain('2 tables: 1 completed, 1 failed.');
  expect(page).toContain('Checkpoints: 5 completed, 0 in progress, 0 pending, 0 failed');
  expect(page).toContain('SOURCE_TABLE_NOT_FOUND');
  expect(page).toContain('not_there');
});

test('the report of a later run knows what the earlier ones copied', async () => {
  const { exitCode, page } = await reported('trips', { CHECKPOINT_SIZE: '100' });
  expect(exitCode).toBe(0);
  expect(page).toContain('Checkpoints: 5 completed');
  expect(page).toMatch(/Rows copied<\/dt>\s*<dd>450/);
});

test('a checkpoint that fails stands in the report, with the words of D1', async () => {
  await createDrive(world, 'checked', 'generate_series(1, 450)');
  await world.d1(
    'CREATE TABLE checked (id INTEGER PRIMARY KEY, latitude REAL, speed REAL CHECK (speed <> 77))',
  );
  const { exitCode, page } = await reported('checked', { CHECKPOINT_SIZE: '100' });
  expect(exitCode).toBe(1);
  expect(page).toContain('CHECK constraint failed');
  expect(page).toContain('What to do:');
});

test('a report that cannot be written is said, and changes nothing of what the run came to', async () => {
  const REPORT_FILE = join(folder, 'no', 'such', 'folder', 'report.html');
  const { exitCode, stderr } = await run({
    ...world.stack.env,
    TABLE_NAME: 'trips',
    CHECKPOINT_SIZE: '100',
    REPORT_FILE,
  });
  expect(stderr).toContain('The report could not be written');
  expect(exitCode).toBe(0);
});
