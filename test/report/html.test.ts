import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type MigrationRecord, recordRun, renderReport } from 'resumable-migrator/report';
import { advice } from '../../src/report/advice.ts';
import { World } from '../engine/world.ts';
import { hostile, hostileRecord, nothing } from './samples.ts';

const at = new Date('2026-11-24T15:45:31Z');

/** The text of a page, without what a reader does not see. */
function textOf(page: string): string {
  return page
    .replace(/<style>[^]*?<\/style>/, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
}

/** The names of all tags, and of all attributes. */
function markupOf(page: string): { tags: Set<string>; attributes: Set<string> } {
  const body = page.replace(/<style>[^]*?<\/style>/, '');
  const tags = new Set<string>();
  const attributes = new Set<string>();
  for (const [, name = '', rest = ''] of body.matchAll(
    /<([a-z][a-z0-9]*)((?:\s+[a-zA-Z-]+(?:="[^"]*")?)*)\s*\/?>/g,
  )) {
    tags.add(name);
    for (const [, attribute = ''] of rest.matchAll(/\s([a-zA-Z-]+)(?:="[^"]*")?/g)) attributes.add(attribute);
  }
  return { tags, attributes };
}

async function recorded(): Promise<MigrationRecord> {
  const migrator = new World({ rows: 35, mode: 'upsert' }).migrator();
  const recorder = recordRun(migrator);
  await migrator.run();
  recorder.verified(await migrator.verify({ mode: 'full' }));
  return recorder.toJSON();
}

test('a page of a run says its state, its figures and its times in UTC', async () => {
  const page = renderReport([await recorded()], { title: 'Tonight', at });
  const text = textOf(page);
  expect(text).toContain('Tonight');
  expect(text).toContain('2026-11-24 15:45:31 UTC');
  expect(text).toContain('Completed and compared');
  expect(text).toContain('every value of every row is the same on both sides');
  expect(text).toMatch(/Rows copied 35/);
  expect(page).toContain('aria-label="Checkpoints: 4 completed, 0 in progress, 0 pending, 0 failed"');
});

test('a page says why both sides are not the same where no row is named, and what to do', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  const migrator = world.migrator();
  const recorder = recordRun(migrator);
  await migrator.run();
  world.rows.push(['500', 'right']);
  world.table.rows.set('["500"]', ['500', 'WRONG']);
  recorder.verified(await migrator.verify({ mode: 'full' }));
  const text = textOf(renderReport([recorder.toJSON()], { at }));
  expect(text).toContain('They are not the same. Only in the source 0 Other values 0 Only in the sink 0');
  expect(text).toContain('Those that came after the end of the plan are copied by the next run.');
});

test('a page may load nothing and run nothing: no script, no address, a policy that says so', async () => {
  for (const records of [[await recorded()], [hostileRecord()], []]) {
    const page = renderReport(records, { at });
    const { tags, attributes } = markupOf(page);
    for (const tag of ['script', 'img', 'link', 'iframe', 'object', 'form', 'base'])
      expect(tags).not.toContain(tag);
    for (const attribute of [...attributes, '']) expect(attribute).not.toMatch(/^on|^src$/);
    expect(page).toContain(
      `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
    );
    expect(page.match(/<style>[^]*?<\/style>/)?.[0]).not.toMatch(/url\(|@import/);
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
    for (const landmark of ['header', 'main', 'footer']) expect(tags).toContain(landmark);
  }
});

test('the look for scripts and handlers finds what is there', () => {
  const { tags, attributes } = markupOf('<p><img src="x" onerror="y"><script>z</script></p>');
  expect(tags).toEqual(new Set(['p', 'img', 'script']));
  expect(attributes).toEqual(new Set(['src', 'onerror']));
});

test('names, keys and messages that others made stay text, wherever they stand', () => {
  const page = renderReport([hostileRecord(), { ...nothing, migration: hostile }], { title: hostile, at });
  expect(page).not.toContain('<script');
  expect(page).not.toContain('<img');
  expect(page.match(/<\/style>/g)).toHaveLength(1);
  expect(page.match(/<\/title>/g)?.length).toBe(1);
  // What turns the direction of writing is shown as an escape.
  expect(page).not.toContain('\u202E');
  expect(page).toContain('\\u202e');
  const found = page.match(/&lt;script&gt;alert\(1\)&lt;\/script&gt;&quot;&#39;&gt;&lt;img/g) ?? [];
  expect(found.length).toBeGreaterThan(15);
});

test('failures stand with their message and what to do, and the first state of several tables is the worst', () => {
  const failed: MigrationRecord = {
    ...nothing,
    migration: 'orders',
    failures: [
      {
        seq: 3,
        range: { lower: { key: ['21'], inclusive: true }, upper: ['30'] },
        cursor: ['24'],
        code: 'SINK_FAILED',
        message: 'UNIQUE constraint failed: orders.number',
        at: '2026-11-24T12:00:00.100Z',
      },
    ],
  };
  const text = textOf(renderReport([nothing, failed], { at }));
  expect(text).toContain('Checkpoint 3, keys 21 to 30, copied up to 24 , 2026-11-24 12:00:00 UTC');
  expect(text).toContain('UNIQUE constraint failed: orders.number');
  expect(text).toContain('A broken constraint is mended at the source or in the table; then run again.');
  expect(text).toContain('2 tables: 1 completed, 1 failed.');
  expect(text.indexOf('✕ Failed')).toBeLessThan(text.indexOf('2 tables'));
});

test('a migration of no rows, and no migration at all, make a page too', () => {
  expect(textOf(renderReport([nothing], { at }))).toContain('There were no rows to copy.');
  expect(textOf(renderReport([], { at }))).toContain('Nothing was recorded.');
});

test('a copy with differences is not called complete, nor is one that was compared in part called the same', async () => {
  const record = await recorded();
  const found = record.verification;
  if (!found) throw new Error('nothing was compared');
  const differs = { ...found, equal: false, counts: { missing: 0, different: 2, extra: 0 } };
  expect(textOf(renderReport([{ ...record, verification: differs }], { at }))).toContain('≠ Differs');
  const part = { ...found, equal: false, complete: false };
  const text = textOf(renderReport([{ ...record, verification: part }], { at }));
  expect(text).toContain('They were compared in part');
  expect(text).not.toMatch(/Completed and compared|Differs|They are the same/);
});

test('10,000 checkpoints are at most 240 squares, whose counts are exact, in a page of less than 100 kB', async () => {
  const statuses = ['completed', 'completed', 'pending', 'failed', 'in_progress'] as const;
  const recorder = recordRun({
    on: () => undefined,
    off: () => undefined,
    status: () =>
      Promise.resolve({
        ...nothing.progress,
        migration: 'many',
        checkpoints: { total: 10_000, completed: 4_000, pending: 2_000, failed: 2_000, inProgress: 2_000 },
        lastCompleted: null,
        next: null,
        failures: [],
        rows: 1,
        written: 1,
        rejected: 0,
        percent: 40,
      }),
    async *checkpoints() {
      for (let seq = 1; seq <= 10_000; seq += 1) {
        const status = statuses[seq % 5] ?? 'pending';
        yield await Promise.resolve({
          id: seq,
          seq,
          range: { lower: null, upper: [String(seq)] },
          status,
          cursor: null,
          recordsProcessed: 0,
          recordsWritten: 0,
          recordsRejected: 0,
          errorMessage: null,
          fenceToken: 1,
        });
      }
    },
  });
  await recorder.load();
  const page = renderReport([recorder.toJSON()], { at });
  expect(page.match(/<i class="cell [^>]* title=/g)?.length).toBeLessThanOrEqual(240);
  expect(page).toContain('Checkpoints: 4,000 completed, 2,000 in progress, 2,000 pending, 2,000 failed');
  expect(page.length).toBeLessThan(100_000);
});

test('what to do about an error is what docs/errors.md says', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const plain = (text = ''): string => text.replace(/\[(.*?)\]\(.*?\)/g, '$1').replaceAll('`', '');
  const listed = [...page.matchAll(/^\| `([A-Z_]+)` +\| .*? +\| (.*?) +\|$/gm)].map(([, code = '', what]) => [
    code,
    plain(what),
  ]);
  expect(Object.fromEntries(listed)).toEqual(advice);
});
