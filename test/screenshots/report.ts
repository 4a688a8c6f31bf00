import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Browser } from 'playwright-core';
import { type MigrationRecord, renderReport } from 'resumable-migrator/report';
import { hostileRecord, nothing } from '../report/samples.ts';
import { problemsOf } from './page-check.ts';
import type { Taken } from './picture.ts';
import { recordStory } from './story.ts';

interface View {
  readonly name: string;
  readonly width: number;
  readonly colorScheme: 'light' | 'dark';
  /** How much of the page the picture shows, from its top. */
  readonly height: number;
}

const views: readonly View[] = [
  { name: 'light', width: 1440, colorScheme: 'light', height: 1900 },
  { name: 'dark', width: 1440, colorScheme: 'dark', height: 1900 },
  { name: 'narrow', width: 360, colorScheme: 'light', height: 2600 },
];

/** A real migration's report in light, dark and narrow; other reports are looked at without being kept. */
export async function reportPictures(browser: Browser, folder: string): Promise<Taken> {
  const records = await recordStory();
  const pages: Readonly<Record<string, readonly MigrationRecord[]>> = {
    story: records,
    many: [manyCheckpoints()],
    empty: [nothing],
    none: [],
    hostile: [hostileRecord(), nothing],
  };
  const files: string[] = [];
  const problems = await blindness(browser);
  for (const [name, shown] of Object.entries(pages)) {
    const text = renderReport(shown);
    const path = join(tmpdir(), `resumable-migrator-report-${name}.html`);
    await writeFile(path, text);
    console.log(`${path} ${Math.ceil(text.length / 1_000)} kB`);
    for (const view of views) {
      const page = await browser.newPage({
        viewport: { width: view.width, height: 900 },
        colorScheme: view.colorScheme,
      });
      page.on('console', (message) => problems.push(`${name}: the browser says ${message.text()}`));
      await page.goto(`file://${path}`);
      const tell = async (when: string): Promise<void> => {
        problems.push(...(await problemsOf(page)).map((found) => `${name}, ${view.name}${when}: ${found}`));
      };
      await tell('');
      const file = join(
        name === 'story' ? folder : tmpdir(),
        `report-${name === 'story' ? '' : `${name}-`}${view.name}.png`,
      );
      const height = Math.min(view.height, await page.evaluate(() => document.documentElement.scrollHeight));
      await page.screenshot({ path: file, clip: { x: 0, y: 0, width: view.width, height }, fullPage: true });
      if (name === 'story') files.push(file);
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      await tell(', all opened');
      if (view.name === 'light') {
        // A4 without its margins, in pixels.
        await page.setViewportSize({ width: 718, height: 1000 });
        await page.emulateMedia({ media: 'print' });
        await tell(', printed');
        await page.screenshot({ path: path.replace(/html$/, 'print.png'), fullPage: true });
        await page.pdf({
          path: path.replace(/html$/, 'pdf'),
          format: 'A4',
          margin: { top: '10mm', bottom: '10mm', left: '10mm', right: '10mm' },
        });
      }
      await page.close();
    }
  }
  return { files, problems };
}

/** A page with everything wrong: a check that finds less is worth nothing. */
async function blindness(browser: Browser): Promise<string[]> {
  const page = await browser.newPage({ viewport: { width: 360, height: 900 } });
  await page.setContent(
    '<body style="background:#fff"><p style="color:#999">pale</p><p style="width:900px">wide</p><p style="width:20px;overflow:hidden;white-space:nowrap">cut off on its way</p>',
  );
  const found = await problemsOf(page);
  await page.close();
  return found.length === 3 ? [] : [`the check found only: ${found.join('; ')}`];
}

/** A long copy with 10,000 checkpoints, some of them failed, in progress and open. */
function manyCheckpoints(): MigrationRecord {
  const cells = Array.from({ length: 239 }, (_, index) => {
    const failed = index % 60 === 30 ? 2 : 0;
    const inProgress = index === 180 ? 4 : 0;
    const completed = index < 180 ? 42 - failed : index === 180 ? 20 : 0;
    const pending = 42 - failed - inProgress - completed;
    return { from: index * 42 + 1, to: index * 42 + 42, failed, inProgress, completed, pending };
  });
  const slots = Array.from({ length: 110 }, (_, index) => ({
    rows: index % 37 === 20 ? 0 : 4_000_000 + ((index * 7919) % 1_000_000),
    batches: index % 37 === 20 ? 0 : 290,
    smallestBatch: index % 37 === 20 ? 0 : 9_000 + ((index * 31) % 2_000),
    largestBatch: index % 37 === 20 ? 0 : 19_000 + ((index * 17) % 1_500),
    batchMs: 80_000,
    slowestBatchMs: 1_900,
    retries: index % 11 === 3 ? 2 : 0,
    waits: index % 37 === 20 ? 1 : 0,
    failures: index % 30 === 15 ? 2 : 0,
  }));
  return {
    ...nothing,
    migration: 'measurements',
    recordedAt: '2026-11-24T18:00:00.000Z',
    progress: {
      migration: 'measurements',
      checkpoints: { total: 10_038, completed: 7_574, inProgress: 4, pending: 2_452, failed: 8 },
      rows: 378_700_000,
      written: 378_700_000,
      rejected: 0,
      percent: 75.5,
    },
    totalRows: 501_900_000,
    runs: nothing.runs.map((run) => ({
      ...run,
      endedAt: '2026-11-24T18:15:28.000Z',
      status: 'failed',
      milliseconds: 22_528_000,
    })),
    totals: {
      ...nothing.totals,
      rows: 378_700_000,
      batches: 20_000,
      bytes: 9e9,
      retries: 20,
      failures: 8,
      waits: 2,
    },
    series: { start: '2026-11-24T12:00:00.000Z', slotMs: 204_800, slots },
    checkpoints: cells,
    failures: [31, 91, 151, 211].map((cell) => ({
      seq: cell * 42,
      range: {
        lower: { key: [String(cell * 2_100_000)], inclusive: true },
        upper: [String(cell * 2_100_000 + 49_999)],
      },
      cursor: null,
      code: 'SINK_FAILED',
      message:
        'D1 answered: UNIQUE constraint failed: measurements.device, measurements.at: SQLITE_CONSTRAINT',
      at: '2026-11-24T14:00:00.000Z',
    })),
  };
}
