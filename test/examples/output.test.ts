import type { ProgressEvent } from 'resumable-migrator';
import { expect, test } from 'vitest';
import { oneLine, Output } from '../../examples/cli/output.ts';
import { duration, progressLine } from '../../examples/cli/progress-bar.ts';
import { textTable } from '../../examples/cli/text-table.ts';
import { Screen as Terminal } from './screen.ts';

class Screen {
  readonly isTTY: boolean;
  readonly columns = 100;
  text = '';
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

const progress: ProgressEvent = {
  migration: 'drive',
  rows: 1_105_030,
  runRows: 5_030,
  rejected: 0,
  totalRows: 2_210_059,
  completedCheckpoints: 22,
  totalCheckpoints: 45,
  percent: 50,
  rowsPerSecond: 165_000.4,
  remainingMs: 6_697,
};

test('on a terminal the bar stays below the lines', async () => {
  const terminal = new Terminal();
  const output = new Output({ NO_COLOR: '1' }, terminal, terminal);
  output.bar('half');
  expect(await terminal.lines()).toEqual(['half']);
  output.line('a line');
  expect(await terminal.lines()).toEqual(['a line', 'half']);
  output.error('an error');
  expect(await terminal.lines()).toEqual(['a line', 'an error', 'half']);
  output.bar('more than half\nof two');
  expect(await terminal.lines()).toEqual(['a line', 'an error', 'more than half', 'of two']);
  output.bar(null);
  expect(await terminal.lines()).toEqual(['a line', 'an error']);
  output.line('the last');
  expect(await terminal.lines()).toEqual(['a line', 'an error', 'the last']);
});

test('a bar that is the same is not drawn again, and one that changes comes in a single write', () => {
  const terminal = new Terminal();
  const output = new Output({}, terminal, terminal);
  output.bar('a\nb');
  output.bar('a\nb');
  expect(terminal.writes).toHaveLength(1);
  output.bar('a\nc');
  expect(terminal.writes).toHaveLength(2);
  output.line('above');
  expect(terminal.writes).toHaveLength(3);
  expect(terminal.writes[2]).toContain('above\n');
  // What holds back a terminal until all of it has come.
  expect(terminal.writes[2]?.startsWith('\u001B[?2026h')).toBe(true);
  expect(terminal.writes[2]?.endsWith('\u001B[?2026l')).toBe(true);
});

test('a line that is longer than the terminal is wide is one line for whoever copies it', async () => {
  const terminal = new Terminal({ columns: 30 });
  const output = new Output({ NO_COLOR: '1' }, terminal, terminal);
  output.bar('half');
  output.line('word '.repeat(20).trim());
  expect(await terminal.lines()).toEqual(['word '.repeat(20).trim(), 'half']);
});

test('FORCE_COLOR gives colours where there is no terminal, and takes them away where there is one', () => {
  const plain = new Screen(false);
  const forced = new Output({ FORCE_COLOR: '1', NO_COLOR: '1' }, plain, plain);
  forced.line(forced.colour('green', 'done'));
  forced.error('failed');
  expect(plain.text).toBe('\u001B[32mdone\u001B[39m\n\u001B[31mfailed\u001B[39m\n');
  expect(new Output({ FORCE_COLOR: '0' }, new Screen(true)).colour('green', 'done')).toBe('done');
  expect(new Output({ FORCE_COLOR: '' }, new Screen(true)).colour('green', 'done')).not.toBe('done');
});

test('lines with a label say what they are about, and cannot be broken by it', () => {
  const screen = new Screen(false);
  const lines = new Output({}, screen, screen).labelled('a\nb');
  lines.line('   one\n\n   two');
  lines.line();
  expect(screen.text).toBe(String.raw`a\u000ab: one` + '\n' + String.raw`a\u000ab: two` + '\n');
});

test.each([
  ['no terminal', false, {}],
  ['a terminal that can do nothing', true, { TERM: 'dumb' }],
])('on %s there is no bar, no colour and no control code', (_, isTTY, env) => {
  const screen = new Screen(isTTY);
  const output = new Output(env, screen, screen);
  output.bar('half');
  output.line(output.colour('green', 'done'));
  output.error('failed');
  expect(screen.text).toBe('done\nfailed\n');
});

test('NO_COLOR takes the colours away, on a terminal as well', () => {
  expect(new Output({}, new Screen(true)).colour('green', 'done')).toBe('\u001B[32mdone\u001B[39m');
  expect(new Output({ NO_COLOR: '1' }, new Screen(true)).colour('green', 'done')).toBe('done');
});

test('what steers a terminal, or turns the direction of writing, is printed as an escape; colours and lines stay', () => {
  const hostile = 'a\u001B[2Jb\u001B[8mc\rd\u202Ee\u0007';
  const shown = String.raw`a\u001b[2Jb\u001b[8mc\u000dd\u202ee\u0007`;
  const plain = new Screen(false);
  new Output({}, plain, plain).line(`${hostile}\nnext`);
  expect(plain.text).toBe(`${shown}\nnext\n`);
  const screen = new Screen(true);
  const output = new Output({}, screen, screen);
  output.line(output.colour('green', hostile));
  expect(screen.text).toBe(`\u001B[32m${shown}\u001B[39m\n`);
  expect(oneLine('a\n✅ done')).toBe(String.raw`a\u000a✅ done`);
});

test('whatever is printed, a secret is not', () => {
  const screen = new Screen(false);
  const env = { CLOUDFLARE_API_TOKEN: 'planted-token', DATABASE_URL: 'postgresql://me:pass%2Fword@host/db' };
  const output = new Output(env, screen, screen);
  output.line(`token planted-token, url ${env.DATABASE_URL}`);
  output.error('password pass/word, or pass%2Fword');
  expect(screen.text).toBe('token [redacted], url [redacted]\npassword [redacted], or [redacted]\n');
});

test('the bar shows how far the run is, how fast, and how long it takes still', () => {
  expect(progressLine(progress, 120)).toBe(
    '███████████████░░░░░░░░░░░░░░░  50.0%  165000 rows/s  7 s left  1105030/2210059 records  22/45 checkpoints',
  );
});

test('a narrow terminal gets fewer facts, and never a line that would wrap', () => {
  for (let columns = 10; columns < 150; columns += 1) {
    expect(progressLine(progress, columns).length).toBeLessThan(columns);
  }
  expect(progressLine(progress, 15)).toBe('50.0%');
});

test.each([
  [null, '?'],
  [0, '0 s'],
  [6_100, '7 s'],
  [260_000, '4 min 20 s'],
  [7_500_000, '2 h 5 min'],
])('%s milliseconds are shown as %s', (milliseconds, text) => {
  expect(duration(milliseconds)).toBe(text);
});

test('a table of text has its numbers to the right', () => {
  const columns = ['status', 'checkpoints'];
  expect(
    textTable({
      columns,
      rows: [
        ['completed', 14],
        ['failed', 1],
      ],
    }),
  ).toEqual([
    'status     checkpoints',
    '---------  -----------',
    'completed           14',
    'failed               1',
  ]);
  expect(textTable({ columns, rows: [] })).toEqual(['(no rows)']);
});
