import { readdir, readFile } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload, type SourceMapping } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import { startD1 } from '../../examples/local/d1.ts';
import { type Manifest, manifestIn, needed, nodesInPath, Project, root, run } from './project.ts';

/** Bytes of the tarball, and of what it unpacks to. */
const mostPacked = 560_000;
const mostUnpacked = 2_000_000;

const manifest = await manifestIn(root);
const entries = Object.keys(manifest.exports)
  .filter((path) => path !== './package.json')
  .map((path) => path.replace(/^\.\/?/, ''));
const nodes = await nodesInPath();

let project: Project;
beforeAll(async () => {
  project = await Project.create();
}, 120_000);
afterAll(async () => await project?.[Symbol.asyncDispose]());

/** The files that belong into the package: the documents, the entries, and the chunks that these share. */
function unexpected(paths: readonly string[]): string[] {
  const entry = entries.map((name) => name || 'index').join('|');
  const right = [
    /^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
    new RegExp(`^dist/(?:${entry})(?:\\.js|\\.js\\.map|\\.d\\.ts)$`),
    /^dist\/[a-z-]+-[A-Z0-9]{8}\.js(?:\.map)?$/,
    /^dist\/[a-z-]+-[\w-]{8}\.d\.ts$/,
  ];
  return paths.filter((path) => !right.some((pattern) => pattern.test(path)));
}

describe('what is in the tarball', () => {
  test('it holds the documents, the entries and their chunks, and nothing else', () => {
    const paths = project.packed.files.map(({ path }) => path);
    expect(unexpected(paths)).toEqual([]);
    for (const name of entries.map((one) => one || 'index'))
      expect(paths).toEqual(expect.arrayContaining([`dist/${name}.js`, `dist/${name}.d.ts`]));
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'LICENSE', 'package.json']));
  });

  test('a file that does not belong there would be noticed', () => {
    const wrong = [
      'dist/world.test.js',
      'src/index.ts',
      'test/a.ts',
      '.npmrc',
      'dist/index.d.ts.map',
      'dist/x.js',
    ];
    expect(unexpected(wrong)).toEqual(wrong);
  });

  test(`it is at most ${mostPacked} bytes, and ${mostUnpacked} unpacked`, () => {
    const { size, unpackedSize } = project.packed;
    expect(size).toBeLessThanOrEqual(mostPacked);
    expect(unpackedSize).toBeLessThanOrEqual(mostUnpacked);
    // Bounds that are far away would bound nothing.
    expect(size).toBeGreaterThan(mostPacked / 2);
  });

  test('source maps hold the sources of the package, by relative paths, and no path of the machine that built it', async () => {
    const files = await readdir(join(project.installed, 'dist'));
    const sources: string[] = [];
    for (const file of files) {
      const text = await readFile(join(project.installed, 'dist', file), 'utf8');
      expect(text.includes(root), file).toBe(false);
      if (!file.endsWith('.map')) continue;
      const map = JSON.parse(text) as { readonly sources: string[]; readonly sourcesContent?: string[] };
      expect(map.sourcesContent).toHaveLength(map.sources.length);
      sources.push(...map.sources);
    }
    expect(sources.length).toBeGreaterThan(80);
    expect(sources.filter((path) => !/^\.\.\/src\/[\w/-]+\.ts$/.test(path))).toEqual([]);
  });

  test('source maps lead to the line of the source', async () => {
    let functions = 0;
    const dist = join(project.installed, 'dist');
    for (const file of (await readdir(dist)).filter((name) => name.endsWith('.js'))) {
      const payload = JSON.parse(await readFile(join(dist, `${file}.map`), 'utf8')) as SourceMapPayload;
      const map = new SourceMap(payload);
      const lines = (await readFile(join(dist, file), 'utf8')).split('\n');
      for (const [index, line] of lines.entries()) {
        const [, name] = /^(?:async )?function\*? ([a-zA-Z]+)\d*\(/.exec(line) ?? [];
        if (name === undefined) continue;
        const place = map.findEntry(index, 0) as SourceMapping;
        const source = payload.sourcesContent[payload.sources.indexOf(place.originalSource)] ?? '';
        const original = source.split('\n')[place.originalLine];
        expect(original, `${file}:${index + 1}`).toMatch(new RegExp(`function\\*? ${name}`));
        functions += 1;
      }
    }
    expect(functions).toBeGreaterThan(400);
  });

  test('modules of Node are imported by their full names, which every runtime knows', async () => {
    for (const file of (await readdir(join(project.installed, 'dist'))).filter((name) =>
      name.endsWith('.js'),
    )) {
      const text = await readFile(join(project.installed, 'dist', file), 'utf8');
      const imported = [...text.matchAll(/^import .*? from ["']([^."'][^"']*)["'];$/gm)].map(
        ([, name]) => name,
      );
      expect(
        imported.filter((name) => !isDeclared(name ?? '')),
        file,
      ).toEqual([]);
    }
    expect(isDeclared('node:http')).toBe(true);
    expect(isDeclared('http')).toBe(false);
  });

  test('README, changelog and licence are those of the project', async () => {
    for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE'])
      expect(await readFile(join(project.installed, name), 'utf8')).toBe(
        await readFile(join(root, name), 'utf8'),
      );
  });
});

function isDeclared(name: string): boolean {
  const packages = { ...manifest.dependencies, ...manifest.peerDependencies };
  return name.startsWith('node:') || Object.keys(packages).includes(name);
}

const mayBeUsed = /^(?:MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD)$/;

function forbidden(manifests: readonly Manifest[]): string[] {
  return manifests
    .filter(({ license }) => !mayBeUsed.test(license ?? ''))
    .map(({ name, license }) => `${name} has the licence ${license}`);
}

describe('what is installed with it', () => {
  test('installing runs nothing: no script but prepare, which npm leaves alone in what comes from a registry', async () => {
    const { scripts = {} } = await manifestIn(project.installed);
    expect(
      Object.keys(scripts).filter((name) => /install$|^(?:pre|post)prepare$|^prepublish$/.test(name)),
    ).toEqual([]);
    // Builds from the sources alone, for whoever works on them or installs from a repository.
    expect(scripts['prepare']).toBe('tsup');
    expect(project.installLog).not.toMatch(/^> /m);
    expect(await readdir(join(project.installed, 'dist'))).toHaveLength(
      project.packed.files.filter(({ path }) => path.startsWith('dist/')).length,
    );
  });

  test('every package that it needs has a licence that may be used with its own', async () => {
    const all = await needed(manifest, true);
    const names = all.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['kysely', 'pg', 'pg-types', 'p-limit', 'yocto-queue']));
    expect(forbidden([manifest, ...all])).toEqual([]);
  });

  test('another licence would be noticed', () => {
    const wrong = ['GPL-3.0-only', 'UNLICENSED', '(MIT OR GPL-2.0)'].map((license) => ({
      ...manifest,
      license,
    }));
    expect(forbidden(wrong)).toHaveLength(3);
    const { license: _none, ...without } = manifest;
    expect(forbidden([without])).toHaveLength(1);
  });
});

/** The names that each entry exports, as this project's own sources have them. */
async function exportedNames(): Promise<Record<string, string[]>> {
  const names: Record<string, string[]> = {};
  for (const name of entries) {
    const file = join(root, 'src', name, 'index.ts');
    const module = (await import(file)) as object;
    names[name] = Object.keys(module).toSorted();
  }
  return names;
}

const specifiers = JSON.stringify(entries.map((name) => [name, `resumable-migrator${name && `/${name}`}`]));
const show = `console.log(JSON.stringify(names))`;

describe.each(nodes)('in Node $version', ({ path }) => {
  test('every entry can be imported, without pg as well', async () => {
    const program = `const names = {};
      for (const [name, from] of ${specifiers}) names[name] = Object.keys(await import(from)).sort();
      ${show}`;
    const { output, exitCode } = await run(project.folder, path, ['--input-type=module', '--eval', program]);
    expect(exitCode, output).toBe(0);
    expect(JSON.parse(output)).toEqual(await exportedNames());
  });

  test('every entry can be required, and is the same module as the imported one', async () => {
    const program = `const names = {};
      for (const [name, from] of ${specifiers}) names[name] = Object.keys(require(from)).sort();
      import('resumable-migrator').then((imported) => {
        if (imported.MigratorError !== require('resumable-migrator').MigratorError) throw new Error('two modules');
        ${show}
      });`;
    const flags = ['--no-warnings', '--input-type=commonjs', '--eval', program];
    const { output, exitCode } = await run(project.folder, path, flags);
    expect(exitCode, output).toBe(0);
    expect(JSON.parse(output)).toEqual(await exportedNames());
  });

  test('what no entry exports cannot be imported', async () => {
    const program = `await import('resumable-migrator/engine')`;
    const { output, exitCode } = await run(project.folder, path, ['--input-type=module', '--eval', program]);
    expect(exitCode).toBe(1);
    expect(output).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});

test('the Node that runs the tests is among those that were tried', () => {
  expect(nodes.map(({ version }) => version)).toContain(process.version);
});

async function programOf(name: string): Promise<string> {
  return await readFile(new URL(`programs/${name}.ts`, import.meta.url), 'utf8');
}

test('a Worker with the package in its bundle copies rows into D1', async () => {
  const entry = await project.write('worker.ts', await programOf('worker'));
  const script = await bundleWorker(pathToFileURL(entry));
  const d1 = await startD1({ workers: [{ name: 'copy', script }] });
  try {
    const response = await (await d1.worker('copy')).fetch('http://copy/');
    const results = Array.from({ length: 500 }, (_, index) => ({ id: index + 1, name: `row ${index + 1}` }));
    expect(await response.json()).toEqual({ status: 'completed', results });
  } finally {
    await d1.stop();
  }
});

describe('its types, checked with all libraries that they refer to', () => {
  beforeAll(async () => {
    await project.link('pg', '@types/pg', '@types/node', '@cloudflare/workers-types');
  });

  async function check(name: string, moduleResolution: string, text: string): Promise<string> {
    const compilerOptions = {
      target: 'es2024',
      lib: ['es2024'],
      module: moduleResolution === 'nodenext' ? 'nodenext' : 'esnext',
      moduleResolution,
      types: [name === 'node' ? 'node' : '@cloudflare/workers-types'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
    };
    const own = `${name}-${moduleResolution}`;
    await project.write(`${own}.ts`, text);
    const config = await project.write(
      `${own}.json`,
      JSON.stringify({ compilerOptions, files: [`${own}.ts`] }),
    );
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    return (await run(project.folder, process.execPath, [tsc, '-p', config])).output;
  }

  test.each([
    ['node', 'nodenext'],
    ['node', 'bundler'],
    ['worker', 'nodenext'],
    ['worker', 'bundler'],
  ])('a program for %s compiles with the module resolution %s', async (name, moduleResolution) => {
    expect(await check(name, moduleResolution, await programOf(name))).toBe('');
  });

  test('a wrong program does not', async () => {
    const wrong = `import { ResumableMigrator } from 'resumable-migrator';\nnew ResumableMigrator({ source: 1 });\n`;
    expect(await check('worker', 'nodenext', wrong)).toContain('error TS2322');
  });
});
