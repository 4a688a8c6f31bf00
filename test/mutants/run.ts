/**
 * `npm run mutants`: takes one safeguard away at a time, in a copy of the project, and runs the tests that watch over it.
 * Each time at least one has to fail. `-- --only fence` runs those whose name holds the word.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Mutant, mutants } from './list.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Far longer than the tests of any mutant take: some make a run go round for ever. */
const longestMs = 180_000;

interface Report {
  readonly numTotalTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

async function copyProject(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'mutant-'));
  for (const name of [
    'src',
    'test',
    'examples',
    'docs',
    'package.json',
    'tsconfig.json',
    'README.md',
    'dist',
  ]) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Null: the text stands there more or less than once, so the list has to follow the code. */
async function mutate(copy: string, { file, find, replace }: Mutant): Promise<boolean> {
  const path = join(copy, file);
  const text = await readFile(path, 'utf8');
  if (text.split(find).length !== 2) return false;
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
  return true;
}

async function runTests(copy: string, tests: readonly string[]): Promise<Report | 'endless' | null> {
  const output = join(copy, 'report.json');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [
    'run',
    '--config',
    'test/vitest.config.ts',
    '--bail',
    '1',
    '--reporter',
    'json',
    '--outputFile',
    output,
  ];
  // A group of its own, so that the workers end with it.
  const child = spawn(process.execPath, [vitest, ...args, ...tests], {
    cwd: copy,
    stdio: 'ignore',
    detached: true,
  });
  const timer = setTimeout(() => child.pid && process.kill(-child.pid, 'SIGKILL'), longestMs);
  await once(child, 'close');
  clearTimeout(timer);
  if (child.signalCode === 'SIGKILL') return 'endless';
  return await readFile(output, 'utf8').then(
    (text) => JSON.parse(text) as Report,
    () => null,
  );
}

/** What became of a mutant; `caught` is what is wanted. */
async function judge(mutant: Mutant): Promise<{ readonly caught: boolean; readonly by: string }> {
  const copy = await copyProject();
  try {
    if (!(await mutate(copy, mutant))) return { caught: false, by: `its text is not in ${mutant.file} once` };
    const report = await runTests(copy, mutant.tests);
    if (report === 'endless') return { caught: true, by: `its tests do not end in ${longestMs / 1000} s` };
    const failed = report?.testResults.flatMap(({ assertionResults }) =>
      assertionResults.filter(({ status }) => status === 'failed'),
    );
    const [first] = failed ?? [];
    return first ? { caught: true, by: first.title } : { caught: false, by: 'no test failed' };
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const chosen = mutants.filter(({ removes }) => removes.includes(values.only ?? ''));
let caughtCount = 0;
for (const mutant of chosen) {
  const { caught, by } = await judge(mutant);
  if (caught) caughtCount += 1;
  console.log(`${caught ? '✅ caught ' : '❌ ALIVE  '} without ${mutant.removes}: ${by}`);
}
console.log(`\n${caughtCount} of ${chosen.length} mutants were caught.`);
process.exitCode = caughtCount === chosen.length && chosen.length > 0 ? 0 : 1;
