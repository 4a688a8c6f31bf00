import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fillDrive } from '../../examples/local/sample-data.ts';
import { World } from '../support/world.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

async function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...world.stack.env },
    shell: false,
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

test('the code of the README compiles, and copies a table', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const code = /```ts\n([^]*?)```/.exec(readme)?.[1] ?? '';
  expect(code.trim().split('\n').length).toBeLessThanOrEqual(24);
  await fillDrive(world.stack.env.DATABASE_URL, 5_000);
  const folder = await mkdtemp(`${root}/test/docs/readme-`);
  try {
    await writeFile(`${folder}/readme.ts`, code);
    // Against the built package, with its published types and without the project's own shortcuts.
    const config = {
      extends: '../../../tsconfig.json',
      compilerOptions: { paths: {} },
      include: ['readme.ts'],
    };
    await writeFile(`${folder}/tsconfig.json`, JSON.stringify(config));
    expect(await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder])).toEqual({
      code: 0,
      output: '',
    });
    const { code: exit, output } = await run(process.execPath, [`${folder}/readme.ts`]);
    expect(output).toMatch(/completed 5000/);
    expect(exit).toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
  const rows = await world.d1('SELECT count(*) AS n FROM coordinate_speed_new');
  expect(rows).toEqual([{ n: 5_000 }]);
});

test('every npm script and every file that the README names exists', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const { scripts } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(3);
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
  const links = [...readme.matchAll(/\]\(([a-z][^):]*)\)/g)].map((match) => match[1] ?? '');
  for (const link of links) await readFile(new URL(`../../${link}`, import.meta.url));
});

test('the README names every event and every tuning option', async () => {
  const read = async (path: string): Promise<string> =>
    await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
  const body = (text: string, start: string): string => text.slice(text.indexOf(start)).split('\n}')[0] ?? '';
  const events = [
    ...body(await read('src/contract/events.ts'), 'export interface MigrationEvents').matchAll(
      /^ {2}'?([a-z:]+)'?: /gm,
    ),
  ];
  const options = [
    ...body(await read('src/engine/options.ts'), 'export interface TuningOptions').matchAll(
      /readonly (\w+)\?/g,
    ),
  ];
  expect(events.length).toBeGreaterThan(10);
  expect(options.length).toBeGreaterThan(8);
  const readme = await read('README.md');
  const named = [...events, ...options].map((match) => match[1] ?? '');
  expect(named.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});
