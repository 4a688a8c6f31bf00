import type { ColumnDescriptor, Key, TextRow } from 'resumable-migrator';
import { type CsvType, keyOrder, problemOf, records, refusal, versionOf } from './csv-file.ts';

/** So many rows of the file, one after the other. */
export interface CsvBlock {
  /** The byte at which its first row begins. */
  readonly start: number;
  /** Rows before it. */
  readonly before: number;
  /** The key of its last row. */
  readonly last: Key;
}

/** What one reading of the file found: enough to begin anywhere later. */
export interface CsvIndex {
  readonly version: string;
  readonly columns: readonly ColumnDescriptor[];
  readonly keyIndexes: readonly number[];
  readonly compare: (a: Key, b: Key) => number;
  readonly blocks: readonly CsvBlock[];
  readonly rows: number;
  /** Bytes of the values of all rows, and of the largest of them. */
  readonly bytes: number;
  readonly largest: { readonly key: Key; readonly bytes: number } | null;
}

/** What the index depends on. */
export interface CsvIndexOptions {
  readonly file: string;
  readonly key: readonly string[];
  readonly types: Readonly<Record<string, CsvType>>;
  readonly indexEvery: number;
}

/** Reads the whole file once, checks every value and the order of the keys, and notes where each block begins. */
export async function indexFile(
  options: CsvIndexOptions,
  signal: AbortSignal | undefined,
): Promise<CsvIndex> {
  const { file, indexEvery } = options;
  const version = await versionOf(file);
  let header: ReturnType<typeof headerOf> | undefined;
  const blocks: CsvBlock[] = [];
  let [rows, bytes, start, blockStart] = [0, 0, 0, 0];
  let previous: Key | null = null;
  let largest: CsvIndex['largest'] = null;
  for await (const { row, lines, end } of records(file, 0, signal)) {
    if (!header) {
      header = headerOf(options, row);
    } else {
      const key = checkedKey(header, row, lines);
      if (previous) checkOrder(header.compare(previous, key), previous, key, lines);
      if (rows % indexEvery === 0) blockStart = start;
      const before = rows - (rows % indexEvery);
      // The last row of a block is known when the block is full, or when the file ends.
      blocks[before / indexEvery] = { start: blockStart, before, last: key };
      const size = sizeOf(row);
      if (!largest || size > largest.bytes) largest = { key, bytes: size };
      bytes += size;
      rows += 1;
      previous = key;
    }
    start = end;
  }
  if (!header) throw refusal('SOURCE_FAILED', `${file} is empty.`, 'Its first line must name the columns.');
  if ((await versionOf(file)) !== version) throw changed(file);
  return { ...header, version, blocks, rows, bytes, largest };
}

/** The key of a row. */
export function keyOf({ keyIndexes }: Pick<CsvIndex, 'keyIndexes'>, row: TextRow): Key {
  return keyIndexes.map((index) => row[index] as string);
}

/** The first block in which a row after this key can be; past the end where there is none. */
export function blockAfter({ blocks, compare }: CsvIndex, key: Key, inclusive: boolean): number {
  let [low, high] = [0, blocks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = compare((blocks[middle] as CsvBlock).last, key);
    if (order < 0 || (order === 0 && !inclusive)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function changed(file: string): Error {
  return refusal(
    'SOURCE_CHANGED',
    `${file} changed while it was read.`,
    'Run again when nobody writes to it.',
  );
}

/** Bytes that the values of a row need. */
export function sizeOf(row: TextRow): number {
  return row.reduce((sum, value) => sum + Buffer.byteLength(value ?? ''), 0);
}

function headerOf(
  { file, key, types }: CsvIndexOptions,
  names: TextRow,
): Pick<CsvIndex, 'columns' | 'keyIndexes' | 'compare'> {
  const unnamed = names.findIndex((name, index) => name === null || names.indexOf(name) !== index);
  if (unnamed !== -1)
    throw refusal(
      'SOURCE_FAILED',
      `Column ${unnamed + 1} of ${file} has no name of its own.`,
      'Mend the first line.',
    );
  const unknown = [...key, ...Object.keys(types)].find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw refusal(
      'SOURCE_COLUMN_NOT_FOUND',
      `${file} has no column ${unknown}.`,
      `It has ${names.join(', ')}.`,
    );
  const columns = names.map((name): ColumnDescriptor => {
    const type = types[name as string] ?? 'text';
    return { name: name as string, type, nativeType: `csv ${type}`, nullable: !key.includes(name as string) };
  });
  const keyTypes = key.map((name) => types[name] ?? 'text');
  return { columns, keyIndexes: key.map((name) => names.indexOf(name)), compare: keyOrder(keyTypes) };
}

function checkedKey(header: Pick<CsvIndex, 'columns' | 'keyIndexes'>, row: TextRow, line: number): Key {
  for (const [index, { name, type }] of header.columns.entries()) {
    const value = row[index] ?? null;
    const problem = value === null ? null : problemOf(type as CsvType, value);
    if (problem !== null)
      throw refusal(
        'SOURCE_FAILED',
        `Line ${line}: the value of ${name} ${problem}.`,
        'Mend it, or declare the column as text.',
      );
    if (value === null && header.keyIndexes.includes(index))
      throw refusal(
        'SOURCE_KEY_NULLABLE',
        `Line ${line}: ${name} is empty.`,
        'A key needs a value in every row.',
      );
  }
  return keyOf(header, row);
}

function checkOrder(order: number, previous: Key, key: Key, line: number): void {
  const [one, other] = [previous.join(', '), key.join(', ')];
  if (order === 0)
    throw refusal(
      'SOURCE_KEY_NOT_UNIQUE',
      `Line ${line}: the key ${other} is there a second time.`,
      'Take one of the rows out, or name a longer key.',
    );
  if (order > 0)
    throw refusal(
      'SOURCE_FAILED',
      `Line ${line}: the key ${other} comes after ${one}, and sorts before it.`,
      'Sort the file by its key: integers by value, texts by their bytes.',
    );
}
