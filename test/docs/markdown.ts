import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import MarkdownIt from 'markdown-it';

export const root: string = fileURLToPath(new URL('../../', import.meta.url));

/** A fenced block of code. */
export interface Block {
  readonly file: string;
  /** Of the block's first line of code. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** What the paragraph before the block has in backticks: names of files, mostly. */
  readonly named: readonly string[];
}

/** The Markdown files of the project, by their paths from its root. */
export function markdownFiles(pattern = '**/*.md'): string[] {
  const exclude = ['**/node_modules/**', 'dist/**', 'docs/api/**', '.local/**'];
  return globSync(pattern, { cwd: root, exclude })
    .map((file) => file.replaceAll('\\', '/'))
    .toSorted();
}

/** The pages with commands and code that a reader may paste. */
export function pagesOfCode(): string[] {
  return ['README.md', ...markdownFiles('docs/**/*.md'), ...markdownFiles('examples/**/README.md')];
}

export function readPage(file: string): string {
  return readFileSync(`${root}/${file}`, 'utf8');
}

const parser: InstanceType<typeof MarkdownIt> = new MarkdownIt({ html: true });

export type Token = ReturnType<InstanceType<typeof MarkdownIt>['parse']>[number];

export function tokensOf(text: string): Token[] {
  return parser.parse(text, {});
}

/** The blocks of one of these languages. */
export function blocksOf(file: string, languages: readonly string[], text: string = readPage(file)): Block[] {
  let named: string[] = [];
  return tokensOf(text).flatMap((token): Block[] => {
    if (token.type === 'inline')
      named = (token.children ?? [])
        .filter(({ type }) => type === 'code_inline')
        .map(({ content }) => content);
    const language = token.info.trim().split(/\s/)[0] ?? '';
    if (token.type !== 'fence' || !languages.includes(language)) return [];
    return [{ file, line: (token.map?.[0] ?? 0) + 2, language, code: token.content, named }];
  });
}
