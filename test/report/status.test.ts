import { styleText, stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import type { GroupProgress, Progress } from 'resumable-migrator';
import { renderStatus } from 'resumable-migrator/report';

const range = (from: string, to: string): NonNullable<Progress['next']>['range'] => ({
  lower: { key: [from], inclusive: true },
  upper: [to],
});

const drive: Progress = {
  migration: 'drive',
  checkpoints: { total: 45, completed: 22, inProgress: 1, pending: 21, failed: 1 },
  rows: 1_105_030,
  written: 1_105_030,
  rejected: 0,
  percent: (22 / 45) * 100,
  lastCompleted: { seq: 22, range: range('1050001', '1100000') },
  next: { seq: 23, range: range('1100001', '1150000'), cursor: ['1105030'] },
  failures: [
    {
      seq: 24,
      range: range('1150001', '1200000'),
      cursor: null,
      code: 'VALUE_REFUSED',
      message: 'The sink has no exact form for a value of the column speed in the row with the key 1150007.',
    },
  ],
};

const none: Progress = {
  migration: 'cities',
  checkpoints: { total: 0, completed: 0, inProgress: 0, pending: 0, failed: 0 },
  rows: 0,
  written: 0,
  rejected: 0,
  percent: 0,
  lastCompleted: null,
  next: null,
  failures: [],
};

const done: Progress = {
  ...none,
  migration: 'camera_locations',
  checkpoints: { total: 4, completed: 4, inProgress: 0, pending: 0, failed: 0 },
  rows: 171_000,
  percent: 100,
  lastCompleted: { seq: 4, range: range('150001', '171000') },
};

const group: GroupProgress = {
  tables: [drive, done, none],
  checkpoints: { total: 49, completed: 26, inProgress: 1, pending: 21, failed: 1 },
  rows: 1_276_030,
  written: 1_276_030,
  rejected: 0,
  percent: (26 / 49) * 100,
};

test('a table is shown with its checkpoints by state, where a run goes on, and what failed', () => {
  expect(renderStatus(drive)).toBe(`drive: 1 failed

  Done            ███████████░░░░░░░░░░░░░  48.8%
  Rows            1,105,030
  Checkpoints     22 of 45 completed, 1 in progress, 21 pending, 1 failed
  Last completed  checkpoint 22, keys 1050001 to 1100000
  Next            checkpoint 23, keys 1100001 to 1150000, copied up to 1105030

Failures (1); the next run tries again
  VALUE_REFUSED, checkpoint 24
    The sink has no exact form for a value of the column speed in the row with the key
    1150007.`);
});

test('a table that is completed has nothing to go on with, and one without a plan says so', () => {
  expect(renderStatus({ ...done, rejected: 3 })).toBe(`camera_locations: completed

  Done         ████████████████████████  100.0%
  Rows         171,000
  Set aside    3 rows
  Checkpoints  4 of 4 completed`);
  expect(renderStatus(none)).toBe('cities: nothing is planned yet');
});

test('a group is a table of its tables, with their sums, and below it those that are not completed', () => {
  expect(renderStatus(group)).toBe(`1 of 3 tables completed

  table                             done       rows  completed  in progress  pending  failed
  drive             █████░░░░░░░   48.8%  1,105,030         22            1       21       1
  camera_locations  ████████████  100.0%    171,000          4            0        0       0
  cities            ░░░░░░░░░░░░    0.0%          0          0            0        0       0
  in all            ██████░░░░░░   53.0%  1,276,030         26            1       21       1

drive
  Last completed  checkpoint 22, keys 1050001 to 1100000
  Next            checkpoint 23, keys 1100001 to 1150000, copied up to 1105030

Failures (1); the next run tries again
  VALUE_REFUSED, checkpoint 24
    The sink has no exact form for a value of the column speed in the row with the key
    1150007.`);
});

test('nothing is called complete before it is: figure and bar are rounded down', () => {
  const almost = renderStatus({
    ...drive,
    checkpoints: { ...drive.checkpoints, total: 9_999, completed: 9_998 },
    percent: (9_998 / 9_999) * 100,
  });
  expect(almost).toContain('█░  99.9%\n');
});

test('keys of several columns and of open ranges are shown as they are ordered', () => {
  const next = { seq: 1, range: { lower: null, upper: ['eu', '9'] }, cursor: null };
  expect(renderStatus({ ...drive, next, lastCompleted: null })).toContain(
    '  Next         checkpoint 1, keys up to (eu, 9)\n',
  );
  const later = { ...next, range: { lower: { key: ['eu', '9'], inclusive: false }, upper: ['us', '4'] } };
  expect(renderStatus({ ...drive, next: later })).toContain('keys after (eu, 9) up to (us, 4)\n');
});

test('no line is wider than the width, down to where the figures alone fill it', () => {
  for (let width = 70; width < 140; width += 1) {
    for (const line of renderStatus(group, { width }).split('\n')) {
      expect(line.length, `${width}: ${line}`).toBeLessThanOrEqual(width);
    }
  }
  for (let width = 40; width < 140; width += 1) {
    for (const line of renderStatus(drive, { width }).split('\n')) {
      expect(line.length, `${width}: ${line}`).toBeLessThanOrEqual(width);
    }
  }
  expect(renderStatus(group, { width: 70 })).toContain('\n  camera_…');
});

test('colours are those of the caller, and take no room', () => {
  const colour = (style: 'green' | 'yellow' | 'red' | 'dim', text: string): string =>
    styleText(style, text, { validateStream: false });
  for (const progress of [drive, done, none, group]) {
    const coloured = renderStatus(progress, { colour });
    expect(coloured).toContain('\u001B[');
    expect(stripVTControlCharacters(coloured)).toBe(renderStatus(progress));
    expect(renderStatus(progress)).not.toContain('\u001B');
  }
});

test('names, keys and messages can neither steer a terminal nor begin a line of their own', () => {
  const hostile = 'a\u001B[2J\nb\u202E';
  const progress: Progress = {
    ...drive,
    migration: hostile,
    next: { seq: 1, range: range(hostile, hostile), cursor: [hostile] },
    failures: [{ seq: 1, range: range('1', '2'), cursor: null, code: hostile, message: hostile }],
  };
  const sums = { ...group, tables: [progress] };
  for (const text of [renderStatus(progress), renderStatus(sums)]) {
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u202E]/);
    expect(text.split('\n').filter((line) => line.startsWith('b'))).toEqual([]);
  }
});
