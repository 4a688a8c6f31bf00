import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { markdownFiles, readPage, root, tokensOf, type Token } from './markdown.ts';

interface Page {
  readonly file: string;
  readonly text: string;
}

const pages: readonly Page[] = markdownFiles().map((file) => ({ file, text: readPage(file) }));

function inlines(text: string): Token[] {
  return tokensOf(text).flatMap(({ children }) => children ?? []);
}

/** Where a page leads: links and pictures, those in HTML too. */
function linksOf(text: string): string[] {
  const written = inlines(text).flatMap(
    (token) => String(token.attrGet('href') ?? token.attrGet('src') ?? '') || [],
  );
  const html = [...tokensOf(text), ...inlines(text)].filter(({ type }) => type.startsWith('html'));
  const tags = html.flatMap(({ content }) => [...content.matchAll(/\s(?:href|src|srcset)="([^"]*)"/g)]);
  return [...written, ...tags.map((match) => match[1] ?? '')];
}

/** The anchors that GitHub gives a page's headings. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const tokens = tokensOf(text);
  for (const [index, { type }] of tokens.entries()) {
    if (type !== 'heading_open') continue;
    const words = (tokens[index + 1]?.children ?? []).map(({ content }) => content).join('');
    const slug = words
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What is wrong with a page's links; nothing is fetched. */
function problemsOf({ file, text }: Page): string[] {
  return linksOf(text).flatMap((link) => {
    const problem = problemOf(file, text, link);
    return problem === undefined ? [] : [`${file}: ${link} ${problem}`];
  });
}

function problemOf(file: string, text: string, link: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(link)) {
    const url = URL.canParse(link) ? new URL(link) : undefined;
    const isPublic = url?.protocol === 'https:' && /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(url.hostname);
    return isPublic && url.username === '' ? undefined : 'is no address with https';
  }
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : join(dirname(file), decodeURIComponent(path));
  if (target.startsWith('..') || path.startsWith('/')) return 'leads out of the repository';
  if (path !== '' && !existsSync(join(root, target))) return 'does not exist';
  if (anchor === undefined) return undefined;
  if (!target.endsWith('.md')) return 'has an anchor, and is no page';
  return anchorsOf(path === '' ? text : readPage(target)).has(anchor) ? undefined : 'has no such heading';
}

/** The pages that can be reached from one by links. */
function reachableFrom(start: string): Set<string> {
  const reached = new Set([start]);
  // A set that grows while it is gone through is gone through to its end.
  for (const file of reached) {
    if (!file.endsWith('.md')) continue;
    for (const link of linksOf(readPage(file))) {
      const target = join(dirname(file), link.split('#')[0] ?? '');
      if (!/^[a-z]+:/i.test(link) && existsSync(join(root, target))) reached.add(target);
    }
  }
  return reached;
}

describe('links', () => {
  test('every link of every page leads to a file and a heading that exist, or is an address with https', () => {
    expect(pages.length).toBeGreaterThan(20);
    expect(pages.flatMap(({ text }) => linksOf(text)).length).toBeGreaterThan(60);
    expect(pages.flatMap(problemsOf)).toEqual([]);
  });

  test('every page of docs/ can be reached from docs/README.md', () => {
    const reached = reachableFrom('docs/README.md');
    expect(markdownFiles('docs/**/*.md').filter((file) => !reached.has(file))).toEqual([]);
  });

  test.each([
    ['[a](nowhere.md)', 'does not exist'],
    ['[a](types.md#nowhere)', 'has no such heading'],
    ['[a](#nowhere)', 'has no such heading'],
    ['[a](../../elsewhere/README.md)', 'leads out of the repository'],
    ['[a](/etc/hosts)', 'leads out of the repository'],
    ['[a](http://example.com/)', 'is no address with https'],
    ['[a](https://localhost/)', 'is no address with https'],
    ['[a](https://name:word@example.com/)', 'is no address with https'],
    ['[a](//example.com/)', 'is no address with https'],
    ['![a](images/nowhere.svg)', 'does not exist'],
    ['<img src="images/nowhere.svg" />', 'does not exist'],
    ['[a]\n\n[a]: nowhere.md', 'does not exist'],
  ])('%j would be noticed', (text, problem) => {
    const found = problemsOf({ file: 'docs/planted.md', text });
    expect(found).toEqual([expect.stringMatching(`${problem}$`)]);
  });

  test('links that are right are not', () => {
    const text =
      '# One `two`: three\n\n# One two three\n\n[a](types.md) [b](#one-two-three) [c](#one-two-three-1) [d](../README.md#embed-it) <https://example.com/a#b> `[e](nowhere.md)`\n\n```md\n[f](nowhere.md)\n```\n';
    expect(problemsOf({ file: 'docs/planted.md', text })).toEqual([]);
  });
});
