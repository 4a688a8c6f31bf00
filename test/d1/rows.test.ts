import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ColumnDescriptor, LogicalType, TextRow } from 'resumable-migrator';
import { BufferPool } from '../../src/d1/rows/buffer-pool.ts';
import { type D1Batch, D1Encoder, maxBatchBytes } from '../../src/d1/rows/encoder.ts';
import { kinds } from '../../src/d1/rows/layout.ts';
import { RowWriter } from '../../src/d1/rows/row-writer.ts';
import { RowsText } from '../../src/d1/rows/rows-text.ts';
import { requestBody } from '../../src/d1/rest/request-body.ts';
import { formsOf } from '../../src/d1/values/choose-forms.ts';
import type { ColumnForm } from '../../src/d1/values/types.ts';
import type { StoreOptions } from '../../src/d1/values/forms.ts';
import { addBytes, type Aside, byteRowOf, byteRowsOf } from '../support/byte-rows.ts';
import { Random } from '../support/random.ts';
import { rowsOf } from '../support/rows-text.ts';
import { anyJson, anyText, generator, seed } from '../values/random.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);

/** Texts with what JSON escapes, what it does not, and characters of one to four bytes. */
const anyTexts = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 3,
    arbitrary: fc.string({
      unit: fc.constantFrom(
        '"',
        '\\',
        '\n',
        '\u0001',
        '\u007f',
        '\u0085',
        '\u2028',
        'ä',
        '東',
        '😀',
        '\ufeff',
        'a',
      ),
      maxLength: 40,
    }),
  },
  { weight: 1, arbitrary: fc.string({ minLength: 200, maxLength: 400 }) },
);
const settings = { seed, numRuns: 500 };

/** Bytes that are no UTF-8. */
const broken: readonly (readonly number[])[] = [
  [0xff],
  [0xc0, 0x80],
  [0xc3],
  [0xe2, 0x82],
  [0xe0, 0x9f, 0xbf],
  [0xed, 0xa0, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0x80],
  [0xe2, 0x28, 0xa1],
  [0xf0, 0x9f, 0x98, 0x41],
  [0xdf, 0x41],
];

/** A column of each type that has a way of its own into the text. */
const types: readonly LogicalType[] = ['integer', 'float', 'text', 'bytes', 'json', 'boolean', 'timestamp'];

async function formsFor(
  list: readonly LogicalType[],
  store: StoreOptions = {},
  reading: 'all' | 'plain' | 'none' = 'all',
): Promise<readonly ColumnForm[]> {
  const columns = list.map((type): ColumnDescriptor => ({
    name: `a ${type}`,
    type,
    nativeType: type,
    nullable: true,
  }));
  return await formsOf({ migration: 'm', columns, key: [] }, store, reading);
}
const forms = await formsFor(types);

/** A row, and what is to be read of it. */
function anyRow(random: () => number, length: number): readonly [row: TextRow, values: TextRow] {
  const integer = String(Math.floor((random() - 0.5) * 10 ** Math.floor(random() * 16)) || 0);
  const float = String((random() - 0.5) * 10 ** Math.floor(random() * 34 - 20));
  const [note, json] = [anyText(random, length), anyJson(random)];
  const hex = Buffer.from(note).toString('hex');
  const time = `2026-01-02T03:04:05${random() < 0.5 ? '' : `.${String(Math.floor(random() * 1e6) + 1)}`}`;
  const isTrue = random() < 0.5;
  const row: (string | null)[] = [integer, float, note, hex, json, String(isTrue), time];
  const nulls = row.map(() => random() < 0.1);
  const [given, read] = [row, row.with(5, isTrue ? '1' : '0')].map((values) =>
    values.map((value, index) => (nulls[index] ? null : value)),
  ) as unknown as [TextRow, TextRow];
  return [given, read];
}

/** How values stand in a row of bytes: any of the ways. */
const anyAside = (random: () => number): Aside =>
  (['text', 'decimal', 'decimal', null] as const)[Math.floor(random() * 4)] ?? null;

/** Everything that travels of a batch. */
const travelling = ({ text, layout, nulls, listAt, rows, bytes }: D1Batch): unknown => ({
  text: [...text.bytes],
  widths: [...layout.widths],
  kinds: [...layout.kinds],
  nulls: [...nulls],
  listAt,
  rows,
  bytes,
});

/** Adds rows as whoever copies does: what does not fit goes into another batch. */
function batchesOf(
  encoder: D1Encoder,
  rows: readonly TextRow[],
  add = (row: TextRow): boolean => encoder.add(row),
): D1Batch[] {
  const batches: D1Batch[] = [];
  for (const row of rows) {
    if (add(row)) continue;
    batches.push(encoder.take());
    expect(add(row)).toBe(true);
  }
  return [...batches, encoder.take()];
}

describe.each([
  ['plain', false],
  ['escaped', true],
] as const)('an encoder whose text is %s', (_how, isEscaped) => {
  test(`makes the same of rows as texts and as bytes, and all of it can be read (seed ${seed})`, () => {
    const random = generator(isEscaped ? 71 : 72);
    for (let round = 0; round < 60; round += 1) {
      const rows = Array.from({ length: Math.floor(random() * 30) }, () => anyRow(random, 20));
      const [byTexts, byBytes] = [0, 1].map(() => new D1Encoder(forms, Infinity, isEscaped)) as [
        D1Encoder,
        D1Encoder,
      ];
      for (const [row] of rows) {
        expect(byTexts.add(row)).toBe(true);
        expect(
          addBytes(
            byBytes,
            byteRowOf(row, () => (random() < 0.3 ? 'text' : null)),
          ),
        ).toBe(true);
      }
      const [one, other] = [byTexts.take(), byBytes.take()];
      expect(travelling(other)).toEqual(travelling(one));
      expect(rowsOf(one)).toEqual(rows.map(([, values]) => values));
      const text = one.text.toString();
      expect([one.rows, one.bytes]).toEqual([rows.length, bytesOf(text).length]);
      expect(textOf(one.text.bytes)).toBe(isEscaped ? JSON.stringify(text).slice(1, -1) : text);
    }
  });

  test(`gives fields of one width the values of many, in whatever order they come (seed ${seed})`, () => {
    const random = generator(isEscaped ? 73 : 74);
    for (let round = 0; round < 60; round += 1) {
      const encoder = new D1Encoder(forms, Infinity, isEscaped);
      const rows = Array.from({ length: 20 }, (_, index) => anyRow(random, index * 40)).toSorted(
        () => random() - 0.5,
      );
      for (const [row] of rows) expect(encoder.add(row)).toBe(true);
      const first = rowsOf(encoder.take());
      expect(first).toEqual(rows.map(([, values]) => values));
      // The next batch begins with the widths of this one.
      for (const [row] of rows) expect(addBytes(encoder, byteRowOf(row))).toBe(true);
      expect(rowsOf(encoder.take())).toEqual(first);
    }
  });

  test('begins with the widths that another encoder of the same memory found, where values stand in the same way', async () => {
    const pool = new BufferPool();
    const list = await formsFor(['integer', 'float', 'text']);
    const [first, second, third, own] = [pool, pool, pool, new BufferPool()].map(
      (memory) => new D1Encoder(list, Infinity, isEscaped, memory),
    ) as [D1Encoder, D1Encoder, D1Encoder, D1Encoder];
    const widths = (encoder: D1Encoder, row: TextRow): number[] => {
      expect(encoder.add(row)).toBe(true);
      const batch = encoder.take();
      expect(rowsOf(batch)).toEqual([row]);
      return [...batch.layout.widths];
    };
    const large = widths(first, ['123456', '12345.678', 'x'.repeat(120)]);
    // One that was made before takes them as soon as a field of its own is too narrow, before its first row.
    expect(widths(second, ['1', '0.5', 'y'])).toEqual(large);
    expect(widths(own, ['1', '0.5', 'y'])).not.toEqual(large);
    // A float that asks for another kind leaves the others theirs, and each stays right.
    expect(widths(third, ['1', '1e+300', 'z'])).not.toEqual(large);
    widths(third, ['7', '0.25', 'z']);
    widths(second, ['-1', '-0.5', 'y']);
    expect(widths(first, ['123456', '12345.678', 'x'.repeat(120)])).toEqual(large);
  });

  test('keeps its own widths once it has rows, which need not fit where others have more digits behind the point', async () => {
    const pool = new BufferPool();
    const list = await formsFor(['integer', 'float']);
    const [first, second] = [pool, pool].map(
      (memory) => new D1Encoder(list, Infinity, isEscaped, memory),
    ) as [D1Encoder, D1Encoder];
    const rows = [
      ['1', '12.34567'],
      ['10', '12.34567'],
    ];
    expect(second.add(rows[0] as TextRow)).toBe(true);
    expect(first.add(['1', '1.234567'])).toBe(true);
    expect(second.add(rows[1] as TextRow)).toBe(true);
    expect(rowsOf(second.take())).toEqual(rows);
    expect(rowsOf(first.take())).toEqual([['1', '1.234567']]);
  });

  test('needs no list of where rows begin where none has a text behind its fields', async () => {
    const encoder = new D1Encoder(await formsFor(['integer', 'timestamp', 'float']), Infinity, isEscaped);
    const rows = [
      ['1', '2026-01-02T03:04:05', '0.25'],
      ['200', null, '-12.5'],
      ['-3', '2026-01-02T03:04:05.125', null],
    ];
    for (const row of rows) expect(addBytes(encoder, byteRowOf(row))).toBe(true);
    const batch = encoder.take();
    expect(rowsOf(batch)).toEqual(rows);
    expect(batch.text.toString()).toBe(
      [
        '1  2026-01-02T03:04:05    025  ',
        '200                       -1250',
        '-3 2026-01-02T03:04:05.125     ',
      ].join(''),
    );
    expect([batch.listAt, [...batch.nulls], [...batch.layout.scales]]).toEqual([null, [0, 1, 1], [0, 0, 2]]);
  });

  test.each([
    ['quotes', '"'],
    ['backslashes', '\\'],
    ['control characters', '\u0001'],
    ['characters of four bytes', '😀'],
    ['characters of three bytes', '東'],
    ['all of them', '"\\\n\u0001é東😀x'],
  ])(`stays within its limit and fills it, with %s (seed ${seed})`, (_what, unit) => {
    const random = new Random(seed);
    const encoder = new D1Encoder(forms, Infinity, isEscaped);
    const limited: number[] = [];
    let added: TextRow[] = [];
    while (limited.length < 2) {
      const row = ['1', '0.5', unit.repeat(random.whole(0, 2_000)), null, null, 'false', null];
      const isIn = random.pick([() => encoder.add(row), () => addBytes(encoder, byteRowOf(row))])();
      if (isIn) {
        added.push(row);
        continue;
      }
      const batch = encoder.take();
      limited.push(batch.bytes);
      expect(batch.bytes).toBe(bytesOf(batch.text.toString()).length);
      expect(rowsOf(batch).map(([, , note]) => note)).toEqual(added.map(([, , note]) => note));
      expect(encoder.add(row)).toBe(true);
      added = [row];
    }
    // A row, and a byte or two for each of those that are there: eight are kept to say where it begins.
    const largest = bytesOf(unit.repeat(2_000)).length + 100 + added.length + 4_000;
    for (const bytes of limited) {
      expect(bytes).toBeLessThanOrEqual(1_900_000);
      expect(bytes).toBeGreaterThan(1_900_000 - largest);
    }
  });

  test('takes a batch of exactly its limit, and not a byte more', async () => {
    for (const how of ['texts', 'bytes']) {
      // Without a text behind its fields, and with one, for each of which eight bytes are kept to say where the row begins.
      for (const [type, kept] of [
        ['integer', 0],
        ['text', 2 * 8 + 2],
      ] as const) {
        const encoder = new D1Encoder(await formsFor([type]), Infinity, isEscaped);
        const add = (length: number): boolean => {
          const row = ['7'.repeat(length)];
          return how === 'texts' ? encoder.add(row) : addBytes(encoder, byteRowOf(row));
        };
        const half = (maxBatchBytes - kept) / 2 - (type === 'text' ? 6 : 0);
        expect([add(half), add(half)]).toEqual([true, true]);
        const { bytes, text } = encoder.take();
        expect(bytes).toBe(bytesOf(text.toString()).length);
        expect(bytes).toBeGreaterThanOrEqual(maxBatchBytes - kept);
        expect(bytes).toBeLessThanOrEqual(maxBatchBytes);
        const more = type === 'text' ? [half, half + 1] : [half + 1, half + 1];
        expect([add(more[0] as number), add(more[1] as number), encoder.rows]).toEqual([true, false, 1]);
      }
    }
  });

  test('takes no more rows than the statement can count in as many bytes', async () => {
    const encoder = new D1Encoder(await formsFor(['integer']), Infinity, isEscaped);
    const row = byteRowOf(['1']);
    while (addBytes(encoder, row));
    expect([encoder.rows, encoder.take().bytes]).toEqual([maxBatchBytes / 2, maxBatchBytes / 2]);
  });

  test('gives wider fields to the rows that are there only where they still fit', async () => {
    const encoder = new D1Encoder(await formsFor(['integer', 'integer']), Infinity, isEscaped);
    const row = byteRowOf(['1', '2']);
    while (addBytes(encoder, row)) if (encoder.rows === 200_000) break;
    const wider = ['1', '2'.repeat(18)];
    expect(encoder.add(wider)).toBe(false);
    const batch = encoder.take();
    expect([batch.rows, batch.bytes, new Set(rowsOf(batch).map(String))]).toEqual([
      200_000,
      400_000,
      new Set(['1,2']),
    ]);
    expect([encoder.add(wider), rowsOf(encoder.take())]).toEqual([true, [wider]]);
  });

  test('gives rows of one back as a whole where they do not fit together', () => {
    const encoder = new D1Encoder(forms, Infinity, isEscaped);
    const row = (length: number): TextRow => ['1', null, '"'.repeat(length), null, null, null, null];
    expect(encoder.add(row(600_000))).toBe(true);
    expect(encoder.addAll([row(10), row(800_000), row(600_000)])).toBe(false);
    expect(encoder.addAll([row(10), row(11)])).toBe(true);
    const batch = encoder.take();
    expect(rowsOf(batch).map(([, , note]) => note?.length)).toEqual([600_000, 10, 11]);
    expect(batch.bytes).toBe(bytesOf(batch.text.toString()).length);
  });

  test('begins another batch for a value that has no place in the fields of its column', async () => {
    const list: readonly LogicalType[] = ['integer', 'float', 'timestamp'];
    const store: StoreOptions = { 'a float': { nan: 'text', infinity: 'real' } };
    const odd: readonly (readonly [row: TextRow, kind: readonly number[], read?: TextRow])[] = [
      [
        ['1', 'NaN', 'now'],
        [kinds.integer, kinds.json, kinds.short],
        ['1', '"NaN"', 'now'],
      ],
      [
        ['1', '-Infinity', 'now'],
        [kinds.integer, kinds.float, kinds.short],
        ['1', '-1e999', 'now'],
      ],
      [
        ['1', '1e-7', 'now'],
        [kinds.integer, kinds.float, kinds.short],
      ],
      [
        ['1', '0.5', 'now '],
        [kinds.integer, kinds.scaled, kinds.text],
      ],
      [
        ['1', '0.5', ''],
        [kinds.integer, kinds.scaled, kinds.text],
      ],
      [
        ['1', '0.5', 'a "quote"'],
        [kinds.integer, kinds.scaled, kinds.text],
      ],
      [
        ['1', '0.5', 'später'],
        [kinds.integer, kinds.scaled, kinds.text],
      ],
      [
        ['1', '0.5.5', 'now'],
        [kinds.integer, kinds.json, kinds.short],
      ],
      [
        ['1', '0.5-5', 'now'],
        [kinds.integer, kinds.json, kinds.short],
      ],
      [
        ['1', '1/2', 'now'],
        [kinds.integer, kinds.json, kinds.short],
      ],
      [
        ['1', '5000.5000.5', 'now'],
        [kinds.integer, kinds.json, kinds.short],
      ],
      [
        ['1.5', '0.5', 'now'],
        [kinds.integer, kinds.scaled, kinds.short],
      ],
      [
        ['1234.5', '0.5', 'now'],
        [kinds.integer, kinds.scaled, kinds.short],
      ],
      [
        ['12-34', '0.5', 'now'],
        [kinds.json, kinds.scaled, kinds.short],
      ],
      [
        ['', '0.5', 'now'],
        [kinds.json, kinds.scaled, kinds.short],
      ],
      [
        ['-', '0.5', 'now'],
        [kinds.json, kinds.scaled, kinds.short],
      ],
    ];
    const plain = ['17', '0.25', '2026-01-02T03:04:05'];
    for (const [row, kindsAfter, read = row] of odd) {
      for (const how of ['texts', 'bytes']) {
        const encoder = new D1Encoder(await formsFor(list, store), Infinity, isEscaped);
        const add = (one: TextRow): boolean =>
          how === 'texts' ? encoder.add(one) : addBytes(encoder, byteRowOf(one));
        const batches = batchesOf(encoder, [plain, row, plain], add);
        expect(batches.flatMap((batch) => rowsOf(batch))).toEqual([plain, read, plain]);
        const ordinary: readonly number[] = [kinds.integer, kinds.scaled, kinds.short];
        // The digits of a number get their point back where they are.
        const isOne =
          String(kindsAfter) === String(ordinary.with(1, kindsAfter[1] ?? 0)) && kindsAfter[1] !== kinds.json;
        expect(batches.map(({ layout }) => [...layout.kinds])).toEqual(
          isOne ? [kindsAfter] : [ordinary, [...kindsAfter]],
        );
        expect([add(plain), [...encoder.take().layout.kinds]]).toEqual([true, kindsAfter]);
        // A first row waits for no other batch, and neither do rows of one.
        const first = new D1Encoder(await formsFor(list, store), Infinity, isEscaped);
        expect([first.addAll([plain, row]), rowsOf(first.take())]).toEqual([true, [plain, read]]);
      }
    }
  });

  test(`gives numbers of any scale back, with and without their points (seed ${seed})`, async () => {
    const random = generator(isEscaped ? 75 : 76);
    const list = await formsFor(['float', 'integer', 'float', 'float']);
    const anyNumber = (digits: number, scale: number): string | null => {
      if (random() < 0.1) return null;
      const number =
        Math.floor((random() * 2 - 1) * 10 ** Math.ceil(random() * digits)) /
        10 ** Math.floor(random() * scale);
      return String(number === 0 ? 0 : number);
    };
    for (let round = 0; round < 200; round += 1) {
      const encoder = new D1Encoder(list, Infinity, isEscaped);
      const scales = [0, 0, 0].map(() => Math.floor(random() * 12));
      const digits = Math.floor(random() * 16);
      const rows = Array.from({ length: 30 }, () => [
        anyNumber(digits, scales[0] ?? 0),
        anyNumber(15, 1),
        anyNumber(digits, scales[1] ?? 0),
        anyNumber(digits, scales[2] ?? 0),
      ]);
      for (const row of rows)
        expect(
          addBytes(
            encoder,
            byteRowOf(row, () => anyAside(random)),
          ),
        ).toBe(true);
      const batch = encoder.take();
      expect(rowsOf(batch).map((row) => row.map((value) => value && Number(value)))).toEqual(
        rows.map((row) => row.map((value) => value && Number(value))),
      );
      expect(
        batch.layout.widths.every(
          (width, column) => batch.layout.kinds[column] !== kinds.scaled || width <= 15,
        ),
      ).toBe(true);
    }
  });

  test.each([
    ['fields alone', ['integer', 'float', 'timestamp', 'boolean', 'float', 'integer']],
    ['texts behind the fields', ['integer', 'text', 'float', 'boolean', 'text', 'float']],
  ] as const)(
    `makes the same of rows that come together, whatever is among them: %s (seed ${seed})`,
    async (_what, list) => {
      const random = generator(isEscaped ? 77 : 78);
      const whole = (most: number): number => Math.floor(random() * (most + 1));
      const columns = await formsFor(list, { 'a float': { nan: 'text' } });
      const anyValue = (type: LogicalType, odd: number): string | null => {
        if (random() < odd) return type === 'float' ? 'NaN' : null;
        if (type === 'timestamp') return `2026-01-02T03:04:05${random() < 0.9 ? '' : `.${whole(9_998) + 1}`}`;
        if (type === 'text') return anyText(random, 10);
        if (type === 'boolean') return String(random() < 0.5);
        const number = (whole(2_000) - 1_000) * (random() < 0.95 ? 1 : 10 ** whole(10));
        return String(type === 'integer' ? number : number / 10 ** (random() < 0.95 ? 2 : whole(4)) || 0);
      };
      for (let round = 0; round < 40; round += 1) {
        const odd = [0, 0.002, 0.05, 0.5][round % 4] ?? 0;
        const rows = Array.from({ length: 1 + whole(300) }, () => list.map((type) => anyValue(type, odd)));
        const encoder = new D1Encoder(columns, 1 + whole(400), isEscaped);
        const batches: D1Batch[] = [];
        const sizes: number[] = [];
        for (let from = 0; from < rows.length;) {
          const some = byteRowsOf(rows.slice(from, from + 1 + whole(100)), () => anyAside(random));
          for (let next = 0; next < some.rows;) {
            // As much as is wanted of them, and the rest with the next call.
            const taken = encoder.addBytes(some, next, Math.min(some.rows, next + 1 + whole(200)));
            next += taken;
            if (next === some.rows || taken > 0) continue;
            sizes.push(encoder.rows);
            batches.push(encoder.take());
          }
          from += some.rows;
        }
        batches.push(encoder.take());
        const read = batches.flatMap((batch) => rowsOf(batch));
        const asWords: Readonly<Record<string, number>> = { true: 1, false: 0 };
        const plain = (value: string | null, column: number): unknown =>
          list[column] === 'boolean' && value !== null
            ? (asWords[value] ?? Number(value))
            : value === null || ['timestamp', 'text'].includes(list[column] ?? '') || value.includes('NaN')
              ? value?.replaceAll('"', '')
              : Number(value);
        const where = `round ${round}`;
        expect(
          read.map((row) => row.map(plain)),
          where,
        ).toEqual(rows.map((row) => row.map(plain)));
        expect(
          sizes.every((size) => size > 0),
          where,
        ).toBe(true);
      }
    },
  );

  test('sends a double as mantissa and exponent where the endpoint would misread its digits', async () => {
    const sentAs = async (reading: 'plain' | 'none', value: string): Promise<unknown> => {
      const encoder = new D1Encoder(await formsFor(['float'], {}, reading), Infinity, isEscaped);
      expect(addBytes(encoder, byteRowOf([value]))).toBe(true);
      return rowsOf(encoder.take())[0]?.[0];
    };
    expect(await sentAs('plain', '0.5')).toBe('0.5');
    expect(await sentAs('plain', '-1.25e-07')).toBe('-1.25e-7');
    expect(await sentAs('plain', '1e+06')).toBe('1000000');
    expect(await sentAs('plain', '1e-10')).toBe('[7737125245533627,-86]');
    expect(await sentAs('plain', '1e+21')).toBe('[7629394531250000,17]');
    expect(await sentAs('none', '0.5')).toBe('[4503599627370496,-53]');
  });

  test('takes bytes that are no UTF-8 for what a reader takes them for, and the rows behind them for what they are', async () => {
    const encoder = new D1Encoder(await formsFor(['text', 'text']), Infinity, isEscaped);
    const whole = [
      'é',
      '東',
      '😀',
      '\u0800',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '\u{10000}',
      '\u{10ffff}',
      '\u07ff',
      '\u0080',
      '\ufeff',
    ];
    const values = [...broken.map((bytes) => Uint8Array.from([0x61, ...bytes, 0x62])), ...whole.map(bytesOf)];
    const read = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    for (const value of values) {
      const source = Uint8Array.from([...value, 0x7a]);
      const [starts, ends] = [Int32Array.of(0, value.length), Int32Array.of(value.length, value.length + 1)];
      const text = (_row: number, column: number): string =>
        read(source.subarray(starts[column], ends[column]));
      const row = { ...byteRowOf(['', '']), source, starts, ends, isUtf8: undefined, text };
      expect(addBytes(encoder, row)).toBe(true);
    }
    expect(rowsOf(encoder.take())).toEqual(values.map((value) => [read(value), 'z']));
    // That the broken ones are, and the others are not.
    expect(values.map((value) => read(value).includes('\ufffd'))).toEqual([
      ...broken.map(() => true),
      ...whole.map(() => false),
    ]);
  });

  test('copies texts of every length to the byte, and touches nothing beside them', async () => {
    const encoder = new D1Encoder(await formsFor(['integer', 'text', 'text']), Infinity, isEscaped);
    const rows = Array.from({ length: 60 }, (_, length) => [
      '7'.repeat(1 + (length % 5)),
      'xé東😀'.repeat(15).slice(0, length),
      '😀'.repeat(length >> 1),
    ]);
    const all = byteRowsOf(rows);
    expect(encoder.addBytes(all, 0, all.rows)).toBe(all.rows);
    const batch = encoder.take();
    expect(rowsOf(batch)).toEqual(rows.map((row) => row.map((value) => value.toWellFormed())));
    expect(batch.bytes).toBe(bytesOf(batch.text.toString()).length);
  });

  test('takes half of a pair of surrogates for what a reader takes it for', async () => {
    const encoder = new D1Encoder(await formsFor(['text', 'text']), Infinity, isEscaped);
    for (const value of ['a\ud800', '\udc00b', 'ä"\ud83d']) expect(encoder.add([value, 'z'])).toBe(true);
    expect(rowsOf(encoder.take())).toEqual([
      ['a\ufffd', 'z'],
      ['\ufffdb', 'z'],
      ['ä"\ufffd', 'z'],
    ]);
  });

  test('leaves no trace of a row that was refused', async () => {
    const encoder = new D1Encoder(await formsFor(['float', 'text']), Infinity, isEscaped);
    expect(encoder.add(['1', 'one'])).toBe(true);
    for (const refused of ['NaN', '-0', '-0.0']) {
      expect(() => encoder.add([refused, 'two'])).toThrow(
        expect.objectContaining({
          code: 'VALUE_REFUSED',
          place: expect.objectContaining({ column: 'a float' }) as unknown,
        }),
      );
      expect(() => addBytes(encoder, byteRowOf([refused, 'two']))).toThrow(
        expect.objectContaining({ code: 'VALUE_REFUSED' }),
      );
    }
    expect(addBytes(encoder, byteRowOf(['3', 'three']))).toBe(true);
    expect(rowsOf(encoder.take())).toEqual([
      ['1', 'one'],
      ['3', 'three'],
    ]);
  });

  test('takes no other word for a boolean than its two', async () => {
    const encoder = new D1Encoder(await formsFor(['boolean', 'integer']), Infinity, isEscaped);
    const refused = expect.objectContaining({ code: 'VALUE_REFUSED' }) as unknown;
    for (const word of ['', '1', '0', 't', 'f', 'yes', 'tru', 'fals', 'truth', 'FALSE', 'other']) {
      expect(() => encoder.add([word, '7']), word).toThrow(refused);
      expect(() => addBytes(encoder, byteRowOf([word, '7'])), word).toThrow(refused);
    }
    for (const word of ['true', 'false', null]) expect(addBytes(encoder, byteRowOf([word, '7']))).toBe(true);
    expect(rowsOf(encoder.take())).toEqual([
      ['1', '7'],
      ['0', '7'],
      [null, '7'],
    ]);
  });

  test('takes nothing but pairs of hexadecimal digits for bytes, and for a uuid that is stored as its bytes', async () => {
    const store: StoreOptions = { 'a uuid': 'blob' };
    const encoder = new D1Encoder(await formsFor(['bytes', 'uuid'], store), Infinity, isEscaped);
    const uuid = '6f9619ff-8b86-d011-b42d-00c04fc964ff';
    const refused = (column: string): unknown =>
      expect.objectContaining({
        code: 'VALUE_REFUSED',
        place: expect.objectContaining({ column }) as unknown,
      });
    for (const word of ['a', 'abc', 'zz', '0g', 'x0', '00 ', '\\x00', '"', 'é', `${'00'.repeat(60_000)}0`]) {
      expect(() => encoder.add([word, uuid]), word).toThrow(refused('a bytes'));
      expect(
        () =>
          encoder.addAll([
            [null, null],
            [word, uuid],
          ]),
        word,
      ).toThrow(refused('a bytes'));
      expect(() => encoder.add(['00', word]), word).toThrow(refused('a uuid'));
    }
    for (const word of ['', '00ff', 'ABCD', null]) expect(encoder.add([word, uuid])).toBe(true);
    const digits = uuid.replaceAll('-', '');
    expect(rowsOf(encoder.take())).toEqual([
      ['', digits],
      ['00ff', digits],
      ['ABCD', digits],
      [null, digits],
    ]);
  });

  test('writes what a value becomes over what it was', async () => {
    const store: StoreOptions = { 'a float': { nan: 'null', negativeZero: 'zero' } };
    const encoder = new D1Encoder(await formsFor(['float'], store), Infinity, isEscaped);
    for (const value of ['12.5', 'NaN', '-0.0', '-0'])
      expect(addBytes(encoder, byteRowOf([value]))).toBe(true);
    expect(rowsOf(encoder.take())).toEqual([['12.5'], [null], ['0'], ['0']]);
  });
});

test('a text that is no UTF-8, though its source says so, is refused where nothing else would tell', async () => {
  for (const bytes of [...broken, [0xf0, 0x7f], [0xff, 0x7f], [0xf8, 0xff], [0x01, 0xf4, 0x7f]]) {
    for (const before of [0, 1, 3, 6, 7, 20]) {
      const encoder = new D1Encoder(await formsFor(['integer', 'text']), Infinity);
      const text = Uint8Array.from([...bytesOf('a'.repeat(before)), ...bytes, 0x62]);
      const [starts, ends] = [Int32Array.of(0, 1), Int32Array.of(1, 1 + text.length)];
      const source = Uint8Array.from([0x37, ...text]);
      expect(addBytes(encoder, { ...byteRowOf(['', '']), source, starts, ends })).toBe(true);
      const { text: written } = encoder.take();
      expect(() => written.toString(), [...text].join(' ')).toThrow(
        expect.objectContaining({ code: 'SOURCE_FAILED', retryable: false }),
      );
    }
  }
});

describe('a request', () => {
  const param = fc.oneof(
    anyTexts,
    anyTexts.map((value) => ({ value })),
  );
  const query = fc.record({ sql: anyTexts, params: fc.array(param, { maxLength: 4 }) });

  /** The same bytes, with nothing around them, taken for another form. */
  const as = ({ bytes }: RowsText, isEscaped: boolean): RowsText =>
    new RowsText(bytes.slice(), 0, bytes.length, isEscaped);

  /** The text of a batch of a single value. */
  function rowsText(value: string, isEscaped: boolean): RowsText {
    const writer = writerOf(isEscaped);
    return taken(writer, value).text;
  }

  const writerOf = (isEscaped: boolean, pool?: BufferPool): RowWriter =>
    new RowWriter(Uint8Array.of(kinds.text), 1_000_000, isEscaped, pool);

  function taken(writer: RowWriter, value: string): ReturnType<RowWriter['take']> {
    do {
      writer.begin();
      writer.text(0, value);
    } while (writer.end() === 'again');
    return writer.take();
  }

  /** What it is to be. */
  const written = (value: string): string => `${bytesOf(value).length}${value}[1]`;

  test.each([
    ['escaped already', true],
    ['not escaped yet', false],
  ] as const)('is what JSON.stringify would have made of it, with texts that are %s', (_how, isEscaped) => {
    fc.assert(
      fc.property(fc.array(query, { minLength: 1, maxLength: 4 }), fc.boolean(), (queries, batch) => {
        const sent = queries.slice(0, batch ? undefined : 1);
        const body = requestBody(
          sent.map(({ sql, params }) => ({
            sql,
            params: params.map((one) => (typeof one === 'string' ? one : rowsText(one.value, isEscaped))),
          })),
          batch,
        );
        const expected = sent.map(({ sql, params }) => ({
          params: params.map((one) => (typeof one === 'string' ? one : written(one.value.toWellFormed()))),
          sql,
        }));
        const whole = batch ? { batch: expected } : expected[0];
        const found = typeof body === 'string' ? body : textOf(body);
        expect(JSON.parse(found)).toEqual(whole);
        expect(found).toBe(JSON.stringify(whole));
      }),
      settings,
    );
  });

  test('that is escaped twice, or not at all, would be noticed', () => {
    const escaped = rowsText('a "b" \\', true);
    const twice = requestBody([{ sql: '?', params: [as(escaped, false)] }], false);
    expect(JSON.parse(String(twice))).not.toEqual({ sql: '?', params: [written('a "b" \\')] });
    const plain = rowsText('a "b" \\', false);
    const bare = requestBody([{ sql: '?', params: [as(plain, true)] }], false) as Uint8Array;
    expect(() => JSON.parse(textOf(bare)) as unknown).toThrow(SyntaxError);
  });

  test('is written around a text where that stands, or in memory of its own where there is no room', () => {
    const body = (given: RowsText, sql: string): string =>
      textOf(requestBody([{ sql, params: [given, 'x'] }], true) as Uint8Array);
    const expected = (sql: string): string =>
      JSON.stringify({ batch: [{ params: [written('a "b"'), 'x'], sql }] });
    const { text: given } = taken(writerOf(true), 'a "b"');
    for (const sql of ['?', '?'.repeat(70_000), '?']) expect(body(given, sql)).toBe(expected(sql));
    const tight = as(rowsText('a "b"', true), true);
    expect(body(tight, '?')).toBe(expected('?'));
  });

  test('keeps its text until it is given back, and only then the memory is used again', () => {
    const pool = new BufferPool();
    const [one, other] = [writerOf(true, pool), writerOf(true, pool)];
    const filled = (letter: string): string => letter.repeat(60_000);
    const first = taken(one, filled('a'));
    const second = taken(other, filled('b'));
    const third = taken(one, filled('c'));
    expect(first.text.toString()).toBe(written(filled('a')));
    first.release();
    const fourth = taken(writerOf(true, pool), filled('d'));
    expect(fourth.text.toString()).toBe(written(filled('d')));
    expect(second.text.toString()).toBe(written(filled('b')));
    expect(third.text.toString()).toBe(written(filled('c')));
    // What was given back is somebody else's now.
    expect(first.text.toString()).not.toBe(written(filled('a')));
  });
});
