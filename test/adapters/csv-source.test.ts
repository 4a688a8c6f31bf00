import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TextRow } from 'resumable-migrator';
import { sourceSuite } from 'resumable-migrator/testing';
import { CsvSource, type CsvSourceOptions } from '../../examples/adapters/csv-source.ts';
import { csvText } from './csv-text.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csv-source-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let files = 0;
async function fileOf(text: string): Promise<string> {
  const file = join(folder, `file ${(files += 1)}.csv`);
  await writeFile(file, text);
  return file;
}

async function sourceOf(text: string, options: Omit<CsvSourceOptions, 'file'>): Promise<CsvSource> {
  return new CsvSource({ file: await fileOf(text), ...options });
}

function suite(
  name: string,
  columns: readonly string[],
  rows: readonly TextRow[],
  options: Omit<CsvSourceOptions, 'file'>,
): void {
  describe.each([1, 3, 1_000])(`${name}, %i rows a block`, (indexEvery) => {
    const create = async (of: readonly TextRow[]) => ({
      source: await sourceOf(csvText([columns, ...of]), { ...options, indexEvery }),
      rows: of,
    });
    sourceSuite({ test, create: () => create(rows), createEmpty: () => create([]) });
  });
}

suite(
  'integer keys that are far apart',
  ['id', 'name'],
  [
    '-9223372036854775808',
    '-9007199254740993',
    '-1',
    '0',
    '1',
    '2',
    '9',
    '10',
    '40000000000',
    '9007199254740993',
    '9223372036854775807',
  ].map((id, index) => [
    id,
    [null, '', 'two\nlines', '"quoted", twice', 'Zürich 東京 🚀'][index % 5] ?? null,
  ]),
  { key: ['id'], types: { id: 'integer' } },
);
suite(
  'text keys in the order of their bytes',
  ['note', 'name'],
  // U+FB01 sorts before U+1F680 by bytes, and after it by UTF-16 code units.
  ['', ' ', '"', '-5', '010', '10', '1e3', '9', "it's", 'z', 'Ünï', '東京', '\ufb01', '🚀'].map(
    (name, index) => [index % 2 === 0 ? `note\r\n${index}` : null, name],
  ),
  { key: ['name'] },
);
suite(
  'a key of two columns in another order than the file has them',
  ['id', 'amount', 'shop'],
  ['eu', 'us'].flatMap((shop) =>
    ['-1', '2', '10', '9007199254740993', '9223372036854775807'].map((id) => [id, '-0.50', shop]),
  ),
  { key: ['shop', 'id'], types: { id: 'integer', amount: 'decimal' } },
);

const byId = { key: ['id'], types: { id: 'integer' } } as const;
test.each([
  ['unsorted', 'id,v\n1,a\n3,"two\nlines"\n2,c\n', 'SOURCE_FAILED', /^Line 5: the key 2 comes after 3/],
  ['repeated', 'id,v\n1,a\n2,b\n2,c\n', 'SOURCE_KEY_NOT_UNIQUE', /^Line 4: the key 2 is there a second time/],
  ['empty', 'id,v\n1,a\n,b\n', 'SOURCE_KEY_NULLABLE', /^Line 3: id is empty/],
  [
    'not in its shortest form',
    'id,v\n1,a\n02,b\n',
    'SOURCE_FAILED',
    /^Line 3: the value of id is no whole number/,
  ],
  [
    'beyond 64 bits',
    'id,v\n9223372036854775808,a\n',
    'SOURCE_FAILED',
    /^Line 2: the value of id does not fit/,
  ],
  ['of another number of values', 'id,v\n1,a\n2\n', 'SOURCE_FAILED', /line 3/],
  ['missing', 'no,v\n1,a\n', 'SOURCE_COLUMN_NOT_FOUND', /no column id/],
])('a key that is %s is refused, and the line is named', async (_what, text, code, message) => {
  const source = await sourceOf(text, byId);
  await expect(source.describe()).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as string,
  });
});

test('integers sort by value, and the same texts without a type do not', async () => {
  const text = 'id\n9\n10\n';
  expect((await (await sourceOf(text, byId)).describe()).estimatedRows).toBe(2);
  await expect((await sourceOf(text, { key: ['id'] })).describe()).rejects.toMatchObject({
    code: 'SOURCE_FAILED',
  });
});

test('a file that is not there, and one without a first line, are refused', async () => {
  await expect(new CsvSource({ file: join(folder, 'none.csv'), ...byId }).describe()).rejects.toMatchObject({
    code: 'SOURCE_TABLE_NOT_FOUND',
  });
  await expect((await sourceOf('', byId)).describe()).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
});

test('a page of a file that was written to since it was described is refused', async () => {
  const file = await fileOf('id,v\n1,a\n2,b\n');
  const source = new CsvSource({ file, ...byId });
  const { version } = await source.describe();
  const request = { lower: null, upper: ['2'], limit: 10, version };
  expect(await source.readPage(request)).toEqual({
    rows: [
      ['1', 'a'],
      ['2', 'b'],
    ],
    done: true,
  });
  await writeFile(file, 'id,v\n1,a\n2,c\n3,d\n');
  await expect(source.readPage(request)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
});

test('the files of this test are read back by the rules they were written by: with a byte order mark and CRLF too', async () => {
  const source = await sourceOf('\ufeffid,v\r\n1,\r\n2,""\r\n3,last', { ...byId, indexEvery: 1 });
  expect(await source.readPage({ lower: { key: ['1'], inclusive: false }, upper: ['3'], limit: 9 })).toEqual({
    rows: [
      ['2', ''],
      ['3', 'last'],
    ],
    done: true,
  });
  expect(await source.countRows({ lower: null, upper: ['2'] })).toBe(2);
});
