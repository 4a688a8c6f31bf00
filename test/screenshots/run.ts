/**
 * Takes the pictures of the documentation from the real thing, and sees that nothing in them is cut off or too pale to
 * read: `npm run screenshots`. Needs a Chromium: CHROMIUM_PATH, or /usr/bin/chromium.
 */
import { access, mkdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Picture } from './picture.ts';
import { reportPictures } from './report.ts';
import { terminalPictures } from './terminal.ts';

/** Add a function here for another picture. */
const pictures: readonly Picture[] = [reportPictures, terminalPictures];

/** Bytes of a picture at the most: they are kept with the source. */
const mostBytes = 250_000;

async function main(): Promise<number> {
  const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
  try {
    await access(executablePath);
  } catch {
    console.error(
      `There is no Chromium at ${executablePath}. Install one, or say where it is: CHROMIUM_PATH=...`,
    );
    return 2;
  }
  const folder = fileURLToPath(new URL('../../docs/images', import.meta.url));
  await mkdir(folder, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const problems: string[] = [];
  try {
    for (const take of pictures) {
      const { files, problems: found } = await take(browser, folder);
      problems.push(...found);
      for (const file of files) {
        const { size } = await stat(file);
        console.log(`${file} ${Math.ceil(size / 1_000)} kB`);
        if (size > mostBytes) problems.push(`${file} has ${size} bytes; ${mostBytes} are allowed`);
      }
    }
  } finally {
    await browser.close();
  }
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main();
