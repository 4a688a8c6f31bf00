import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, test } from 'vitest';
import type { Source } from 'resumable-migrator';
import { checkpointStoreSuite, sinkSuite, sourceSuite, type TestFunction } from 'resumable-migrator/testing';

const guide = readFileSync(new URL('../../docs/adapters.md', import.meta.url), 'utf8');

/** The sentences that suites register; none of them is run. */
function sentencesOf(register: (test: TestFunction) => void): string[] {
  const sentences = new Set<string>();
  register((name) => sentences.add(name));
  return [...sentences];
}

const unused = (): Promise<never> => Promise.reject(new Error('no test is run'));
const sinks = [
  { mode: 'upsert', atomic: true },
  { mode: 'insert', atomic: true },
  { mode: 'upsert', atomic: false },
] as const;
const suites = {
  'The source': sentencesOf((register) =>
    sourceSuite({ test: register, create: unused, createEmpty: unused }),
  ),
  'The store': sentencesOf((register) => checkpointStoreSuite({ test: register, create: unused })),
  'The sink': sentencesOf((register) => {
    for (const sink of sinks) sinkSuite({ test: register, create: unused, ...sink });
  }),
};

test.each(Object.entries(suites))(
  'the guide says of every sentence of a suite what is wrong where it fails: %s',
  (name, sentences) => {
    const [, section = ''] = guide.split(`\n### ${name}\n`);
    const rows = [...(section.split('\n### ')[0] ?? '').matchAll(/^\| (.+?) +\| (.+?) +\|$/gm)].slice(1);
    const listed = rows
      .filter(([, sentence]) => !/^-+$/.test(sentence ?? ''))
      .map(([, sentence]) => sentence);
    expect(listed.length).toBeGreaterThan(10);
    expect(listed).toHaveLength(sentences.length);
    expect(new Set(listed)).toEqual(new Set(sentences));
  },
);

describe('the source that the guide shows', async () => {
  const code = [...guide.matchAll(/```ts\n([^]*?)```/g)].map(([, block = '']) => block);
  const script = stripTypeScriptTypes(code.find((block) => block.includes('class Squares')) ?? '');
  // It imports types alone, so nothing is left to resolve.
  const { Squares } = (await import(`data:text/javascript,${encodeURIComponent(script)}`)) as {
    readonly Squares: new (last: number) => Source<object>;
  };
  const rows = Array.from({ length: 12 }, (_, index) => [String(index + 1), String((index + 1) ** 2)]);
  sourceSuite({
    test,
    create: () => Promise.resolve({ source: new Squares(12), rows }),
    createEmpty: () => Promise.resolve({ source: new Squares(0), rows: [] }),
  });
});
