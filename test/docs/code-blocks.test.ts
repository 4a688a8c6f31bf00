import { expect, test } from 'vitest';
import { compile } from './compile.ts';
import { blocksOf, pagesOfCode } from './markdown.ts';

const wrong: readonly [code: string, problem: RegExp][] = [
  [
    `import { ResumableMigrator } from 'resumable-migrator';\nResumableMigrator.begin();\n`,
    /:11 TS2339: Property 'begin'/,
  ],
  [`const { percent }: string = await migrator.status();\n`, /:10 TS2339: Property 'percent'/],
  [`import { nothing } from 'resumable-migrator/nowhere';\n`, /:10 TS2307: Cannot find module/],
  [
    `import { ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
const source = new PostgresKeysetSource<SourceDB, 'trips'>({ pool, table: 'trips' });
const sink = new D1BindingSink<TargetDB, 'trips'>({ database: env.DB, table: 'trips' });
new ResumableMigrator({ source, sink });\n`,
    /'the sink table lacks columns of the source': "(?:speed|deleted)"/,
  ],
];

test('every block of TypeScript and JavaScript compiles against the built package, and wrong ones are named', async () => {
  const blocks = pagesOfCode().flatMap((file) => blocksOf(file, ['ts', 'js']));
  expect(blocks.length).toBeGreaterThan(5);
  // In the same run, as tsc takes seconds: what is planted is found, and nothing else.
  const planted = wrong.map(([code], index) => ({
    file: `planted-${index}`,
    line: 10,
    language: 'ts',
    code,
    named: [],
  }));
  const problems = await compile([...blocks, ...planted]);
  expect(problems.filter((problem) => !problem.startsWith('planted'))).toEqual([]);
  for (const [index, [, problem]] of wrong.entries()) {
    const found = problems.filter((one) => one.startsWith(`planted-${index}:`));
    expect(found.join('\n')).toMatch(problem);
  }
});

test('a block is found with its page, its line and the file that is named before it', () => {
  const text =
    'Save this as `a.ts`:\n\n```ts\nlet a = 1;\n```\n\n```js title\nb();\n```\n\n    indented\n\n```\nc\n```\n';
  expect(blocksOf('x.md', ['ts', 'js'], text)).toEqual([
    { file: 'x.md', line: 4, language: 'ts', code: 'let a = 1;\n', named: ['a.ts'] },
    { file: 'x.md', line: 8, language: 'js', code: 'b();\n', named: ['a.ts'] },
  ]);
});
