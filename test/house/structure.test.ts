import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mutants } from '../mutants/list.ts';

const root = new URL('../../', import.meta.url).pathname;
const sourceFiles = filesBelow(join(root, 'src')).filter((file) => file.endsWith('.ts'));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Record<string, unknown>;
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
};
const adapters = ['postgres', 'd1', 'memory'];

/** What each room may import from the others. Everything else is a wrong direction. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  'error-codes': [],
  errors: ['contract', 'error-codes'],
  redactor: [],
  digits: [],
  engine: ['contract', 'errors', 'error-codes'],
  migrator: ['contract', 'engine', 'errors'],
  group: ['contract', 'engine', 'errors', 'migrator'],
  node: ['contract'],
  report: ['contract', 'engine', 'errors', 'error-codes'],
  index: ['contract', 'engine', 'errors', 'group', 'migrator'],
  testing: ['contract', 'errors'],
  ...Object.fromEntries(adapters.map((adapter) => [adapter, ['contract', 'errors', 'redactor', 'digits']])),
};

/** The packages that each room may import. */
const packages: Readonly<Record<string, readonly string[]>> = {
  engine: ['p-limit'],
  migrator: ['eventemitter3'],
  // Of Node types alone: its modules are asked for at run time, as a Worker has others.
  postgres: ['eventemitter3', 'kysely', 'node:net', 'node:stream', 'pg'],
  d1: ['kysely', 'kysely-d1'],
  node: ['node:diagnostics_channel', 'node:http', 'node:https', 'node:stream'],
};

interface Import {
  readonly file: string;
  readonly room: string;
  readonly target: string;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

function roomOf(path: string): string {
  const [first = ''] = relative(join(root, 'src'), path).split('/');
  return first.replace(/\.ts$/, '');
}

export function importsIn(text: string): string[] {
  const statement =
    /(?:^|[\s;])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]/gm;
  const code = text.replace(/\/\*[^]*?\*\//g, '');
  return [...code.matchAll(statement)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

const imports: Import[] = sourceFiles.flatMap((file) =>
  importsIn(readFileSync(file, 'utf8')).map((target) => ({
    file: relative(root, file),
    room: roomOf(file),
    target,
  })),
);

function wrongDirections(found: readonly Import[]): string[] {
  return found
    .filter(({ target }) => target.startsWith('.'))
    .map(({ file, room, target }) => ({
      file,
      room,
      to: roomOf(normalize(join(root, dirname(file), target))),
    }))
    .filter(({ room, to }) => room !== to && !(allowed[room] ?? []).includes(to))
    .map(({ file, to }) => `${file} imports ${to}`);
}

describe('the rooms', () => {
  test('imports run one way: contract, engine, migrator; an adapter knows the contract and the errors alone', () => {
    expect(imports.length).toBeGreaterThan(80);
    expect(wrongDirections(imports)).toEqual([]);
  });

  test('a wrong direction would be noticed', () => {
    const wrong = [
      { file: 'src/d1/sink.ts', room: 'd1', target: '../engine/index.ts' },
      { file: 'src/memory/sink.ts', room: 'memory', target: '../d1/sink.ts' },
      { file: 'src/engine/run.ts', room: 'engine', target: '../migrator.ts' },
    ];
    expect(wrongDirections(wrong)).toHaveLength(3);
    const text = `import a from 'a';\nimport { b,\n c } from "b";\nexport * from './c.ts';\nawait import('d');\nimport 'e';`;
    expect(importsIn(text)).toEqual(['a', 'b', './c.ts', 'd', 'e']);
  });

  test('the contract holds types only', () => {
    for (const file of sourceFiles.filter((path) => roomOf(path) === 'contract')) {
      const text = readFileSync(file, 'utf8').replace(/\/\*[^]*?\*\//g, '');
      expect(text, file).not.toMatch(/^export (?!type|interface)/m);
      expect(text, file).not.toMatch(/^import (?!type)/m);
    }
  });

  test('packages are imported where they belong, and nothing of Node outside postgres, testing and node', () => {
    const wrong = imports
      .filter(({ target }) => !target.startsWith('.'))
      .filter(({ room, target }) => !(packages[room] ?? []).includes(target))
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(wrong).toEqual([]);
    const portable = sourceFiles.filter((file) => !['postgres', 'testing', 'node'].includes(roomOf(file)));
    for (const file of portable) {
      const code = readFileSync(file, 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*$/gm, '');
      expect(code, file).not.toMatch(/\bBuffer\b|\bprocess\.|\brequire\(/);
    }
  });

  test('every package that is imported is a dependency, and the other way round', () => {
    const used = new Set(
      imports
        .map(({ target }) => target)
        .filter((target) => !target.startsWith('.') && !target.startsWith('node:')),
    );
    const declared = new Set([
      ...Object.keys(manifest.dependencies ?? {}),
      ...Object.keys(manifest.peerDependencies),
    ]);
    expect(used).toEqual(declared);
  });

  test('a file can be read in a sitting', () => {
    const long = sourceFiles
      .map((file) => ({ file: relative(root, file), lines: readFileSync(file, 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 350);
    expect(long).toEqual([]);
  });

  test('every mutant finds the safeguard that it takes away, once', () => {
    const lost = mutants.filter(({ file, find }) => {
      const path = join(root, file);
      return !existsSync(path) || readFileSync(path, 'utf8').split(find).length !== 2;
    });
    expect(lost.map(({ removes }) => removes)).toEqual([]);
  });

  test('a folder is a subpath export, and has a test of its own', () => {
    const folders = readdirSync(join(root, 'src')).filter((name) =>
      statSync(join(root, 'src', name)).isDirectory(),
    );
    const exported = Object.keys(manifest.exports).map((path) => path.replace(/^\.\/?/, ''));
    for (const folder of folders.filter((name) => name !== 'contract' && name !== 'engine')) {
      expect(exported).toContain(folder);
    }
    const tests = filesBelow(join(root, 'test')).map((file) => relative(join(root, 'test'), file));
    for (const adapter of adapters) expect(tests).toContain(`compliance/${adapter}.test.ts`);
  });
});
