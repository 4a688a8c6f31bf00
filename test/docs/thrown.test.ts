import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { root } from './markdown.ts';

/** Runs a program of a module's text with the built package, and resolves what it leaves on both streams. */
async function outputOf(program: string, folder = root): Promise<string> {
  const args = ['--input-type=module', '--eval', program];
  try {
    return (await promisify(execFile)(process.execPath, args, { cwd: folder })).stdout;
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

test('a program without pg is told to install it where it passes a connection string', async () => {
  const folder = await mkdtemp(`${tmpdir()}/without-pg-`);
  try {
    const installed = `${folder}/node_modules/resumable-migrator`;
    await mkdir(installed, { recursive: true });
    await cp(`${root}/package.json`, `${installed}/package.json`);
    await cp(`${root}/dist`, `${installed}/dist`, { recursive: true });
    for (const other of ['kysely', 'eventemitter3'])
      await symlink(`${root}/node_modules/${other}`, `${folder}/node_modules/${other}`);
    const program = `import { PostgresKeysetSource } from 'resumable-migrator/postgres';
      const source = new PostgresKeysetSource({ connectionString: 'postgresql://u:p@127.0.0.1:1/d', table: 't' });
      const { code, help, cause } = await source.describe().catch((error) => error);
      console.log(code, help, cause.code)`;
    expect(await outputOf(program, folder)).toMatch(
      /^INVALID_OPTION Install it: npm install pg\..* ERR_MODULE_NOT_FOUND$/m,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
