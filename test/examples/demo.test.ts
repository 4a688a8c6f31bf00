import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compareTable } from '../../examples/cli/compare.ts';
import { MONITORING_QUERIES } from '../../examples/cli/guide-queries.ts';
import { World } from '../support/world.ts';
import { Command, createDrive } from './command.ts';

const demo = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url));

test('the demo kills a migration, resumes it, finds both sides equal, and leaves nothing behind', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'demo-test-'));
  try {
    // Where root runs the test, another account runs PostgreSQL, and has to get in.
    await chmod(directory, 0o755);
    // Settings of the caller's shell are not the demo's.
    const env = { TMPDIR: directory, RESUME_MODE: 'false', TABLE_NAME: 'x', CHECKPOINT_SIZE: 'x' };
    const command = new Command(env, ['--rows', '20000', '--json'], demo);
    const { exitCode, stdout, stderr } = await command.ended();
    expect(exitCode, stderr).toBe(0);
    const summary = JSON.parse(stdout) as Record<string, number>;
    expect(summary).toMatchObject({
      ok: true,
      rowsCopiedTwice: 0,
      rowsLost: 0,
      rowsDifferent: 0,
      rowsTooMany: 0,
      tables: [
        { table: 'coordinate_speed_new', rows: 20_000 },
        { table: 'camera_locations', rows: 171_075 },
      ],
      rows: 191_075,
    });
    expect(summary['killedAtRows']).toBeGreaterThanOrEqual(10_000);
    expect(summary['killedAtRows']).toBeLessThan(11_000);
    expect(Object.keys(summary).toSorted()).toEqual(
      expect.arrayContaining(['demoSeconds', 'requests', 'rowsPerSecond', 'seconds']),
    );
    expect(stderr).toContain('💥 Killed with SIGKILL');
    expect(stderr).toMatch(/Last completed: ID [^]*Resuming from: ID [^]*Pending checkpoints: 2\d/);
    for (const { sql } of MONITORING_QUERIES) expect(stderr.replaceAll('\n   ', '\n')).toContain(sql);
    expect(stderr).toMatch(/completed +45 +20000/);
    expect(stderr).toContain('✅ Nothing lost, nothing twice.');

    expect(await readdir(directory)).toEqual([]);
    const { stdout: processes } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'args=']);
    expect(processes).not.toContain(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 120_000);

test.each([['0'], ['99'], ['-5'], ['1e3'], ['many']])('the demo refuses --rows %s', async (rows) => {
  const { exitCode, stdout, stderr } = await new Command({}, [`--rows=${rows}`], demo).ended();
  expect(exitCode, stderr).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain(`--rows must be a whole number of at least 100, not ${rows}.`);
});

test('the comparison finds a lost row, a row too many, and a changed value in any column', async () => {
  await using world = await World.start();
  await createDrive(world, 'drive', 'generate_series(1, 60000)');
  await world.migrator('drive').run();
  const compared = {
    table: 'drive',
    columns: { id: 'integer', latitude: 'float', speed: 'float' },
  } as const;
  const found = {
    table: 'drive',
    rows: 60_000,
    missing: 0,
    extra: 0,
    different: 0,
    examples: [] as string[],
  };
  expect(await compareTable(world.stack.env, compared)).toEqual({ ...found, d1Rows: 60_000 });

  // First, last, and beside the end of a page: where a comparison by pages could go wrong.
  await world.d1('DELETE FROM drive WHERE id IN (1, 25000, 25001, 60000)');
  await world.d1('INSERT INTO drive VALUES (-7, 1, 1), (70000, 1, 1)');
  await world.d1('UPDATE drive SET latitude = latitude + 1e-12 WHERE id = 30000');
  await world.d1('UPDATE drive SET speed = NULL WHERE id = 30001');
  expect(await compareTable(world.stack.env, compared)).toEqual({
    ...found,
    d1Rows: 59_998,
    missing: 4,
    extra: 2,
    different: 2,
    examples: [
      'row -7 is in D1 only',
      'row 1 is in PostgreSQL only',
      'row 25000 is in PostgreSQL only',
      'row 25001 is in PostgreSQL only',
      'row 30000 is (30000, 78, 100) in PostgreSQL and (30000, 78.000000000001, 100) in D1',
    ],
  });
}, 120_000);
