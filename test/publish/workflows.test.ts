import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Ended, manifestIn, root, run } from './project.ts';

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Record<string, unknown>;
}
interface Job {
  readonly needs?: string;
  readonly permissions?: Record<string, string>;
  readonly strategy?: { readonly matrix: Record<string, unknown> };
  readonly steps: readonly Step[];
}
interface Workflow {
  readonly on: Record<string, unknown>;
  readonly permissions: Record<string, string>;
  readonly jobs: Record<string, Job>;
}

const folder = join(root, '.github/workflows');
const workflows = new Map<string, Workflow>();
const texts = new Map<string, string>();
for (const name of await readdir(folder)) {
  const text = await readFile(join(folder, name), 'utf8');
  texts.set(name, text);
  workflows.set(name, parse(text) as Workflow);
}

function workflow(name: string): Workflow {
  const found = workflows.get(name);
  if (!found) throw new Error(`There is no workflow ${name}.`);
  return found;
}

function job(name: string, of: string): Job {
  const found = workflow(of).jobs[name];
  if (!found) throw new Error(`${of} has no job ${name}.`);
  return found;
}

const stepsOf = ({ jobs }: Workflow): readonly Step[] => Object.values(jobs).flatMap(({ steps }) => steps);

let temporary = '';
beforeEach(async () => {
  if (temporary !== '') await rm(temporary, { recursive: true });
  temporary = await mkdtemp(join(tmpdir(), 'release-'));
});
afterAll(async () => await rm(temporary, { recursive: true }));

/** Runs a step of the job that packs, in a folder with nothing but a package.json and a changelog. */
async function runStep(id: string, env: Record<string, string>, changelog = ''): Promise<Ended> {
  const script = job('pack', 'release.yml').steps.find((step) => step.id === id)?.run ?? 'false';
  await writeFile(
    join(temporary, 'package.json'),
    JSON.stringify({ name: 'some-package', version: '1.2.3' }),
  );
  await writeFile(join(temporary, 'CHANGELOG.md'), changelog);
  return await run(temporary, 'bash', ['-e', '-c', script], env);
}

test('every action is pinned by a version, and no script holds an expression', () => {
  for (const [name, one] of workflows) {
    for (const { uses, run: script } of stepsOf(one)) {
      if (uses !== undefined) expect(uses, name).toMatch(/^actions\/[\w-]+@v\d+\.\d+\.\d+$/);
      expect(script ?? '', name).not.toContain('${{');
    }
  }
  expect([...workflows.keys()].toSorted()).toEqual(['ci.yml', 'release.yml']);
});

test('CI runs the gate on every Node that npm may be started with, and may read only', () => {
  expect(workflow('ci.yml').permissions).toEqual({ contents: 'read' });
  const { strategy, steps } = job('test', 'ci.yml');
  expect(strategy?.matrix).toEqual({ node: [20, 22, 24] });
  expect(steps.at(-1)?.run).toBe('bash .ci/run');
});

test('a release is a tag; it is tested before it is packed, and packed before it is published', () => {
  expect(workflow('release.yml').on).toEqual({ push: { tags: ['v*'] } });
  const scripts = job('pack', 'release.yml').steps.map(({ run: script }) => script ?? '');
  const gate = scripts.indexOf('bash .ci/run');
  expect(gate).toBeGreaterThan(0);
  expect(scripts.findIndex((script) => script.includes('npm pack'))).toBeGreaterThan(gate);
  expect(job('publish', 'release.yml').needs).toBe('pack');
});

test('publishing takes no token, only the identity of the workflow, and runs no code of the repository', () => {
  expect(workflow('release.yml').permissions).toEqual({});
  expect(job('pack', 'release.yml').permissions).toEqual({ contents: 'read' });
  const { permissions, steps } = job('publish', 'release.yml');
  expect(permissions).toEqual({ 'id-token': 'write' });
  expect(steps.flatMap(({ run: script }) => script ?? [])).toEqual([
    'npm publish ./*.tgz --provenance --access public --ignore-scripts',
  ]);
  expect(steps.some(({ uses }) => uses?.startsWith('actions/checkout'))).toBe(false);
  expect(texts.get('release.yml')).not.toMatch(/secrets\.|NODE_AUTH_TOKEN|_authToken/);
});

test('a tag that is not the version, or has no entry in the changelog, is not released', async () => {
  const entry = '# Changelog\n\n## [1.2.3] - 2026-01-01\n';
  expect(await runStep('agree', { GITHUB_REF_NAME: 'v1.2.3' }, entry)).toEqual({ exitCode: 0, output: '' });
  const otherTag = await runStep('agree', { GITHUB_REF_NAME: 'v1.2.4' }, entry);
  expect(otherTag).toEqual({
    exitCode: 1,
    output: 'The tag is v1.2.4, but package.json has the version 1.2.3.\n',
  });
  const noEntry = await runStep('agree', { GITHUB_REF_NAME: 'v1.2.3' }, '## [1.2.30] - 2026-01-01\n');
  expect(noEntry).toEqual({ exitCode: 1, output: 'CHANGELOG.md has no entry for 1.2.3.\n' });
});

test('the package that is published names the repository that it comes from', async () => {
  const env = { GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'owner/name' };
  const { exitCode, output } = await runStep('repository', env);
  expect(exitCode, output).toBe(0);
  const { repository } = JSON.parse(await readFile(join(temporary, 'package.json'), 'utf8')) as {
    readonly repository: unknown;
  };
  expect(repository).toEqual({ type: 'git', url: 'git+https://github.com/owner/name.git' });
});

test('the changelog has a dated entry for the version of the package, before those of older ones', async () => {
  const { version } = await manifestIn(root);
  const changelog = await readFile(join(root, 'CHANGELOG.md'), 'utf8');
  const entries = [...changelog.matchAll(/^## \[(.+?)\](.*)$/gm)];
  const [, newest, date = ''] = entries.find(([, name]) => name !== 'Unreleased') ?? [];
  expect(newest).toBe(version);
  expect(date).toMatch(/^ - \d{4}-\d{2}-\d{2}$/);
  const text = changelog.slice(changelog.indexOf(`## [${version}]`)).split(/^## /m)[1] ?? '';
  expect(text).toMatch(/^### (?:Added|Changed|Fixed|Removed|Deprecated|Security)$/m);
  expect(text.match(/^- /gm)?.length).toBeGreaterThan(0);
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    readonly version: string;
    readonly packages: Record<string, { readonly version: string }>;
  };
  expect([lock.version, lock.packages['']?.version]).toEqual([version, version]);
});
