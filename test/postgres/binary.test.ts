/** Values that the server sends in its own form have the text that it would have written itself. */
import { sql } from 'kysely';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ByteRows } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { decimalText, Float8Reader } from '../../src/postgres/binary/float8.ts';
import { type BinaryForm, readerOf } from '../../src/postgres/binary/readers.ts';
import { type BinaryRows, longestText } from '../../src/postgres/binary/rows.ts';
import { ChunkMemory, PageRows } from '../../src/postgres/page-rows.ts';
import { RowStream } from '../../src/postgres/row-stream.ts';
import { codecOf, type PostgresColumn } from '../../src/postgres/types/types.ts';
import { Random } from '../support/random.ts';
import { World } from '../support/world.ts';
import { readAll, watched } from './reading.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`binary.test.ts: TEST_SEED=${seed}`);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const decoder = new TextDecoder();

/** Values of a type, as texts that it reads: its own text of each in canonical form, and its own form of it. */
async function sent(
  type: BinaryForm,
  values: readonly string[],
): Promise<{ readonly text: string; readonly bytes: Buffer }[]> {
  const send = { bool: 'boolsend', float8: 'float8send', date: 'date_send', timestamp: 'timestamp_send' };
  const function_ = type === 'timestamptz' ? 'timestamptz_send' : send[type];
  const client = await world.pool.connect();
  try {
    await client.query("SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'");
    const { rows } = await client.query<[string, Buffer]>({
      text: `SELECT v::text, ${function_}(v) FROM unnest($1::text[]) WITH ORDINALITY AS given(t, n),
        LATERAL (SELECT t::${type} AS v) AS typed ORDER BY n`,
      values: [values],
      rowMode: 'array',
    });
    const { canonical } = codecOf({ name: type, schema: 'pg_catalog', kind: 'b', element: null });
    return rows.map(([text, bytes]) => ({ text: canonical ? canonical(text) : text, bytes }));
  } finally {
    client.release();
  }
}

/** Rows of one column, with room behind their values; every byte that nobody wrote is 0xff. */
function rowsOf(all: readonly { readonly bytes: Uint8Array }[]): BinaryRows {
  const values = Buffer.concat(all.map(({ bytes }) => bytes));
  const memory = new Uint8Array(values.length + (all.length + 1) * longestText).fill(0xff);
  memory.set(values);
  let at = 0;
  const ends = Int32Array.from(all, ({ bytes }) => (at += bytes.length));
  return {
    rows: all.length,
    columns: 1,
    view: new DataView(memory.buffer),
    starts: ends.map((end, row) => end - (all[row]?.bytes.length ?? 0)),
    ends,
    digits: new Float64Array(all.length),
    places: new Uint8Array(all.length),
    stride: 0,
    firsts: new Int32Array(1),
    free: values.length,
  };
}

/** What a reader makes of each, all one after the other, and whether it kept to its room. */
function read(type: BinaryForm, all: readonly { readonly bytes: Buffer }[]): string[] {
  const rows = rowsOf(all);
  const { view, starts, ends, digits, places, free } = rows;
  readerOf(type).read(rows, 0);
  const memory = new Uint8Array(view.buffer);
  let next = free;
  const texts = all.map((_one, row) => {
    const [start, end] = [starts[row] as number, ends[row] as number];
    if (start === -3) {
      const [number, scale] = [digits[row] as number, places[row] as number];
      expect(Number.isInteger(number) && Math.abs(number) < 1e15 && !Object.is(number, -0)).toBe(true);
      return decimalText(number, scale);
    }
    expect(start).toBe(next);
    expect(end - start).toBeLessThanOrEqual(longestText);
    next = end;
    return decoder.decode(memory.subarray(start, end));
  });
  expect(rows.free).toBe(next);
  // A few bytes may be written too many, which the next text writes over.
  expect(memory.subarray(next + longestText).every((byte) => byte === 0xff)).toBe(true);
  expect(Buffer.from(memory.subarray(0, free))).toEqual(Buffer.concat(all.map(({ bytes }) => bytes)));
  return texts;
}

function doubles(random: Random): number[] {
  const some = [0, -0, 1, -1, 0.1, 1e15, 1e-4, 9.99e-5, 1e23, 9e15, 5e-324, 1.7976931348623157e308, NaN];
  some.push(Infinity, -Infinity, 2 ** 52, 2 ** 53, 2 ** 53 + 2, 999_999_999_999_999, 0.3 - 0.1);
  // Decimals of few digits, and every number of places after every other.
  for (let round = 0; round < 6_000; round += 1) {
    const digits = Math.floor(random.fraction() * 10 ** random.whole(1, 17));
    some.push(random.pick([1, -1]) * Number(`${digits}e-${random.whole(0, 20)}`));
  }
  // Any at all, and those between 2^52 and 10^41, of which some decimals lie half-way to the next.
  for (let round = 0; round < 3_000; round += 1) {
    const bits = new Uint32Array([random.whole(0, 2 ** 32 - 1), random.whole(0, 2 ** 32 - 1)]);
    some.push(new Float64Array(bits.buffer)[0] as number);
    some.push(Number(`${random.whole(1, 2_000)}e${random.whole(15, 41)}`));
    some.push(random.fraction() * 10 ** random.whole(-8, 20));
  }
  return some;
}

describe('a double', () => {
  const numbers = doubles(new Random(seed));

  test("has the digits that the server's own text has, whatever it is", async () => {
    const all = await sent(
      'float8',
      numbers.map((value) => (Object.is(value, -0) ? '-0' : String(value))),
    );
    expect(read('float8', all)).toEqual(all.map(({ text }) => text));
  });

  test('that lies half-way to the next one would be found to be written otherwise', async () => {
    const all = await sent('float8', numbers.map(String));
    const others = all.filter(({ text }, index) => text.includes('e+') && Number(text) === numbers[index]);
    const byEngine = others.filter(({ text }) => text !== Number(text).toExponential());
    expect(byEngine.map(({ text }) => text)).toContain('9.999999999999999e+22');
  });

  test('of few digits takes the short way, and one of many does not', () => {
    const bytesOf = (value: number): { bytes: Uint8Array } => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, value);
      return { bytes };
    };
    const reader = new Float8Reader();
    const few = [40.930542, -8.853845, 82.2, 1_234_567.5, 0, -0.000125, 123_456_789.012345];
    const rows = rowsOf(few.map(bytesOf));
    reader.read(rows, 0);
    expect([...rows.starts]).toEqual(few.map(() => -3));
    expect(few.map((_, row) => (rows.digits[row] as number) / 10 ** (rows.places[row] as number))).toEqual(
      few,
    );
    expect([reader.values, reader.slow]).toEqual([7, 0]);
    reader.read(rowsOf([bytesOf(Math.PI)]), 0);
    expect([reader.values, reader.slow]).toEqual([8, 1]);
  });
});

describe('a date or a time', () => {
  const random = new Random(seed + 1);
  const two = (value: number): string => String(value).padStart(2, '0');
  const anyDate = (years: readonly [number, number]): string => {
    const year = random.whole(...years);
    const date = `${String(Math.abs(year) || 1).padStart(4, '0')}-${two(random.whole(1, 12))}-${two(random.whole(1, 28))}`;
    return year <= 0 ? `${date} BC` : date;
  };
  const anyTime = (): string => {
    const time = [random.whole(0, 23), random.whole(0, 59), random.whole(0, 59)].map(two).join(':');
    return random.fraction() < 0.5 ? time : `${time}.${String(random.whole(0, 999_999)).padStart(6, '0')}`;
  };
  const spans: readonly (readonly [number, number])[] = [
    [1970, 2100],
    [1700, 2300],
    [-4712, 9999],
    [10_000, 290_000],
  ];
  const dates = [
    'infinity',
    '-infinity',
    '2000-01-01',
    '1999-12-31',
    '2024-02-29',
    '2100-02-28',
    '2100-03-01',
    '0001-01-01',
    '0001-12-31 BC',
    '4713-11-24 BC',
    '5874897-12-31',
    '1970-01-01',
  ];
  const moments = [
    ...dates.filter((date) => !date.startsWith('5')),
    '294276-12-31 23:59:59.999999',
    '2285-06-05 23:47:34.740991',
    '2285-06-05 23:47:34.740993',
    '1714-07-27 00:12:25.259007',
    '2284-12-31 23:59:59.999999',
    '1999-12-31 23:59:59.999999',
    '2000-01-01 00:00:00.000001',
    '1715-01-01 00:00:00.000001',
  ];
  for (const years of spans) {
    for (let round = 0; round < 600; round += 1) {
      dates.push(anyDate(years));
      const [date = '', era] = anyDate(years).split(' ');
      moments.push(`${date} ${anyTime()}${era ? ' BC' : ''}`);
    }
    // The same day twice, the next one, and those 4,096 days before and after it.
    for (const day of ['2026-11-26', '2026-11-26', '2026-11-27', '2015-09-10', '2038-02-13', '2026-11-27'])
      moments.push(`${day} ${anyTime()}`);
  }
  // Minutes that come again, and the same one of other years, days and hours.
  for (let round = 0; round < 400; round += 1) {
    const day = random.pick(['2026-11-26', '2026-11-27', '12026-11-26', '0026-11-26 BC', '1926-11-26']);
    const [date = '', era] = day.split(' ');
    const minute = `${random.pick(['07', '23'])}:${random.pick(['00', '59'])}`;
    for (let times = random.whole(1, 3); times > 0; times -= 1)
      moments.push(`${date} ${minute}:${anyTime().slice(6)}${era ? ' BC' : ''}`);
  }

  test.each([
    ['date', dates],
    ['timestamp', moments],
    ['timestamptz', moments],
  ] as const)("has the text that is made of the server's: %s", async (type, values) => {
    const all = await sent(type, values);
    expect(read(type, all)).toEqual(all.map(({ text }) => text));
    expect(new Set(all.map(({ text }) => text)).size).toBeGreaterThan(values.length * 0.8);
  });
});

test('a boolean has its two texts', async () => {
  const all = await sent('bool', ['t', 'f', 'true']);
  expect(read('bool', all)).toEqual(['true', 'false', 'true']);
});

describe('a table whose columns come in the server’s own form', () => {
  beforeAll(async () => {
    await world.postgres(
      'CREATE DOMAIN degrees AS float8 CHECK (VALUE BETWEEN -180 AND 180)',
      `CREATE TABLE measured (at timestamptz, place degrees, name text, few float8, many float8, day date, PRIMARY KEY (at, place))`,
      `INSERT INTO measured SELECT timestamptz '2026-01-01 00:00:00.25Z' + i / 3 * interval '1 second', (i % 3) / 8.0, 'ä' || i,
        CASE WHEN i % 7 > 0 THEN i / 100.0 END, sqrt(i), CASE WHEN i % 5 > 0 THEN date '2020-02-27' + i END
        FROM generate_series(1, 1000) AS i`,
    );
  });
  const upper = ['9999-12-31T00:00:00Z', '180'];
  const where = sql<boolean>`name <> ${'ä5'} AND few IS DISTINCT FROM ${'1.5'}::float8`;

  test('is read as its texts are, with keys of such columns, parameters and nulls', async () => {
    const source = world.source('measured', { where });
    const [texts, bytes] = [await readAll(source, upper, false), await readAll(source, upper, true)];
    expect(texts).toHaveLength(998);
    expect(bytes).toEqual(texts);
  });

  test('says of the texts that were made here that nobody needs to look at them, and of none that the server made', async () => {
    const source = world.source('measured');
    const made = new Set<number>();
    const onBytes = (rows: ByteRows): void => {
      for (let place = 0; place < rows.rows * rows.columns; place += 1) {
        const start = rows.starts[place] as number;
        if (start < 0) continue;
        const isMade = start >= (rows.plainFrom ?? Infinity);
        if (isMade) made.add(place % rows.columns);
        else expect(rows.text(Math.floor(place / rows.columns), place % rows.columns)).toMatch(/^ä\d+$/);
      }
    };
    await source.readPage({ lower: null, upper, limit: 2_000, onBytes });
    // The moment, the doubles of too many digits, and the day.
    expect([...made].toSorted((a, b) => a - b)).toEqual([0, 4, 5]);
  });

  test('is read by several at the same time over one source, though they share its memory', async () => {
    await using source = new PostgresKeysetSource({
      connectionString: world.stack.env.DATABASE_URL,
      table: 'measured',
      where,
    });
    const texts = await readAll(source, upper, false);
    const readers = Array.from({ length: 4 }, async () => await readAll(source, upper, true));
    for (const rows of await Promise.all(readers)) expect(rows).toEqual(texts);
  });

  test('has columns of many digits as texts from the second page on', async () => {
    const { pool, formats } = watched(world.stack.env.DATABASE_URL);
    await using source = new PostgresKeysetSource({ pool, table: 'measured', where });
    expect(await readAll(source, upper, true)).toHaveLength(998);
    expect(formats.slice(0, 3)).toEqual([
      [1, 1, 0, 1, 1, 1],
      [1, 1, 0, 1, 0, 1],
      [1, 1, 0, 1, 0, 1],
    ]);
    await pool.end();
  });

  test('is read as texts, once the rows come past the tap', async () => {
    const notice = Buffer.from('N\0\0\0\u0010SNOTICE\0Mhm\0\0', 'latin1');
    notice.writeInt32BE(notice.length - 1, 1);
    let noticed = 0;
    const { pool, formats } = watched(world.stack.env.DATABASE_URL, (chunk) => {
      // ParseComplete, BindComplete: where rows begin to come.
      if (!chunk.subarray(0, 10).equals(Buffer.from('1\0\0\0\u00042\0\0\0\u0004', 'latin1'))) return chunk;
      noticed += 1;
      return Buffer.concat([notice, chunk]);
    });
    await using source = new PostgresKeysetSource({ pool, table: 'measured', where });
    expect(await readAll(source, upper, true)).toEqual(
      await readAll(world.source('measured', { where }), upper, false),
    );
    expect(noticed).toBeGreaterThan(3);
    expect(formats, 'one page alone was asked for in that form').toHaveLength(1);
    await pool.end();
  });

  test('keeps no more memory than usual, once a large row has needed more', () => {
    const memory = new ChunkMemory();
    const sizes = [10, 5_000_000, 5_000_100, 10, 900_000, 10].map((size) => {
      memory.take(new Uint8Array(size).fill(7), 32);
      expect(memory.bytes.subarray(0, size).every((byte) => byte === 7)).toBe(true);
      expect(memory.view.buffer).toBe(memory.bytes.buffer);
      return memory.bytes.length;
    });
    expect(sizes).toEqual([65_568, 5_000_032, 5_000_132, 65_568, 900_032, 900_032]);
  });

  test('fails a page, and not the process, where there is no memory for a chunk', async () => {
    const { pool } = watched(world.stack.env.DATABASE_URL);
    const stream = new RowStream(
      { text: 'SELECT 1.5::float8', values: [] },
      {
        row: () => undefined,
        portion: () => 0,
        bytes: {
          isBinary: [true],
          take: () => {
            throw new RangeError('Array buffer allocation failed');
          },
          missed: () => undefined,
        },
      },
    );
    const client = await pool.connect();
    void client.query(stream as unknown as pg.Submittable);
    await expect(stream.done).rejects.toThrow('Array buffer allocation failed');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    client.release();
    await pool.end();
  });

  test('ends with an error where a value has not the bytes that its form has', () => {
    const codec = codecOf({ name: 'float8', schema: 'pg_catalog', kind: 'b', element: null });
    const rows = new PageRows([{ codec, baseType: 'double precision' } as PostgresColumn], [true]);
    const chunk = Buffer.from([0x44, 0, 0, 0, 14, 0, 1, 0, 0, 0, 4, 1, 2, 3, 4]);
    const count = {
      characters: 0,
      admit: () => true,
      admitAll: (most: number) => most,
      refuse: () => undefined,
    };
    const refused = expect.objectContaining({ code: 'SOURCE_FAILED', retryable: false });
    expect(() => rows.take(chunk, 0, count, () => undefined)).toThrow(refused);
    // Another has as many too many: the row is as long as it should be.
    const both = new PageRows(
      [
        { codec, baseType: 'double precision' } as PostgresColumn,
        { codec, baseType: 'double precision' } as PostgresColumn,
      ],
      [true, true],
    );
    const lengths = Buffer.alloc(7 + 4 + 12 + 4 + 4);
    lengths[0] = 0x44;
    lengths.writeInt32BE(lengths.length - 1, 1);
    lengths.writeInt32BE(12, 7);
    lengths.writeInt32BE(4, 23);
    expect(() => both.take(lengths, 0, count, () => undefined)).toThrow(refused);
  });
});
