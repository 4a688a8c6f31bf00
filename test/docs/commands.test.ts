import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fillCameras, fillDrive } from '../../examples/local/sample-data.ts';
import { World } from '../support/world.ts';
import { blocksOf, pagesOfCode } from './markdown.ts';
import { Checkout, commandsOf, type Ended, readyOf, whyNotRun } from './shell.ts';

// The tutorial has a test of its own, which runs it in its order.
const pages = pagesOfCode().filter((file) => file !== 'docs/tutorial.md');
const commands = pages.flatMap((file) =>
  blocksOf(file, ['sh', 'bash']).flatMap(({ line, code }) =>
    commandsOf(code).flatMap((command) =>
      command.split(' && ').map((one) => ({ at: `${file}:${line}`, command: one })),
    ),
  ),
);

let world: World;
let checkout: Checkout;
beforeAll(async () => {
  [world, checkout] = await Promise.all([World.start(), Checkout.create()]);
  await fillDrive(world.stack.env.DATABASE_URL, 3_000);
  await fillCameras(world.stack.env.DATABASE_URL, 300);
  await world.postgres(
    'CREATE TABLE my_table AS SELECT * FROM camera_locations',
    'ALTER TABLE my_table ADD PRIMARY KEY (id)',
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await checkout[Symbol.asyncDispose]();
});

/** The same command with less to do. One that goes on by itself takes the place of the shell, so that its end is told. */
function small(command: string): string {
  if (command === 'npm run demo') return 'npm run demo -- --rows 1000';
  return readyOf(command) ? command.replace(/ &$/, '').replace(/(?=\S*\bnode )/, 'exec ') : command;
}

/** Runs a command to its end; one that goes on by itself until it is ready, and then to the end that Ctrl-C asks for. */
async function runOne(command: string): Promise<Ended> {
  const ready = readyOf(command);
  const { ended, output, interrupt } = checkout.start(small(command), { ...world.stack.env, PORT: '0' });
  if (ready) {
    const state = { ended: false };
    void ended.then(() => (state.ended = true));
    while (!state.ended && !ready.test(output())) await sleep(50);
    if (state.ended) return { exitCode: null, output: output() };
    interrupt();
  }
  return await ended;
}

test('every command of the README, the pages and the examples does what it is there for', async () => {
  const run = commands.filter(({ command }) => whyNotRun(command) === undefined);
  expect(run.length).toBeGreaterThan(8);
  const failed: string[] = [];
  for (const { at, command } of run) {
    const { exitCode, output } = await runOne(command);
    if (exitCode !== 0) failed.push(`${at} ${command} ended with ${exitCode}: ${output}`);
  }
  expect(failed).toEqual([]);
  // What fails is noticed, at once or where it should go on.
  for (const wrong of ['npm run migrate:plan -- --nothing', 'node examples/node-service/nothing.ts'])
    expect((await runOne(wrong)).exitCode).not.toBe(0);
  expect((await runOne('DATABASE_URL= node examples/node-service/main.ts')).exitCode).not.toBe(0);
}, 180_000);

test('every statement of SQL runs, in D1 or in PostgreSQL', async () => {
  const failed: string[] = [];
  let statements = 0;
  for (const file of pagesOfCode()) {
    const blocks = blocksOf(file, ['sql']);
    if (blocks.length === 0) continue;
    // With checkpoints to ask for, and a table for rows that were set aside, whatever the page before has deleted.
    await world.migrator('camera_locations', { onReject: 'set-aside' }).run();
    await world.migrator('coordinate_speed_new').run();
    for (const { line, code } of blocks) {
      for (const text of code.replaceAll(/^--.*\n/gm, '').split(/;[^\S\n]*(?:\n|$)/)) {
        if (text.trim() === '') continue;
        statements++;
        const problems = await problemsWith(text);
        if (problems.length === 2) failed.push(`${file}:${line} ${text}: ${problems.join(' / ')}`);
      }
    }
  }
  expect(statements).toBeGreaterThan(8);
  expect(failed).toEqual([]);
  expect(await problemsWith('SELECT id FROM nowhere')).toEqual([
    expect.stringContaining('no such table'),
    expect.stringContaining('does not exist'),
  ]);
});

/** What D1, and then PostgreSQL, has against a statement; fewer than two where one of them takes it. */
async function problemsWith(text: string): Promise<string[]> {
  const problems: string[] = [];
  for (const ask of [world.d1.bind(world), world.postgres.bind(world)]) {
    try {
      await ask(text);
      break;
    } catch (error) {
      problems.push(String(error));
    }
  }
  return problems;
}

test('what is not run has an option and a command that wrangler knows, and an npm script that exists', async () => {
  const all = [...commands, ...tutorialCommands()].map(({ command }) => command);
  const wrangler = all.filter((command) => command.startsWith('npx wrangler '));
  expect(wrangler.length).toBeGreaterThan(0);
  expect(await wranglerProblems(wrangler)).toEqual([]);
  expect(
    await wranglerProblems(['npx wrangler d1 execute name --nothing', 'npx wrangler nothing d1']),
  ).toHaveLength(2);
  const { scripts } = (await import('../../package.json', { with: { type: 'json' } })).default;
  const named = all.flatMap((command) => /npm run ([\w:-]+)/.exec(command)?.[1] ?? []);
  expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
}, 120_000);

function tutorialCommands(): { command: string }[] {
  return blocksOf('docs/tutorial.md', ['sh']).flatMap(({ code }) =>
    commandsOf(code).map((command) => ({ command })),
  );
}

/** Asks wrangler's own help for every command and option. */
async function wranglerProblems(all: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  const helps = new Map<string, string>();
  for (const command of all) {
    const words =
      /^npx wrangler ((?:(?:d1|hyperdrive|queues|workflows|secret) )?[a-z-]+)/.exec(command)?.[1] ?? '';
    const help = helps.get(words) ?? (await checkout.run(`npx wrangler ${words} --help`, {})).output;
    helps.set(words, help);
    const options = [...command.matchAll(/\s(--[a-z-]+)/g)].map((match) => match[1] ?? '');
    const unknown = options.filter((option) => !help.includes(`${option} `));
    if (unknown.length > 0 || (!help.includes(`wrangler ${words}\n`) && !help.includes(`wrangler ${words} `)))
      problems.push(`${command}: ${unknown.join(' ')}`);
  }
  return problems;
}
