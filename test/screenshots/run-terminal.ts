/** `node test/screenshots/run-terminal.ts`, after `npm run build`: makes the pictures of the terminal in docs/images. */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { terminalPictures } from './terminal.ts';

const folder = fileURLToPath(new URL('../../docs/images', import.meta.url));
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  await terminalPictures(browser, folder);
} finally {
  await browser.close();
}
