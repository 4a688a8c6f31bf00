/** Numbers that come together in one value of PostgreSQL are those that would have come one by one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TextRow } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import type { TableDescription } from '../../src/postgres/describe.ts';
import { boundedKey, wireColumns } from '../../src/postgres/binary/packs.ts';
import { codecOf, type PostgresColumn } from '../../src/postgres/types/types.ts';
import { Random } from '../support/random.ts';
import { World } from '../support/world.ts';
import { readAll, watched } from './reading.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`packs.test.ts: TEST_SEED=${seed}`);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const types: Readonly<Record<string, string>> = {
  float8: 'double precision',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  text: 'text',
};

function column(name: string, nullable = false): PostgresColumn {
  const codec = codecOf({ name, schema: 'pg_catalog', kind: 'b', element: null });
  const baseType = types[name] ?? '';
  return { name, baseType, codec, nullable } as PostgresColumn;
}

const mayBeNull = ({ nullable }: PostgresColumn): boolean => nullable;

const allBinary = (columns: readonly PostgresColumn[]): boolean[] =>
  columns.map(({ codec }) => codec.binary !== null);

describe('what travels together', () => {
  test.each([
    [1, []],
    [2, [2]],
    [3, [3]],
    [4, [4]],
    [5, [3, 2]],
    [6, [4, 2]],
    [7, [4, 3]],
    [9, [4, 3, 2]],
  ])('of %i doubles are so many each: %j', (count, sizes) => {
    const columns = Array.from({ length: count }, () => column('float8'));
    const { singles, packs } = wireColumns(columns, allBinary(columns), null, mayBeNull);
    expect(packs.map((pack) => pack.length)).toEqual(sizes);
    expect([...singles, ...packs.flat()].toSorted((a, b) => a - b)).toEqual([...columns.keys()]);
  });

  test('are doubles and small integers that are not null, and a key of large ones that is bounded', () => {
    const key = column('int8');
    const nullable = [column('float8', true), column('int4', true)];
    const columns = [key, column('text'), column('int8'), ...nullable, column('int2'), column('float8')];
    const isBinary = allBinary(columns);
    expect(wireColumns(columns, isBinary, key, mayBeNull)).toEqual({
      singles: [1, 2, 3, 4],
      packs: [[0, 5, 6]],
    });
    expect(wireColumns(columns, isBinary, null, mayBeNull)).toEqual({
      singles: [0, 1, 2, 3, 4],
      packs: [[5, 6]],
    });
    // One that comes as text.
    isBinary[6] = false;
    expect(wireColumns(columns, isBinary, key, mayBeNull).packs).toEqual([[0, 5]]);
    expect(wireColumns(columns, isBinary, key, () => false).packs).toEqual([[0, 3, 4, 5]]);
  });

  test.each([
    ['bigint', '1', '50000', true],
    ['bigint', '-999999999999999', '999999999999999', true],
    ['bigint', null, '50000', false],
    ['bigint', '1', '1000000000000000', false],
    ['bigint', '-1000000000000000', '1', false],
    ['bigint', '1', '9223372036854775807', false],
    ['numeric', '1', '2', false],
  ])('takes a key of %s from %s to %s for a double: %s', (baseType, from, to, taken) => {
    const only = { ...column('int8'), baseType };
    const lower = from === null ? null : { key: [from], inclusive: true };
    const table = (key: readonly PostgresColumn[]): TableDescription =>
      ({ key }) as unknown as TableDescription;
    expect(boundedKey(table([only]), { lower, upper: [to] })).toBe(taken ? only : null);
    expect(boundedKey(table([only, only]), { lower, upper: [to, to] })).toBeNull();
  });
});

/** Numbers of every kind, among them those at the ends of their types. */
function numbers(random: Random, type: string): string {
  const ends: Readonly<Record<string, readonly string[]>> = {
    float8: ['NaN', 'Infinity', '-Infinity', '-0', '0', '5e-324', '1.7976931348623157e308', '1e15', '0.1'],
    int2: ['-32768', '32767', '0'],
    int4: ['-2147483648', '2147483647', '0', '-1'],
    int8: ['-9223372036854775808', '9223372036854775807', '9007199254740993'],
  };
  if (random.fraction() < 0.2) return random.pick(ends[type] ?? []);
  const most = type === 'int2' ? 4 : 9;
  const whole = Math.floor(random.fraction() * 10 ** random.whole(1, most));
  const value = type === 'float8' ? whole / 10 ** random.whole(0, 12) : whole;
  return String(random.pick([1, -1]) * value || 0);
}

/** What is read in pages, as texts and as bytes, and in which formats. */
async function bothWays(
  table: string,
  upper: string,
): Promise<{ readonly texts: TextRow[]; readonly bytes: TextRow[]; readonly formats: number[][] }> {
  const { pool, formats } = watched(world.stack.env.DATABASE_URL);
  await using source = new PostgresKeysetSource({ pool, table });
  const first = { key: ['-9223372036854775808'], inclusive: true };
  const texts = await readAll(source, [upper], false, first);
  formats.length = 0;
  const bytes = await readAll(source, [upper], true, { key: ['0'], inclusive: true });
  await pool.end();
  return { texts, bytes, formats };
}

describe('a table of numbers', () => {
  test.each(['small', 'large'])(
    'has the same values whichever way it is read, with %s keys',
    async (keys) => {
      const random = new Random(seed);
      const table = `numbers_${keys}`;
      await world.postgres(
        'DROP DOMAIN IF EXISTS share CASCADE',
        'CREATE DOMAIN share AS float8',
        'DROP DOMAIN IF EXISTS few CASCADE',
        'CREATE DOMAIN few AS int2',
      );
      const list = [
        'float8',
        'int4',
        'share',
        'int2',
        'int8',
        'float8',
        'few',
        'text',
        'int4',
        'float8',
        'float8',
      ];
      const known: Readonly<Record<string, string>> = { share: 'float8', few: 'int2' };
      const rows = Array.from({ length: 700 }, (_, index) => {
        const id = keys === 'small' ? index + 1 : 999_999_999_999_000 + index * 3;
        const values = list.map((type) => (type === 'text' ? 'text' : numbers(random, known[type] ?? type)));
        return `(${id}, ${values.map((value) => `'${value}'`).join(', ')})`;
      });
      await world.postgres(
        `CREATE TABLE ${table} (id bigint PRIMARY KEY, ${list.map((type, index) => `c${index} ${type} NOT NULL`).join(', ')})`,
        `INSERT INTO ${table} VALUES ${rows.join(', ')}`,
      );
      const upper = keys === 'small' ? '700' : '1000000000002000';
      const { texts, bytes, formats } = await bothWays(table, upper);
      expect(texts).toHaveLength(700);
      expect(bytes, `seed ${seed}`).toEqual(texts);
      // Of the twelve columns a text, an int8 and a large key stand by themselves; the others are three values.
      expect(formats[0]).toHaveLength(keys === 'small' ? 5 : 6);
    },
  );
});

describe('a null', () => {
  const make = async (table: string, nullable: boolean, nulls: readonly number[]): Promise<void> => {
    const how = nullable ? '' : 'NOT NULL';
    await world.postgres(
      `CREATE TABLE ${table} (id bigint PRIMARY KEY, a float8 ${how}, b float8 ${how}, c int4 ${how}, d text DEFAULT 'd')`,
      `INSERT INTO ${table} SELECT i, i / 8.0, -i, i * 7 FROM generate_series(1, 900) AS i`,
    );
    if (nulls.length > 0)
      await world.postgres(`UPDATE ${table} SET b = NULL WHERE id IN (${nulls.join(', ')})`);
  };
  /** How many values travel: the key, three numbers and a text by themselves; without b; all four numbers together. */
  const [apart, without, together] = [5, 3, 2];

  test.each([
    ['nowhere', [], [apart, together, together]],
    ['in the first row', [1], [apart, without, without]],
    ['behind the first page', [151], [apart, together, apart, apart]],
    ['in the middle of a page', [200, 555], [apart, together, apart, apart]],
    ['in the last row', [900], [apart, together, together, together, together, together, apart]],
    ['in every row', Array.from({ length: 900 }, (_, index) => index + 1), [apart, without, without]],
  ])('costs no row and gives none twice: %s', async (where, nulls, travel) => {
    const table = `nulls_${where.replaceAll(' ', '_')}`;
    await make(table, true, nulls);
    const { texts, bytes, formats } = await bothWays(table, '900');
    expect(bytes).toHaveLength(900);
    expect(bytes).toEqual(texts);
    expect(bytes.filter((row) => row[2] === null)).toHaveLength(nulls.length);
    expect(formats.slice(0, travel.length).map((columns) => columns.length)).toEqual(travel);
  });

  test('is read where a column is no longer NOT NULL, while a source is open that knows it as such', async () => {
    await make('no_longer', false, []);
    const { pool } = watched(world.stack.env.DATABASE_URL);
    await using source = new PostgresKeysetSource({ pool, table: 'no_longer' });
    await source.describe();
    await world.postgres(
      'ALTER TABLE no_longer ALTER COLUMN b DROP NOT NULL',
      'UPDATE no_longer SET b = NULL WHERE id = 444',
    );
    const from = { key: ['1'], inclusive: true };
    const rows: TextRow[] = [];
    let lower = from;
    for (let done = false; !done;) {
      const page = await source.readPage({
        lower,
        upper: ['900'],
        limit: 100,
        onBytes: (some) => {
          for (let row = 0; row < some.rows; row += 1)
            rows.push([0, 1, 2, 3].map((index) => some.text(row, index)));
        },
      });
      ({ done } = page);
      lower = { key: [rows.at(-1)?.[0] ?? ''], inclusive: false };
    }
    const { rows: own } = await world.pool.query<string[]>({
      text: 'SELECT id::text, a::text, b::text, c::text FROM no_longer ORDER BY no_longer.id',
      rowMode: 'array',
    });
    expect(rows).toEqual(own);
    expect(rows[443]?.[2]).toBeNull();
    await pool.end();
  });
});
