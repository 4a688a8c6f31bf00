import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

const root = new URL('../../', import.meta.url).pathname;

/** What a program that imports the package and its D1 adapter loads before it does anything. Minified bytes. */
const mostStatic = 60_000;

/** That, and everything that is loaded where it is asked for. */
const mostInAll = 195_000;

/** Everything that `resumable-migrator` and `resumable-migrator/d1` export. */
const everything = `export * from './src/index.ts'; export * from './src/d1/index.ts';`;

interface Size {
  /** The entry, and the chunks that it imports. */
  readonly loaded: number;
  /** These, and the chunks that are imported on demand. */
  readonly all: number;
  /** Bytes of each file among what is loaded, the largest first. */
  readonly files: readonly (readonly [string, number])[];
}

/** Bundles what a program imports, as a bundler would for it; Kysely is the program's own. */
async function sizeOf(program: string): Promise<Size> {
  const { metafile } = await build({
    stdin: { contents: program, resolveDir: root, loader: 'ts' },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    platform: 'neutral',
    external: ['kysely'],
    outdir: 'out',
    write: false,
    metafile: true,
    // Not the project's `paths`: they would hide what the package imports of itself.
    tsconfigRaw: {},
  });
  const { outputs } = metafile;
  const loaded = new Set(Object.keys(outputs).filter((path) => outputs[path]?.entryPoint === '<stdin>'));
  // A set that grows while it is gone through is gone through to its end.
  for (const path of loaded) {
    for (const { path: imported, kind, external } of outputs[path]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) loaded.add(imported);
  }
  const files = new Map<string, number>();
  for (const path of loaded) {
    for (const [file, { bytesInOutput }] of Object.entries(outputs[path]?.inputs ?? {}))
      files.set(file, (files.get(file) ?? 0) + bytesInOutput);
  }
  const sum = (paths: Iterable<string>): number =>
    [...paths].reduce((bytes, path) => bytes + (outputs[path]?.bytes ?? 0), 0);
  return {
    loaded: sum(loaded),
    all: sum(Object.keys(outputs)),
    files: [...files].toSorted(([, a], [, b]) => b - a),
  };
}

/** Why a program is too large; empty where it is not. */
function problemsOf({ loaded, all, files }: Size): string[] {
  const largest = files.slice(0, 12).map(([file, bytes]) => `${file} ${bytes}`);
  return [
    ...(loaded > mostStatic
      ? [`${loaded} bytes are loaded, ${mostStatic} are allowed. The largest: ${largest.join(', ')}`]
      : []),
    ...(all > mostInAll ? [`${all} bytes in all, ${mostInAll} are allowed`] : []),
  ];
}

describe('the package is small where it is embedded', () => {
  test(`everything that it exports for D1 loads at most ${mostStatic} bytes`, async () => {
    const size = await sizeOf(everything);
    expect(problemsOf(size)).toEqual([]);
    // Something is on demand, and something is not: otherwise nothing was measured.
    expect(size.loaded).toBeGreaterThan(mostStatic / 2);
    expect(size.all).toBeGreaterThan(size.loaded * 2);
  });

  test('a Worker with a binding loads nothing of the REST client', async () => {
    const worker = `export { ResumableMigrator } from './src/index.ts'; export { D1BindingSink } from './src/d1/index.ts';`;
    const { files } = await sizeOf(worker);
    const names = files.filter(([, bytes]) => bytes > 0).map(([file]) => file);
    expect(names).toContain('src/d1/sink.ts');
    expect(names.filter((file) => file.startsWith('src/d1/rest/'))).toEqual([]);
  });

  test('reports that come along with the copy would be noticed, and named', async () => {
    const reports = ['planning/preflight', 'verifying/repair', 'group/group-calls', 'rows/pipeline'];
    const along = reports.map((file) => `export * from './src/engine/${file}.ts';`).join(' ');
    const [problem = '', ...others] = problemsOf({ ...(await sizeOf(`${everything} ${along}`)), all: 0 });
    expect(problem).toMatch(
      /^\d+ bytes are loaded, .* The largest: .*src\/engine\/verifying\/verify-full\.ts \d+/,
    );
    expect(others).toEqual([]);
    const { loaded, files } = await sizeOf(everything);
    expect(problemsOf({ loaded, all: mostInAll + 1, files })).toHaveLength(1);
  });
});
