import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteRow, ColumnDescriptor, LogicalType, TextRow } from 'resumable-migrator';
import { D1Encoder, maxBatchBytes, utf8Bytes } from '../../src/d1/encoder.ts';
import { BufferPool } from '../../src/d1/buffer-pool.ts';
import { JsonText } from '../../src/d1/json-text.ts';
import {
  bytesAsDigits,
  bytesAsNothing,
  bytesAsString,
  JsonWriter,
  startPosition,
} from '../../src/d1/json-writer.ts';
import { requestBody } from '../../src/d1/rest/request-body.ts';
import { formsOf } from '../../src/d1/values/choose-forms.ts';
import type { ColumnForm } from '../../src/d1/values/types.ts';
import { byteRowOf } from '../support/byte-row.ts';
import { Random } from '../support/random.ts';
import { anyJson, anyText, generator, seed } from '../values/random.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);

/** Texts with what JSON escapes, what it does not, and characters of one to four bytes. */
const text = fc.oneof(
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
const digits = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((number) => (Object.is(number, -0) ? '-0' : String(number))),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0', '-0.00', '0', '-0.5', '-0.05', '1e-7', '0.10'),
);

/** Something to write. */
interface Piece {
  readonly as: 'string' | 'json' | 'ascii';
  readonly value: string;
}
const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({ as: fc.constant('string' as const), value: text }),
  fc.record({
    as: fc.constant('json' as const),
    value: fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }).map((value) => JSON.stringify(value)),
  }),
  fc.record({
    as: fc.constant('ascii' as const),
    value: fc.constantFrom('null', '17', '[4503599627370497,-52]', '"NaN"', '"00ff"'),
  }),
);
const pieces = fc.array(piece, { maxLength: 12 });

/** Writes one, in the way in which an encoder does. */
function write(writer: JsonWriter, { as, value }: Piece): void {
  if (as === 'ascii') writer.ascii(value);
  else if (as === 'json') writer.json(value);
  else writer.string(value);
}

/** The same by JSON.stringify. */
function expectedOf({ as, value }: Piece): string {
  return as === 'string' ? JSON.stringify(value) : value;
}

/** A value of a row that came as bytes, and what is done with its bytes. */
interface Value {
  readonly manner: number;
  readonly value: string | null;
}
const fieldValue: fc.Arbitrary<Value> = fc.oneof(
  fc.record({ manner: fc.constant(bytesAsString), value: fc.option(text, { freq: 5 }) }),
  fc.record({ manner: fc.constant(bytesAsDigits), value: fc.option(digits, { freq: 5 }) }),
  fc.record({ manner: fc.constant(bytesAsNothing), value: text }),
);
const anyRowOfBytes = fc.array(fieldValue, { minLength: 1, maxLength: 12 });

/** True: its bytes can be written as they are, so that nothing else has to be done. */
function goesThrough({ manner, value: written }: Value): boolean {
  if (written === null || manner === bytesAsString) return true;
  return manner === bytesAsDigits && /^-?[\d.]+$/.test(written) && !Object.is(Number(written), -0);
}

function jsonOf(one: Value): string {
  if (one.value === null) return 'null';
  return one.manner === bytesAsDigits && goesThrough(one) ? one.value : JSON.stringify(one.value);
}

function asBytes(all: readonly Value[]): readonly [row: ByteRow, manners: Uint8Array] {
  return [byteRowOf(all.map((one) => one.value)), Uint8Array.from(all, ({ manner }) => manner)];
}

/** Writes a row from its bytes, and what has to be written otherwise as an encoder does. */
function writeRow(writer: JsonWriter, all: readonly Value[]): void {
  const [row, manners] = asBytes(all);
  for (let column = 0; ; column += 1) {
    column = writer.values(row, manners, column);
    if (column === all.length) return;
    writer.character(column === 0 ? openBracket : comma);
    writer.json(jsonOf(all[column] as Value));
    if (writer.isFull) return;
  }
}

const openBracket = 0x5b;
const comma = 0x2c;
const closeBracket = 0x5d;

/** Everything that can be seen of a writer. */
function stateOf(writer: JsonWriter): unknown {
  const { length, isFull, position } = writer;
  return { length, isFull, position, bytes: Array.from(writer.toText().bytes) };
}

const settings = { seed, numRuns: 500 };

describe.each([
  ['plain', false],
  ['escaped, as the inside of a JSON string', true],
] as const)('a writer: %s', (_how, isEscaped) => {
  test('writes what JSON.stringify makes of the values, and counts its bytes without the escapes', () => {
    fc.assert(
      fc.property(pieces, (all) => {
        const writer = new JsonWriter(1_000_000, isEscaped);
        for (const [index, one] of all.entries()) {
          if (index > 0) writer.character(comma);
          write(writer, one);
        }
        const json = all.map(expectedOf).join(',');
        const written = writer.toText();
        expect(written.toString()).toBe(json);
        expect(textOf(written.bytes)).toBe(isEscaped ? JSON.stringify(json).slice(1, -1) : json);
        expect(writer.length).toBe(bytesOf(json).length);
        expect(writer.isFull).toBe(false);
      }),
      settings,
    );
  });

  test('makes of the bytes of a row what JSON.stringify makes of its values', () => {
    fc.assert(
      fc.property(fc.array(anyRowOfBytes, { maxLength: 4 }), (rows) => {
        const writer = new JsonWriter(1_000_000, isEscaped);
        for (const row of rows) {
          writeRow(writer, row);
          writer.character(closeBracket);
        }
        const json = rows.map((row) => `[${row.map(jsonOf).join(',')}]`).join('');
        const written = writer.toText();
        expect(written.toString()).toBe(json);
        expect(textOf(written.bytes)).toBe(isEscaped ? JSON.stringify(json).slice(1, -1) : json);
        expect(writer.length).toBe(bytesOf(json).length);
      }),
      settings,
    );
  });

  test('goes through the bytes of a row up to the first value that needs another way, and counts only what it wrote', () => {
    fc.assert(
      fc.property(anyRowOfBytes, (all) => {
        const writer = new JsonWriter(1_000_000, isEscaped);
        // There is room from the first value on.
        writer.string('x'.repeat(50_000));
        writer.truncate(startPosition);
        const stop = writer.values(...asBytes(all), 0);
        const expected = all.findIndex((one) => !goesThrough(one));
        expect(stop).toBe(expected < 0 ? all.length : expected);
        const json = all.slice(0, stop).map((one, index) => (index === 0 ? '[' : ',') + jsonOf(one));
        expect(writer.toText().toString()).toBe(json.join(''));
        expect(writer.length).toBe(bytesOf(json.join('')).length);
      }),
      settings,
    );
  });

  test('holds no more of the bytes of rows than its limit, and gives a row back as if it had not been', () => {
    fc.assert(
      fc.property(
        fc.array(anyRowOfBytes, { maxLength: 6 }),
        fc.integer({ min: 0, max: 400 }),
        (rows, limit) => {
          const writer = new JsonWriter(limit, isEscaped);
          let expected = '';
          for (const row of rows) {
            const before = stateOf(writer);
            writer.mark();
            writeRow(writer, row);
            writer.character(closeBracket);
            const json = `[${row.map(jsonOf).join(',')}]`;
            const fits = bytesOf(expected + json).length <= limit;
            expect(writer.isFull).toBe(!fits);
            expect(writer.length).toBeLessThanOrEqual(limit);
            if (fits) expected += json;
            else {
              writer.rewind();
              expect(stateOf(writer)).toEqual(before);
            }
            expect(writer.toText().toString()).toBe(expected);
          }
        },
      ),
      settings,
    );
  });

  test('holds nothing beyond its limit, says so, and takes nothing more until it is truncated', () => {
    fc.assert(
      fc.property(pieces, fc.integer({ min: 0, max: 300 }), (all, limit) => {
        const writer = new JsonWriter(limit, isEscaped);
        let expected = '';
        for (const one of all) {
          const before = stateOf(writer);
          const wasFull = writer.isFull;
          write(writer, one);
          const json = expectedOf(one);
          if (!wasFull && utf8Bytes(expected) + utf8Bytes(json) <= limit) expected += json;
          else {
            expect(writer.isFull).toBe(true);
            expect(stateOf(writer)).toEqual({ ...(before as object), isFull: true });
          }
          expect(writer.toText().toString()).toBe(expected);
          expect(writer.length).toBe(utf8Bytes(expected));
        }
        writer.truncate(startPosition);
        expect([writer.isFull, writer.length]).toEqual([false, 0]);
      }),
      settings,
    );
  });

  test('is truncated to exactly what it was', () => {
    fc.assert(
      fc.property(
        pieces,
        pieces,
        pieces,
        fc.integer({ min: 50, max: 2_000 }),
        (kept, dropped, next, limit) => {
          const [writer, other] = [new JsonWriter(limit, isEscaped), new JsonWriter(limit, isEscaped)];
          for (const one of kept) for (const each of [writer, other]) write(each, one);
          if (writer.isFull) return;
          const [before, position] = [stateOf(writer), writer.position];
          for (const one of dropped) write(writer, one);
          writer.truncate(position);
          expect(stateOf(writer)).toEqual(before);
          for (const one of next) for (const each of [writer, other]) write(each, one);
          expect(stateOf(writer)).toEqual(stateOf(other));
        },
      ),
      settings,
    );
  });

  test('gives a text away that later writing does not change', () => {
    const writer = new JsonWriter(1_000, isEscaped);
    writer.string('first "one"');
    const first = writer.toText();
    writer.truncate(startPosition);
    writer.string('another');
    expect([first.toString(), writer.toText().toString()]).toEqual(['"first \\"one\\""', '"another"']);
  });
});

/** A column of each type that has a way of its own into JSON. */
const types: readonly LogicalType[] = ['integer', 'float', 'text', 'bytes', 'json', 'boolean', 'timestamp'];
const columns: readonly ColumnDescriptor[] = types.map((type) => ({
  name: `a ${type}`,
  type,
  nativeType: type,
  nullable: true,
}));
const forms: readonly ColumnForm[] = await formsOf({ migration: 'm', columns, key: [] }, {}, 'all');

/** A row, and what D1 is to read of it. */
function anyRow(random: () => number, length: number): readonly [row: TextRow, values: readonly unknown[]] {
  const integer = String(Math.floor((random() - 0.5) * 2 ** 50));
  const float = String((random() - 0.5) * 10 ** Math.floor(random() * 40 - 20));
  const [note, json] = [anyText(random, length), anyJson(random)];
  const hex = Buffer.from(note).toString('hex');
  const row: (string | null)[] = [integer, float, note, hex, json, 'true', '2026-01-02T03:04:05'];
  const values: unknown[] = [Number(integer), Number(float), note, hex, json, 1, '2026-01-02T03:04:05'];
  const nulls = row.map(() => random() < 0.1);
  return [
    row.map((value, index) => (nulls[index] ? null : value)),
    values.map((value, index) => (nulls[index] ? null : value)),
  ];
}

describe.each([
  ['plain', false],
  ['escaped', true],
] as const)('an encoder whose text is %s', (_how, isEscaped) => {
  test(`makes the same of rows as texts and as bytes, which is what JSON.stringify would make (seed ${seed})`, () => {
    const random = generator(isEscaped ? 71 : 72);
    for (let round = 0; round < 60; round += 1) {
      const rows = Array.from({ length: Math.floor(random() * 30) }, () => anyRow(random, 20));
      const [byTexts, byBytes] = [0, 1].map(() => new D1Encoder(forms, Infinity, isEscaped)) as [
        D1Encoder,
        D1Encoder,
      ];
      for (const [row] of rows) {
        expect(byTexts.add(row)).toBe(true);
        expect(byBytes.addBytes(byteRowOf(row, () => random() < 0.3))).toBe(true);
      }
      const [one, other] = [byTexts.take(), byBytes.take()];
      const json = one.json.toString();
      expect({ ...other, json: [...other.json.bytes], release: null }).toEqual({
        ...one,
        json: [...one.json.bytes],
        release: null,
      });
      expect(JSON.parse(json)).toEqual(rows.map(([, values]) => values));
      expect([one.rows, one.bytes]).toEqual([rows.length, bytesOf(json).length]);
      expect(textOf(one.json.bytes)).toBe(isEscaped ? JSON.stringify(json).slice(1, -1) : json);
    }
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
    let added = 0;
    while (limited.length < 2) {
      const row = ['1', '0.5', unit.repeat(random.whole(0, 2_000)), null, null, 'false', null];
      const isIn = random.pick([() => encoder.add(row), () => encoder.addBytes(byteRowOf(row))])();
      if (isIn) {
        added += 1;
        continue;
      }
      const batch = encoder.take();
      const json = batch.json.toString();
      limited.push(bytesOf(json).length);
      expect(batch.bytes).toBe(bytesOf(json).length);
      expect(batch.rows).toBe(added);
      expect((JSON.parse(json) as unknown[]).length).toBe(added);
      expect(encoder.add(row)).toBe(true);
      added = 1;
    }
    const largest = JSON.stringify(unit.repeat(2_000)).length * 4;
    for (const bytes of limited) {
      expect(bytes).toBeLessThanOrEqual(1_900_000);
      expect(bytes).toBeGreaterThan(1_900_000 - largest);
    }
  });

  test('takes a batch of exactly its limit, and not a byte more', () => {
    const row = (length: number): TextRow => [null, null, 'x'.repeat(length), null, null, null, null];
    const overhead = bytesOf('[[null,null,"",null,null,null,null]]').length;
    const encoder = new D1Encoder(forms, Infinity, isEscaped);
    const small = overhead - 1;
    // A first row, a comma, and a second that fills the rest.
    for (const [more, isIn] of [
      [0, true],
      [1, false],
    ] as const) {
      expect(encoder.add(row(0))).toBe(true);
      const rest = maxBatchBytes - small - (overhead - 2) - 2 + more;
      for (const add of [() => encoder.addBytes(byteRowOf(row(rest))), () => encoder.add(row(rest))]) {
        if (encoder.rows === 1) expect(add()).toBe(isIn);
      }
      const batch = encoder.take();
      expect([batch.rows, batch.bytes === maxBatchBytes]).toEqual([isIn ? 2 : 1, isIn]);
    }
  });

  test('gives rows of one back as a whole where they do not fit together', () => {
    const encoder = new D1Encoder(forms, Infinity, isEscaped);
    const row = (length: number): TextRow => ['1', null, '"'.repeat(length), null, null, null, null];
    expect(encoder.add(row(300_000))).toBe(true);
    expect(encoder.addAll([row(10), row(400_000), row(300_000)])).toBe(false);
    expect(encoder.addAll([row(10), row(11)])).toBe(true);
    const batch = encoder.take();
    const values = JSON.parse(batch.json.toString()) as (readonly [unknown, unknown, string])[];
    expect(values.map(([, , note]) => note.length)).toEqual([300_000, 10, 11]);
    expect(batch.bytes).toBe(bytesOf(batch.json.toString()).length);
  });
});

describe('a request', () => {
  const param = fc.oneof(
    text,
    text.map((value) => ({ value })),
  );
  const query = fc.record({ sql: text, params: fc.array(param, { maxLength: 4 }) });

  /** The same bytes, with nothing around them, taken for another form. */
  const as = ({ bytes }: JsonText, isEscaped: boolean): JsonText =>
    new JsonText(bytes.slice(), 0, bytes.length, isEscaped);

  /** A JSON text as a batch has it. */
  function jsonText(value: string, isEscaped: boolean): JsonText {
    const writer = new JsonWriter(1_000_000, isEscaped);
    writer.string(value);
    return writer.toText();
  }

  test.each([
    ['escaped already', true],
    ['not escaped yet', false],
  ] as const)(
    'is what JSON.stringify would have made of it, with JSON texts that are %s',
    (_how, isEscaped) => {
      fc.assert(
        fc.property(fc.array(query, { minLength: 1, maxLength: 4 }), fc.boolean(), (queries, batch) => {
          const sent = queries.slice(0, batch ? undefined : 1);
          const body = requestBody(
            sent.map(({ sql, params }) => ({
              sql,
              params: params.map((one) => (typeof one === 'string' ? one : jsonText(one.value, isEscaped))),
            })),
            batch,
          );
          const expected = sent.map(({ sql, params }) => ({
            params: params.map((one) => (typeof one === 'string' ? one : JSON.stringify(one.value))),
            sql,
          }));
          const whole = batch ? { batch: expected } : expected[0];
          const found = typeof body === 'string' ? body : textOf(body);
          expect(JSON.parse(found)).toEqual(whole);
          expect(found).toBe(JSON.stringify(whole));
        }),
        settings,
      );
    },
  );

  test('that is escaped twice, or not at all, would be noticed', () => {
    const escaped = jsonText('a "b" \\', true);
    const twice = requestBody([{ sql: '?', params: [as(escaped, false)] }], false);
    expect(JSON.parse(String(twice))).not.toEqual({ sql: '?', params: [JSON.stringify('a "b" \\')] });
    const plain = jsonText('a "b" \\', false);
    const bare = requestBody([{ sql: '?', params: [as(plain, true)] }], false) as Uint8Array;
    expect(() => JSON.parse(textOf(bare)) as unknown).toThrow(SyntaxError);
  });

  test('is written around a text where that stands, or in memory of its own where there is no room', () => {
    const body = (given: JsonText, sql: string): string =>
      textOf(requestBody([{ sql, params: [given, 'x'] }], true) as Uint8Array);
    const expected = (sql: string): string =>
      JSON.stringify({ batch: [{ params: [JSON.stringify('a "b"'), 'x'], sql }] });
    const writer = new JsonWriter(1_000, true);
    writer.string('a "b"');
    const { text: taken } = writer.take();
    for (const sql of ['?', '?'.repeat(70_000), '?']) expect(body(taken, sql)).toBe(expected(sql));
    const tight = as(jsonText('a "b"', true), true);
    expect(body(tight, '?')).toBe(expected('?'));
  });

  test('keeps its text until it is given back, and only then the memory is used again', () => {
    const pool = new BufferPool();
    const [one, other] = [new JsonWriter(100_000, true, pool), new JsonWriter(100_000, true, pool)];
    const filled = (letter: string): string => letter.repeat(60_000);
    one.string(filled('a'));
    const first = one.take();
    other.string(filled('b'));
    one.string(filled('c'));
    expect(first.text.toString()).toBe(`"${filled('a')}"`);
    first.release();
    const third = new JsonWriter(100_000, true, pool);
    third.string(filled('d'));
    expect(third.take().text.toString()).toBe(`"${filled('d')}"`);
    expect(other.take().text.toString()).toBe(`"${filled('b')}"`);
    expect(one.take().text.toString()).toBe(`"${filled('c')}"`);
    // What was given back is somebody else's now.
    expect(first.text.toString()).not.toBe(`"${filled('a')}"`);
  });
});
