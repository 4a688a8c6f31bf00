import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { root } from './markdown.ts';

/** Runs a program of a module's text with the built package, and resolves what it leaves on both streams. */
async function outputOf(program: string): Promise<string> {
  const args = ['--input-type=module', '--eval', program];
  try {
    return (await promisify(execFile)(process.execPath, args, { cwd: root })).stdout;
  } catch (error) {
    return (error as { readonly stderr: string }).stderr;
  }
}

test('the built class of errors has its own name, so that an error nobody catches is printed by it', async () => {
  const name = `import { MigratorError } from 'resumable-migrator'; console.log(MigratorError.name)`;
  expect(await outputOf(name)).toBe('MigratorError\n');
  const thrown = `import { ResumableMigrator } from 'resumable-migrator'; new ResumableMigrator({})`;
  expect(await outputOf(thrown)).toMatch(/^MigratorError: source is missing/m);
  const placed = `import { MigratorError } from 'resumable-migrator';
    throw new MigratorError('INTERNAL', 'Nothing.', { help: 'x' }).with({ migration: 'm' })`;
  expect(await outputOf(placed)).toMatch(/^MigratorError: Nothing\. \(migration "m"\)$/m);
});
