import type { ProgressEvent } from 'resumable-migrator';
import { expect, test } from 'vitest';
import { LiveView } from '../../examples/cli/live-view.ts';
import { Output } from '../../examples/cli/output.ts';
import { Screen } from './screen.ts';

const progress = (migration: string, percent: number): ProgressEvent => ({
  migration,
  rows: percent * 1_000,
  runRows: percent * 1_000,
  rejected: 0,
  totalRows: 100_000,
  completedCheckpoints: Math.floor(percent / 10),
  totalCheckpoints: 10,
  percent,
  rowsPerSecond: 2_000,
  remainingMs: (100 - percent) * 500,
});

const copying = (migration: string, percent: number): Parameters<LiveView['set']>[1] => ({
  is: 'copying',
  progress: progress(migration, percent),
});

test('several tables have a line each, which says at every change where the table stands', async () => {
  const screen = new Screen();
  const output = new Output({ NO_COLOR: '1' }, screen, screen);
  const view = new LiveView(output, ['customers', 'orders', 'lines']);
  output.line('begin');
  expect(await screen.lines()).toEqual(['begin']);
  view.set('customers', { is: 'analyzing' });
  expect(await screen.lines()).toEqual([
    'begin',
    'customers  analyzing',
    'orders     waiting',
    'lines      waiting',
  ]);
  view.set('customers', copying('customers', 50));
  view.set('orders', copying('orders', 10));
  expect(await screen.lines()).toEqual([
    'begin',
    'customers  █████████░░░░░░░░  50.0%  2000 rows/s  25 s left  50000/100000 records  5/10 checkpoints',
    'orders     ██░░░░░░░░░░░░░░░  10.0%  2000 rows/s  45 s left  10000/100000 records  1/10 checkpoints',
    'lines      waiting',
  ]);
  output.line('a line above');
  view.set('customers', { is: 'completed', rows: 100_000 });
  view.set('orders', { is: 'failed', code: 'SINK_FAILED' });
  view.set('lines', { is: 'paused', rows: 7 });
  expect(await screen.lines()).toEqual([
    'begin',
    'a line above',
    'customers  completed  100000 records',
    'orders     failed  SINK_FAILED',
    'lines      paused  7 records',
  ]);
  view.end();
  expect(await screen.lines()).toEqual(['begin', 'a line above']);
});

test('a single table has its bar alone, while it is copied', async () => {
  const screen = new Screen();
  const view = new LiveView(new Output({ NO_COLOR: '1' }, screen, screen), ['drive']);
  view.set('drive', { is: 'analyzing' });
  expect(await screen.lines()).toEqual([]);
  view.set('drive', copying('drive', 50));
  expect(await screen.lines()).toEqual([
    '██████████████░░░░░░░░░░░░░░  50.0%  2000 rows/s  25 s left  50000/100000 records  5/10 checkpoints',
  ]);
  view.set('drive', { is: 'completed', rows: 100_000 });
  expect(await screen.lines()).toEqual([]);
});

test('a table with another state is coloured, unless colours are not wanted', () => {
  const screen = new Screen();
  const view = new LiveView(new Output({}, screen, screen), ['a', 'b']);
  view.set('a', { is: 'failed', code: 'SINK_FAILED' });
  expect(screen.writes.join('')).toContain('a  \u001B[31mfailed  SINK_FAILED\u001B[39m');
  expect(screen.writes.join('')).toContain('b  \u001B[2mwaiting\u001B[22m');
});

test('no line is as wide as the terminal, however narrow it is and however long the names are', async () => {
  for (let columns = 12; columns < 120; columns += 1) {
    const screen = new Screen({ columns });
    const view = new LiveView(new Output({ NO_COLOR: '1' }, screen, screen), ['a'.repeat(80), 'b']);
    view.set('a'.repeat(80), copying('a', 33));
    view.set('b', { is: 'failed', code: 'SOURCE_TABLE_NOT_FOUND' });
    const lines = await screen.lines();
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line.length, line).toBeLessThan(columns);
  }
});

test('a terminal with few rows shows what moves and what failed, and counts the rest', async () => {
  const screen = new Screen({ rows: 5 });
  const tables = ['t1', 't2', 't3', 't4', 't5', 't6'];
  const output = new Output({ NO_COLOR: '1' }, screen, screen);
  const view = new LiveView(output, tables);
  view.set('t1', { is: 'completed', rows: 1 });
  view.set('t2', { is: 'completed', rows: 1 });
  view.set('t4', { is: 'failed', code: 'SINK_FAILED' });
  view.set('t5', { is: 'analyzing' });
  for (let line = 1; line < 9; line += 1) output.line(`line ${line}`);
  expect((await screen.lines()).slice(-5)).toEqual([
    'line 7',
    'line 8',
    't4  failed  SINK_FAILED',
    't5  analyzing',
    '… 2 waiting, 2 completed',
  ]);
});

test('a terminal that becomes narrower or wider leaves nothing of the old view behind', async () => {
  const screen = new Screen({ columns: 110, rows: 12 });
  const output = new Output({ NO_COLOR: '1' }, screen, screen);
  const view = new LiveView(output, ['customers', 'orders']);
  for (let line = 1; line <= 20; line += 1) output.line(`line ${line}`);
  view.set('customers', copying('customers', 50));
  view.set('orders', copying('orders', 10));
  await screen.resize(50, 12);
  expect(await screen.lines()).toEqual([
    ...Array.from({ length: 20 }, (_, index) => `line ${index + 1}`),
    'customers  █████████░░░░░░░░░  50.0%  2000 rows/s',
    'orders     ██░░░░░░░░░░░░░░░░  10.0%  2000 rows/s',
  ]);
  await screen.resize(110, 12);
  view.set('orders', { is: 'completed', rows: 100_000 });
  expect((await screen.lines()).slice(-3)).toEqual([
    'line 20',
    'customers  ██████████████░░░░░░░░░░░░░  50.0%  2000 rows/s  25 s left  50000/100000 records  5/10 checkpoints',
    'orders     completed  100000 records',
  ]);
});

test('a name that steers terminals is shown as an escape, and a secret in one is not shown', async () => {
  const screen = new Screen();
  const output = new Output({ CLOUDFLARE_API_TOKEN: 'planted-token' }, screen, screen);
  const view = new LiveView(output, ['a\u001B[2J\nb', 'planted-token']);
  view.set('planted-token', { is: 'analyzing' });
  expect(await screen.lines()).toEqual([
    String.raw`a\u001b[2J\u000ab  waiting`,
    expect.stringMatching(/^\[redacted\] +analyzing$/),
  ]);
});
