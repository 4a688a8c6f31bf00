import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { readPage, root } from './markdown.ts';

/** The files that a file needs, itself among them, and the packages that these import. */
function neededBy(file: string): {
  readonly files: ReadonlySet<string>;
  readonly packages: ReadonlySet<string>;
} {
  const files = new Set([join(root, file)]);
  const packages = new Set<string>();
  // A set that grows while it is gone through is gone through to its end.
  for (const path of files) {
    for (const [, target = ''] of readFileSync(path, 'utf8').matchAll(/\bfrom '([^']+)'/g)) {
      if (target.startsWith('.')) files.add(join(dirname(path), target));
      else if (!target.startsWith('node:')) packages.add(target.split('/')[0] ?? '');
    }
  }
  return { files, packages };
}

test('the page on GitHub Actions names what the command needs in another repository, and what of its folder it does not', () => {
  const { files, packages } = neededBy('examples/migrate-with-resume.ts');
  const paths = [...files].map((file) => relative(root, file));
  expect(paths.filter((path) => !/^examples\/(?:cli\/|migrate-with-resume\.ts$)/.test(path))).toEqual([]);
  const page = readPage('docs/github-actions.md');
  const [list = '', leftOut = ''] =
    /A repository of yours needs([^]*?)Leave out([^]*?)\n\n/.exec(page)?.slice(1) ?? [];
  const named = (text: string): string[] =>
    [...text.matchAll(/`([\w.-]+)`/g)].map(([, name = '']) => name).toSorted();
  // The source imports pg by the package itself.
  expect(named(list)).toEqual([...packages, 'kysely', 'pg'].toSorted());
  const others = readdirSync(join(root, 'examples/cli')).filter(
    (name) => !paths.includes(`examples/cli/${name}`),
  );
  expect(named(leftOut)).toEqual(others.toSorted());
});
