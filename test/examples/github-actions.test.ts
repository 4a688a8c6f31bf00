import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { budgetExitCode } from '../../examples/cli/budget.ts';
import { HELP } from '../../examples/cli/help.ts';
import { World } from '../support/world.ts';
import { createDrive, expectEqual, rowsWritten, run } from './command.ts';

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly shell?: string;
  readonly env?: Record<string, string | number>;
  readonly run?: string;
}
interface Job {
  readonly needs?: string;
  readonly if?: string;
  readonly permissions: Record<string, string>;
  readonly strategy?: { readonly matrix: { readonly job: readonly number[] } };
  readonly 'timeout-minutes'?: number;
  readonly outputs?: Record<string, string>;
  readonly steps: readonly Step[];
}
interface Workflow {
  readonly on: {
    readonly workflow_dispatch: { readonly inputs: Record<string, unknown> };
    readonly schedule: readonly { readonly cron: string }[];
  };
  readonly env: Record<string, string>;
  readonly concurrency: { readonly group: string; readonly 'cancel-in-progress': boolean };
  readonly permissions: Record<string, string>;
  readonly jobs: { readonly migrate: Job; readonly continue: Job };
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const file = 'migrate.yml';
const text = await readFile(join(root, 'examples/github-actions', file), 'utf8');
const workflow = parse(text) as Workflow;
const { migrate, continue: next } = workflow.jobs;
const copyStep = stepOf(migrate, ({ id }) => id === 'copy');
const secrets = ['DATABASE_URL', 'CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_ACCOUNT_ID', 'D1_DATABASE_ID'];

let world: World;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'github-actions-'));
  world = await World.start();
}, 120_000);
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function stepOf(job: Job, is: (step: Step) => boolean): Step & { readonly run: string } {
  const step = job.steps.find(is);
  if (step?.run === undefined) throw new Error('The workflow has no such step.');
  return { ...step, run: step.run };
}

interface StepEnd {
  readonly exitCode: number | null;
  readonly log: string;
  /** What it wrote to `GITHUB_OUTPUT` and to `GITHUB_STEP_SUMMARY`. */
  readonly outputs: string;
  readonly summary: string;
}

let steps = 0;

/** Runs a step as the runner does: its script in bash, with its variables, and files of its own for what it gives. */
async function runStep(step: Step & { readonly run: string }, env: Record<string, string>): Promise<StepEnd> {
  const own = join(folder, String((steps += 1)));
  const [script, outputs, summary] = [`${own}.sh`, `${own}.outputs`, `${own}.md`] as const;
  await Promise.all([writeFile(script, step.run), writeFile(outputs, ''), writeFile(summary, '')]);
  const flags = step.shell === 'bash' ? ['--noprofile', '--norc', '-eo', 'pipefail'] : ['-e'];
  const child = spawn('bash', [...flags, script], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      npm_config_update_notifier: 'false',
      GITHUB_OUTPUT: outputs,
      GITHUB_STEP_SUMMARY: summary,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stdout.on('data', (data: Buffer) => (log += data.toString()));
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  await once(child, 'close');
  const [output, shown] = await Promise.all([readFile(outputs, 'utf8'), readFile(summary, 'utf8')]);
  return { exitCode: child.exitCode, log, outputs: output, summary: shown };
}

/** The step that copies, with the local stack for secrets; `more` goes before what the workflow sets. */
async function copy(tables: string, more: Record<string, string> = {}): Promise<StepEnd> {
  const own = Object.entries(copyStep.env ?? {}).map(([name, value]): [string, string] => {
    const secret = /^\$\{\{ secrets\.(\w+) \}\}$/.exec(String(value))?.[1];
    return [name, secret === undefined ? String(value) : (world.stack.env[secret] ?? '')];
  });
  const { CLOUDFLARE_API_BASE_URL } = world.stack.env;
  return await runStep(copyStep, {
    ...Object.fromEntries(own),
    CLOUDFLARE_API_BASE_URL,
    TABLE_NAMES: tables,
    ...more,
  });
}

/** Small enough that a copy takes seconds, and several processes have their part of it. */
const slow = { CHECKPOINT_SIZE: '100', BATCH_SIZE: '20', BATCH_DELAY_MS: '100', CONCURRENCY: '2' };

/** The cells of a table's line in a summary. */
function lineOf({ summary }: StepEnd, table: string): string[] {
  const line = summary.split('\n').find((one) => one.startsWith(`| ${table} |`)) ?? '';
  return line.split('|').map((cell) => cell.trim());
}

function rowsOfRun(end: StepEnd, table: string): number {
  return Number(lineOf(end, table)[5]?.replaceAll(',', ''));
}

test('the workflow is started by hand and by a schedule, one run at a time for the same tables', () => {
  expect(Object.keys(workflow.on).toSorted()).toEqual(['schedule', 'workflow_dispatch']);
  expect(workflow.on.schedule[0]?.cron).toMatch(/^(?:[\d*/,-]+ ){4}[\d*/,-]+$/);
  expect(workflow.concurrency['cancel-in-progress']).toBe(false);
  expect(workflow.concurrency.group).toContain(workflow.env['TABLE_NAMES']);
  expect(migrate.strategy?.matrix.job.length).toBeGreaterThan(1);
});

test('commands, variables and secrets that it names exist, and nothing else is in its hands', async () => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Record<string, string>;
  };
  const named = [...text.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] ?? '');
  expect(named).not.toEqual([]);
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(named));
  const variables = [...Object.keys(workflow.env), ...Object.keys(copyStep.env ?? {})];
  for (const name of variables) expect(HELP).toMatch(new RegExp(`^  ${name} `, 'm'));
  expect([...text.matchAll(/secrets\.(\w+)/g)].map((match) => match[1])).toEqual(secrets);
  expect([workflow.permissions, migrate.permissions, next.permissions]).toEqual([
    {},
    { contents: 'read' },
    { actions: 'write' },
  ]);
  for (const { uses } of [...migrate.steps, ...next.steps]) {
    if (uses !== undefined) expect(uses).toMatch(/@v\d+\.\d+\.\d+$/);
  }
  // An expression within a script would run what an input says.
  for (const { run: script } of [...migrate.steps, ...next.steps]) expect(script ?? '').not.toContain('${{');
});

test('the budget ends before the job, and the job before the limit of GitHub', () => {
  const minutes = Number(copyStep.env?.['BUDGET_MINUTES']);
  expect(minutes).toBe(330);
  expect(migrate['timeout-minutes']).toBeGreaterThan(minutes + 15);
  expect(migrate['timeout-minutes']).toBeLessThan(360);
});

test('two jobs of the matrix at once share one copy, every row is written once, and each says its part', async () => {
  await createDrive(world, 'coordinate_speed_new', 'generate_series(1, 2000)');
  await createDrive(world, 'camera_locations', 'generate_series(1, 30)');
  const tables = 'coordinate_speed_new,camera_locations';
  const ends = await Promise.all([copy(tables, slow), copy(tables, slow)]);
  for (const end of ends) {
    expect(end.exitCode, end.log).toBe(0);
    expect(end.outputs).toBe('');
    expect(end.summary).toContain('### ✅ Migration completed: 2 of 2 tables are complete\n');
    expect(lineOf(end, 'coordinate_speed_new').slice(2, 5)).toEqual([
      '✅ completed',
      `\`${'█'.repeat(20)}\` 20 of 20`,
      '2,000',
    ]);
  }
  for (const [table, rows] of [
    ['coordinate_speed_new', 2_000],
    ['camera_locations', 30],
  ] as const) {
    expect(ends.reduce((sum, end) => sum + rowsOfRun(end, table), 0)).toBe(rows);
    expect(rowsWritten(world, table)).toBe(rows);
    await expectEqual(world, table);
  }
  expect(Math.min(...ends.map((end) => rowsOfRun(end, 'coordinate_speed_new')))).toBeGreaterThan(0);
});

test('a job whose budget is used up ends without a failure and as paused; the next go on until all is copied', async () => {
  await createDrive(world, 'past_the_limit', 'generate_series(1, 1200)');
  const ends: StepEnd[] = [];
  do {
    // The first is far too short; the others have room on a busy machine as well.
    const minutes = ends.length === 0 ? '0.02' : '0.04';
    const end = await copy('past_the_limit', { ...slow, BUDGET_MINUTES: minutes });
    expect(end.exitCode, end.log).toBe(0);
    ends.push(end);
  } while (ends.at(-1)?.outputs === 'paused=true\n' && ends.length < 60);
  const last = ends.at(-1);
  expect(ends.length).toBeGreaterThan(1);
  expect(ends[0]?.log).toContain('Budget: 0.02 min, then the run pauses');
  expect(ends[0]?.summary).toMatch(
    /^### ⏸️ Migration paused\n\nIt took .* The time that the run was given is used up\. What was copied is saved; the next run goes on\.\n/,
  );
  expect(last?.outputs).toBe('');
  expect(last?.summary).toContain('### ✅ Migration completed\n');
  expect(ends.reduce((sum, end) => sum + rowsOfRun(end, 'past_the_limit'), 0)).toBe(1_200);
  expect(rowsWritten(world, 'past_the_limit')).toBe(1_200);
  await expectEqual(world, 'past_the_limit');
}, 240_000);

test('the job after it starts the same workflow for the same tables, where a job paused and none failed', async () => {
  expect(next.needs).toBe('migrate');
  // Without always() or failure() in it, GitHub skips the job where one that it needs failed.
  expect(next.if).toBe("needs.migrate.outputs.paused == 'true'");
  expect(migrate.outputs?.['paused']).toBe('${{ steps.copy.outputs.paused }}');
  const bin = await mkdtemp(join(folder, 'bin-'));
  await writeFile(join(bin, 'gh'), '#!/usr/bin/env bash\nprintf "<%s>" "$@"\n');
  await chmod(join(bin, 'gh'), 0o755);
  const step = stepOf(next, ({ run: script }) => script?.includes('gh ') === true);
  const { log, exitCode } = await runStep(step, {
    PATH: `${bin}:${process.env['PATH']}`,
    GITHUB_REF_NAME: 'main',
    TABLE_NAMES: 'a b,$(c)',
  });
  expect(log).toBe(`<workflow><run><${file}><--ref><main><-f><tables=a b,$(c)>`);
  expect(exitCode).toBe(0);
  expect(Object.keys(workflow.on.workflow_dispatch.inputs)).toEqual(['tables']);
});

test('a table that fails makes the job fail, the others are copied, and the summary says what to do', async () => {
  await createDrive(world, 'beside_it', 'generate_series(1, 30)');
  const end = await copy('no_such_table,beside_it');
  expect(end.exitCode).toBe(2);
  expect(end.outputs).toBe('');
  expect(end.summary).toContain('### ❌ Migration failed: 1 of 2 tables are complete');
  expect(end.summary).toMatch(
    /^- ❌ no_such_table: SOURCE_TABLE_NOT_FOUND: The source has no table or view no_such_table\..* \*\*.+\*\*$/m,
  );
  expect(lineOf(end, 'beside_it')[2]).toBe('✅ completed');
});

test('a secret that is not there makes the job fail, and the summary names it; no secret is in a summary', async () => {
  const end = await copy('beside_it', { D1_DATABASE_ID: '' });
  expect(end.exitCode).toBe(2);
  expect(end.summary).toContain('### ❌ Migration failed\n\n```text\n❌ The configuration is not complete');
  expect(end.summary).toContain('Missing: D1_DATABASE_ID');
  const wrong = await copy('beside_it', { CLOUDFLARE_API_TOKEN: `${world.stack.env.CLOUDFLARE_API_TOKEN}x` });
  expect(wrong.exitCode).toBe(2);
  expect(wrong.summary).toContain('SINK_CREDENTIALS');
  const password = new URL(world.stack.env.DATABASE_URL).password;
  for (const secret of [world.stack.env.CLOUDFLARE_API_TOKEN, password]) {
    expect(secret.length).toBeGreaterThan(5);
    expect(end.summary + wrong.summary).not.toContain(secret);
  }
});

test('the command ends with 75 where its budget is used up, and a summary that cannot be written changes nothing', async () => {
  await createDrive(world, 'direct', 'generate_series(1, 1200)');
  const { exitCode, stdout, stderr } = await run({
    ...world.stack.env,
    ...slow,
    TABLE_NAME: 'direct',
    BUDGET_MINUTES: '0.01',
    GITHUB_STEP_SUMMARY: join(folder, 'no such folder', 'summary.md'),
  });
  expect(exitCode, stderr).toBe(75);
  expect(stdout).toContain('⏸️ Migration of direct paused; what was copied is saved');
  expect(stderr).toMatch(/^⚠️ The summary was not written: ENOENT/);
});

test.each(['0', '-1', 'x', '1e3'])('BUDGET_MINUTES=%s is refused', async (minutes) => {
  const { exitCode, stderr } = await run({ ...world.stack.env, BUDGET_MINUTES: minutes });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`Malformed: BUDGET_MINUTES=${minutes} must be a number above 0`);
});

test('a wait that the budget was too short for is gone on with at once, a daily limit is not', () => {
  const inMinutes = (minutes: number): Date => new Date(Date.now() + minutes * 60_000);
  expect(budgetExitCode({ reason: 'budget', resumeAt: null }, 330)).toBe(75);
  expect(budgetExitCode({ reason: 'quota', resumeAt: inMinutes(4) }, 330)).toBe(75);
  expect(budgetExitCode({ reason: 'quota', resumeAt: inMinutes(60) }, 330)).toBeUndefined();
  expect(budgetExitCode({ reason: 'quota', resumeAt: inMinutes(4) }, undefined)).toBeUndefined();
  expect(budgetExitCode({ reason: 'signal', resumeAt: null }, 330)).toBeUndefined();
});
