import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('the code of docs/reports.md compiles against the built package, and its pictures are there', async () => {
  const page = await readFile(`${root}docs/reports.md`, 'utf8');
  const blocks = [...page.matchAll(/```ts\n([^]*?)```/g)].map((match) => match[1] ?? '');
  expect(blocks).toHaveLength(2);
  const folder = await mkdtemp(`${root}test/report/docs-`);
  try {
    for (const [index, code] of blocks.entries()) await writeFile(`${folder}/block-${index}.ts`, code);
    const config = { extends: '../../../tsconfig.json', compilerOptions: { paths: {} }, include: ['*.ts'] };
    await writeFile(`${folder}/tsconfig.json`, JSON.stringify(config));
    const compile = promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], {
      cwd: root,
    });
    expect(await compile.catch((error: { stdout: string }) => error)).toMatchObject({ stdout: '' });
  } finally {
    await rm(folder, { recursive: true });
  }
  const pictures = [...page.matchAll(/images\/[a-z-]+\.png/g)].map(([path]) => path);
  expect(pictures).toHaveLength(3);
  for (const picture of pictures) {
    const { length } = await readFile(`${root}docs/${picture}`);
    expect(length).toBeLessThan(250_000);
  }
});
