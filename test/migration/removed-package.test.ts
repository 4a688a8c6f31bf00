import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FAULTS } from '../../examples/local/faults.ts';
import { World } from '../support/world.ts';

const root = new URL('../../', import.meta.url).pathname;

let world: World;
let program: string;
let dist: string;
beforeAll(async () => {
  world = await World.start();
  // A program with an installed copy of the package, which can be taken away from it.
  program = mkdtempSync(join(tmpdir(), 'removed-package-'));
  const installed = join(program, 'node_modules/resumable-migrator');
  dist = join(installed, 'dist');
  mkdirSync(installed, { recursive: true });
  cpSync(join(root, 'package.json'), join(installed, 'package.json'));
  for (const peer of ['kysely', 'pg', 'eventemitter3', 'kysely-d1', 'p-limit'])
    symlinkSync(join(root, 'node_modules', peer), join(program, 'node_modules', peer));
  cpSync(join(root, 'test/migration/event-loop-child.ts'), join(program, 'program.ts'));
});
afterEach(() => {
  world.stack.api.setFaults(undefined);
});
afterAll(async () => {
  rmSync(program, { recursive: true });
  await world[Symbol.asyncDispose]();
});

/** What became of the run. */
async function copy(task: object): Promise<string> {
  const process_ = spawn(process.execPath, [join(program, 'program.ts')], {
    cwd: program,
    env: { PATH: process.env['PATH'], ...world.stack.env, TASK: JSON.stringify(task) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  process_.stdout.on('data', (data: Buffer) => (said += data.toString()));
  await once(process_, 'close');
  return said.split('\n')[0] ?? '';
}

async function newTable(table: string): Promise<void> {
  cpSync(join(root, 'dist'), dist, { recursive: true });
  await world.postgres(
    `CREATE TABLE ${table} (id int PRIMARY KEY, v float8)`,
    `INSERT INTO ${table} SELECT i, CASE WHEN i % 100 = 50 THEN 'NaN' ELSE i / 7.0 END FROM generate_series(1, 400) AS i`,
  );
}

const options = { checkpointSize: 100, batchSize: 25, onReject: 'set-aside', retry: { baseMs: 1 } };

test('a package that is taken away while a run copies ends nothing, whatever fails from then on', async () => {
  await newTable('removed');
  let writes = 0;
  world.stack.api.setFaults(({ body }) => {
    if (!body.includes('INSERT INTO \\"removed\\"')) return undefined;
    writes += 1;
    if (writes === 1) rmSync(dist, { recursive: true });
    return { 1: FAULTS.serviceUnavailable, 4: FAULTS.resetAfterCommit, 7: FAULTS.overloaded }[writes];
  });
  expect(await copy({ table: 'removed', options })).toBe('completed null');
  expect(writes).toBeGreaterThan(7);
  expect(await world.d1('SELECT count(*) AS rows FROM removed')).toEqual([{ rows: 396 }]);
  expect(await world.d1('SELECT code, count(*) AS rows FROM migration_rejects')).toEqual([
    { code: 'VALUE_REFUSED', rows: 4 },
  ]);
});

test('a run that finds a part of the package missing when it begins would fail, and writes nothing', async () => {
  await newTable('missing');
  rmSync(join(dist, readdirSync(dist).find((name) => /^survey-.*\.js$/.test(name)) ?? ''));
  expect(await copy({ table: 'missing', options })).toBe('failed ERR_MODULE_NOT_FOUND');
  expect(await world.d1(`SELECT name FROM sqlite_master WHERE name = 'missing'`)).toEqual([]);
});
