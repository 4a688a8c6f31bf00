import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fillDrive } from '../../examples/local/sample-data.ts';
import { World } from '../support/world.ts';
import { compile } from './compile.ts';
import { blocksOf, readPage } from './markdown.ts';
import { Checkout } from './shell.ts';

const readme = readPage('README.md');
let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

test('the first code of the README is short, compiles, and copies a table', async () => {
  const [block] = blocksOf('README.md', ['ts']);
  if (!block) throw new Error('The README has no code.');
  expect(block.code.trim().split('\n').length).toBeLessThanOrEqual(24);
  expect(await compile([block])).toEqual([]);
  await fillDrive(world.stack.env.DATABASE_URL, 5_000);
  await using checkout = await Checkout.create();
  await writeFile(`${checkout.folder}/readme.ts`, block.code);
  const { exitCode, output } = await checkout.run('npx node readme.ts', world.stack.env);
  expect(output).toMatch(/completed 5000/);
  expect(exitCode).toBe(0);
  const rows = await world.d1('SELECT count(*) AS n FROM coordinate_speed_new');
  expect(rows).toEqual([{ n: 5_000 }]);
});

test('every npm script that the README names exists', async () => {
  const { scripts } = JSON.parse(readPage('package.json')) as { readonly scripts: Record<string, string> };
  const named = [...readme.matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(3);
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
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
  const named = [...events, ...options].map((match) => match[1] ?? '');
  expect(named.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});
