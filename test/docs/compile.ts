import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Block, root } from './markdown.ts';

/**
 * Compiles blocks in one run of tsc, each as a module of its own, against the built package with its published types
 * and without the project's own shortcuts. What is wrong, by page and line.
 */
export async function compile(blocks: readonly Block[]): Promise<string[]> {
  const folder = await mkdtemp(`${root}/test/docs/compiled-`);
  try {
    await Promise.all(
      blocks.map(async ({ code, language }, index) => {
        // An excerpt without imports would be a script, and share its names with the others.
        await writeFile(`${folder}/${index}.${language}`, `${code}export {};\n`);
      }),
    );
    const config = {
      extends: '../../../tsconfig.json',
      compilerOptions: { paths: {}, allowJs: true, checkJs: true, isolatedDeclarations: false },
      include: ['*', '../prelude.d.ts'],
    };
    await writeFile(`${folder}/tsconfig.json`, JSON.stringify(config));
    const output = await outputOf(folder);
    // What explains an error further stands indented below it.
    return output.split(/\n(?! )/).flatMap((problem) => {
      const [, index, row, message] = /(\d+)\.(?:ts|js)\((\d+),\d+\): error ([^]*)/.exec(problem) ?? [];
      const block = blocks[Number(index)];
      if (block) return [`${block.file}:${block.line + Number(row) - 1} ${message}`];
      return /error/.test(problem) ? [problem] : [];
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function outputOf(folder: string): Promise<string> {
  const tsc = [`${root}/node_modules/typescript/bin/tsc`, '-p', folder, '--pretty', 'false'];
  try {
    return (await promisify(execFile)(process.execPath, tsc)).stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
