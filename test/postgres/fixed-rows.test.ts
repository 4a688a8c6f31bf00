/** Rows all of whose values have the bytes of their types are taken together, and are those that would have been taken one by one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ByteRows, TextRow } from 'resumable-migrator';
import { textRowOf } from '../../src/engine/rows/byte-rows.ts';
import { PageRows } from '../../src/postgres/page-rows.ts';
import { codecOf, type PostgresColumn } from '../../src/postgres/types/types.ts';
import { World } from '../support/world.ts';
import { readAll } from './reading.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const columns = 'at timestamptz, local timestamp, day date, isTrue bool, few float8, many float8, small int2';
const from = { key: ['1'], inclusive: true };

describe('a table of such values alone', () => {
  test.each([
    ['without a null', []],
    ['with a null in the first row', [1]],
    ['with a null in the middle of a page', [222]],
    ['with nulls here and there', [7, 8, 150, 151, 449, 450, 1_799, 1_800]],
    ['with nulls in every row', Array.from({ length: 1_800 }, (_, index) => index + 1)],
  ])('is read as its texts are, %s', async (how, nulls) => {
    const table = `fixed_${how.replaceAll(' ', '_')}`;
    await world.postgres(
      `CREATE TABLE ${table} (id bigint PRIMARY KEY, ${columns})`,
      `INSERT INTO ${table} SELECT i, timestamptz '2026-01-01Z' + i * interval '7.25 seconds', timestamp '1969-12-31' + i * interval '1 hour',
        date '1999-12-01' + i, i % 3 = 0, i / 100.0, sqrt(i), -i FROM generate_series(1, 1800) AS i`,
      ...(nulls.length === 0
        ? []
        : [`UPDATE ${table} SET day = NULL, many = NULL WHERE id IN (${nulls.join(', ')})`]),
    );
    const source = world.source(table);
    const texts = await readAll(source, ['1800'], false, from);
    const bytes = await readAll(source, ['1800'], true, from);
    expect(bytes).toHaveLength(1_800);
    expect(bytes).toEqual(texts);
    expect(bytes.filter((row) => row[3] === null && row[6] === null)).toHaveLength(nulls.length);
    expect(bytes.map(([id]) => id)).toEqual(Array.from({ length: 1_800 }, (_, index) => String(index + 1)));
  });

  test.each([
    ['its rows', { limit: 77, maxBytes: 1_000_000 }, 77],
    // A key and a double together, and a date by itself: 28 bytes a row. A page ends once it has four times its bytes.
    ['its bytes', { limit: 5_000, maxBytes: 3_000 }, Math.ceil(12_000 / 28)],
  ])(
    'ends a page by %s, which are counted as those of rows that are taken one by one',
    async (_by, limits, rows) => {
      await world.postgres(
        'DROP TABLE IF EXISTS fixed_pages',
        'CREATE TABLE fixed_pages (id bigint PRIMARY KEY, a float8 NOT NULL, day date NOT NULL)',
        "INSERT INTO fixed_pages SELECT i, i / 8.0, date '2026-01-01' + i FROM generate_series(1, 2000) AS i",
      );
      const source = world.source('fixed_pages');
      const taken: TextRow[] = [];
      const onBytes = (some: ByteRows): void => {
        for (let row = 0; row < some.rows; row += 1) taken.push(textRowOf(some, row));
      };
      const first = await source.readPage({ lower: from, upper: ['2000'], ...limits, onBytes });
      expect([first.done, taken.length]).toEqual([false, rows]);
      const lower = { key: [String(rows)], inclusive: false };
      expect((await source.readPage({ lower, upper: [String(rows + 5)], ...limits, onBytes })).done).toBe(
        true,
      );
      expect(taken.map(([id]) => id)).toEqual(
        Array.from({ length: rows + 5 }, (_, index) => String(index + 1)),
      );
    },
  );
});

test('a chunk ends anywhere, and what stands behind its rows is left', () => {
  const codec = codecOf({ name: 'float8', schema: 'pg_catalog', kind: 'b', element: null });
  const message = (value: number | null): Buffer => {
    const bytes = Buffer.alloc(value === null ? 11 : 19);
    bytes[0] = 0x44;
    bytes.writeInt32BE(bytes.length - 1, 1);
    bytes.writeInt16BE(1, 5);
    bytes.writeInt32BE(value === null ? -1 : 8, 7);
    if (value !== null) bytes.writeDoubleBE(value, 11);
    return bytes;
  };
  const values = [1.5, 2.25, null, 3, 4, null, 5.125];
  const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
  const all = Buffer.concat([...values.map(message), ready]);
  const whole = all.length - ready.length;
  for (let cut = 0; cut <= all.length; cut += 1) {
    const rows = new PageRows([{ codec, baseType: 'double precision' } as PostgresColumn], [true]);
    const taken: (string | null)[] = [];
    const count = {
      characters: 0,
      admit: () => true,
      admitAll: (most: number) => most,
      refuse: () => undefined,
    };
    const take = (chunk: Uint8Array, at: number): number =>
      rows.take(chunk, at, count, (some) => {
        for (let row = 0; row < some.rows; row += 1) taken.push(some.text(row, 0));
      });
    const next = take(all.subarray(0, cut), 0);
    expect(next).toBeLessThanOrEqual(Math.min(cut, whole));
    expect(take(all, next)).toBe(whole);
    expect(taken).toEqual(values.map((value) => value && String(value)));
  }
});
