/** Pictures of the command's output on a terminal, for the documentation: what real runs wrote, in a real terminal. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { World } from '../support/world.ts';
import type { Picture } from './picture.ts';

const script = fileURLToPath(new URL('../../examples/migrate-with-resume.ts', import.meta.url));
const { resolve } = createRequire(import.meta.url);
const columns = 108;
const tables = { TABLE_NAMES: 'customers,orders' };

/** Copies two tables through a local stack, and leaves `terminal-run.png` and `terminal-status.png` in the folder. */
export const terminalPictures: Picture = async (browser, folder) => {
  await using world = await World.start();
  await world.postgres(
    'CREATE TABLE customers (id bigint PRIMARY KEY, name text, joined date)',
    `INSERT INTO customers SELECT i, 'customer ' || i, date '2020-01-01' + i % 2000 FROM generate_series(1, 24000) AS i`,
    'CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, total numeric(12, 2))',
    'INSERT INTO orders SELECT i, i % 24000 + 1, i * 1.25 FROM generate_series(1, 60000) AS i',
    'ANALYZE',
  );
  const env = { ...world.stack.env, ...tables };
  // Slow enough for a picture on the way.
  const slow = {
    CHECKPOINT_SIZE: '1000',
    BATCH_SIZE: '500',
    BATCH_DELAY_MS: '20',
    CONCURRENCY: '1',
    TABLE_CONCURRENCY: '2',
  };
  const running = await onTerminal({ ...env, ...slow }, ['--all'], 21, halfWay);
  await picture(browser, running, 21, `${folder}/terminal-run.png`);
  const status = await onTerminal(env, ['--status', '--all'], 15);
  await picture(browser, status, 15, `${folder}/terminal-status.png`);
  return { files: [`${folder}/terminal-run.png`, `${folder}/terminal-status.png`], problems: [] };
};

/** True once both tables are on their way, the first of them more than half. */
function halfWay(written: string): boolean {
  // The last that was drawn of each; a line that did not change is not drawn again.
  const percent = (table: string): number =>
    Number([...written.matchAll(new RegExp(`${table} +[█░]+ +([0-9.]+)%`, 'g'))].at(-1)?.[1] ?? 0);
  return percent('customers') > 55 && percent('orders') > 15;
}

/** What the command writes to a terminal: to its end, or until it is interrupted because there is enough. */
async function onTerminal(
  env: Record<string, string>,
  args: readonly string[],
  rows: number,
  isEnough: (written: string) => boolean = () => false,
): Promise<string> {
  const command = `stty cols ${columns} rows ${rows}; exec '${process.execPath}' '${script}' ${args.join(' ')}`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color', SHELL: '/bin/sh', ...env },
    // A terminal of its own to read from; end of input would be one to the command as well.
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let written = '';
  let enough: string | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
    if (enough !== undefined || !isEnough(written)) return;
    enough = written;
    // Ctrl-C, as the keyboard sends it.
    child.stdin.write('\u0003');
  });
  await once(child, 'close');
  return enough ?? written;
}

async function picture(browser: Browser, written: string, rows: number, path: string): Promise<void> {
  const page = await browser.newPage({ deviceScaleFactor: 1 });
  try {
    await page.setContent(
      '<style>body { margin: 0; background: #11151c } #terminal { display: inline-block; padding: 14px }</style><div id="terminal"></div>',
    );
    await page.addStyleTag({ path: resolve('@xterm/xterm/css/xterm.css') });
    await page.addScriptTag({ path: resolve('@xterm/xterm') });
    await page.evaluate(show, { written, rows, columns });
    await page.locator('#terminal').screenshot({ path });
  } finally {
    await page.close();
  }
}

/** How wide characters are. */
interface UnicodeVersion {
  readonly version: string;
  wcwidth(codePoint: number): 0 | 1 | 2;
  /** The width and whether a character joins the one before, in one number. */
  charProperties(codePoint: number, before: number): number;
}

interface TerminalWindow {
  readonly Terminal: new (options: object) => {
    open(element: Element | null): void;
    write(text: string, done: () => void): void;
    readonly unicode: {
      activeVersion: string;
      register(provider: UnicodeVersion): void;
    };
  };
}

/** Runs in the page. */
async function show(screen: { written: string; rows: number; columns: number }): Promise<void> {
  const { Terminal } = globalThis as unknown as TerminalWindow;
  const terminal = new Terminal({
    cols: screen.columns,
    rows: screen.rows,
    fontFamily: 'DejaVu Sans Mono, Menlo, Consolas, monospace',
    fontSize: 18,
    scrollback: 0,
    allowProposedApi: true,
    theme: { background: '#11151c', foreground: '#d7dce4', cursor: '#11151c' },
  });
  // What the library knows by itself is older than emoji of two columns, which terminals have by now.
  const wcwidth = (codePoint: number): 0 | 1 | 2 => {
    if (codePoint === 0xfe0f) return 0;
    return codePoint >= 0x1f300 || codePoint === 0x2705 || codePoint === 0x274c ? 2 : 1;
  };
  terminal.unicode.register({
    version: 'emoji',
    wcwidth,
    charProperties: (codePoint) => (wcwidth(codePoint) << 1) | (wcwidth(codePoint) === 0 ? 1 : 0),
  });
  terminal.unicode.activeVersion = 'emoji';
  terminal.open(document.querySelector('#terminal'));
  await new Promise<void>((done) => terminal.write(screen.written, done));
  // The terminal draws with the next frames.
  await new Promise((done) => setTimeout(done, 300));
}
