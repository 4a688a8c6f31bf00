import { describe, expect, test } from 'vitest';
import type { LogicalType } from 'resumable-migrator';
import { decoderOf } from '../../src/engine/rows/decode-values.ts';
import { valueEncoders } from '../../src/engine/rows/encode-values.ts';
import { logicalTypes } from '../../src/engine/rows/transform-options.ts';

const encoded = (type: LogicalType, value: unknown): string | null => valueEncoders[type].encode(value);

test('the types that a transform may declare are those that values are encoded for', () => {
  expect(logicalTypes).toEqual(Object.keys(valueEncoders));
});

describe('a value becomes the canonical text of its column', () => {
  const cases: readonly (readonly [LogicalType, unknown, string])[] = [
    ['integer', 5, '5'],
    ['integer', -0, '0'],
    ['integer', 2n ** 63n - 1n, '9223372036854775807'],
    ['integer', '-9223372036854775808', '-9223372036854775808'],
    ['float', 0.1, '0.1'],
    ['float', -0, '-0'],
    ['float', Number.NaN, 'NaN'],
    ['float', -Infinity, '-Infinity'],
    ['float', 2n ** 60n, '1.152921504606847e+18'],
    ['float', 1e15, '1e+15'],
    ['float', 123456789012345, '123456789012345'],
    ['float', -5e-5, '-5e-05'],
    ['float', '.50', '0.5'],
    ['float', '1e-5', '1e-05'],
    ['decimal', '-12.50', '-12.50'],
    ['decimal', 12n ** 20n, String(12n ** 20n)],
    ['decimal', 1e21, '1000000000000000000000'],
    ['decimal', -1.5e-7, '-0.00000015'],
    ['decimal', 1.25e25, '12500000000000000000000000'],
    ['decimal', 'NaN', 'NaN'],
    ['boolean', false, 'false'],
    ['bytes', new Uint8Array([0, 15, 255]), '000fff'],
    ['bytes', Buffer.from('ä'), 'c3a4'],
    ['bytes', new Uint8Array(), ''],
    ['uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['date', '2024-02-29', '2024-02-29'],
    ['date', new Date('2026-01-02'), '2026-01-02'],
    ['date', '-0043-03-15', '-0043-03-15'],
    ['date', '+5874897-12-31', '+5874897-12-31'],
    ['date', 'infinity', 'infinity'],
    ['timestamp', new Date('2026-01-02T03:04:05.120Z'), '2026-01-02T03:04:05.12'],
    ['timestamp', '2026-01-02T03:04:05.000000', '2026-01-02T03:04:05'],
    ['timestamp', '-infinity', '-infinity'],
    ['timestamptz', new Date(Date.UTC(12345, 0, 1)), '+12345-01-01T00:00:00Z'],
    ['timestamptz', new Date('-000043-03-15T00:00:00.001Z'), '-0043-03-15T00:00:00.001Z'],
    ['timestamptz', new Date('0000-01-01T00:00:00Z'), '0000-01-01T00:00:00Z'],
    ['timestamptz', '2026-01-02T03:04:05.123456Z', '2026-01-02T03:04:05.123456Z'],
    ['time', '24:00:00', '24:00:00'],
    ['time', '03:04:05.500', '03:04:05.5'],
    ['timetz', '03:04:05.5+05:30', '03:04:05.5+05:30'],
    ['timetz', '24:00:00-15:59:59', '24:00:00-15:59:59'],
    ['timetz', '03:04:05+01:00', '03:04:05+01'],
    ['interval', 'P1Y2M-3DT4H5M-6.5S', 'P1Y2M-3DT4H5M-6.5S'],
    [
      'json',
      { a: [1, null, 'x', true, -0, 2n ** 60n], b: {} },
      '{"a":[1,null,"x",true,-0,1152921504606846976],"b":{}}',
    ],
    ['json', { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    ['json', Object.assign(Object.create(null) as object, { a: 1 }), '{"a":1}'],
    ['json', ' [1, 2.50] ', ' [1, 2.50] '],
    ['json', false, 'false'],
    ['array', [1, [2, null]], '[1,[2,null]]'],
    ['array', '{"lower":[0],"values":[7]}', '{"lower":[0],"values":[7]}'],
    ['text', '', ''],
    ['text', 'Zürich 🚀\u0001', 'Zürich 🚀\u0001'],
    ['other', '(1,2)', '(1,2)'],
  ];
  test.each(cases)('%s: %o', (type, value, text) => expect(encoded(type, value)).toBe(text));
});

describe('a value that a column cannot hold exactly is refused', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  const cases: Readonly<Record<LogicalType, readonly unknown[]>> = {
    integer: [
      0.5,
      2 ** 53,
      Infinity,
      2n ** 63n,
      '9223372036854775808',
      '007',
      '-0',
      '1e3',
      '',
      ' 1',
      true,
      {},
    ],
    float: ['', 'x', '1e999', '1e-999', '0x10', ' 1', 2n ** 53n + 1n, true],
    decimal: ['', '.5', '5.', '01', '1e3', '+1', Number.NaN, Infinity, true],
    boolean: [0, 1, 'true', 't'],
    bytes: ['00', [0], new ArrayBuffer(1), new Uint16Array(1)],
    uuid: ['', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', 1],
    date: [
      '2026-02-29',
      '1900-02-29',
      '2026-13-01',
      '2026-00-01',
      '2026-01-00',
      '2026-1-2',
      '2026-01-02T00:00:00',
      new Date(1),
      new Date(Number.NaN),
      0,
    ],
    time: ['24:00:01', '25:00:00', '03:60:00', '03:04:60', '03:04', '03:04:05.1234567', new Date(0)],
    timetz: ['03:04:05', '03:04:05+16', '03:04:05+01:60', '+01', 1],
    timestamp: [
      '2026-01-02',
      '2026-01-02T24:00:00',
      '2026-01-02 03:04:05',
      '2026-01-02T03:04:05Z',
      '2026-01-02T03:04:05T',
      new Date(Number.NaN),
      0,
    ],
    timestamptz: ['2026-01-02T03:04:05', '2026-01-02T03:04:05+00:00', '2026-02-30T03:04:05Z', 'Z', 0],
    interval: ['', 'P', 'PT', '1 day', 'P1DT', 5],
    json: [
      Number.NaN,
      Infinity,
      undefined,
      () => 1,
      Symbol('x'),
      new Map(),
      new Set([1]),
      new Uint8Array(1),
      { a: undefined },
      [undefined],
      Array(1),
      circle,
      '{',
      '',
      '\ud800',
      ['\ud800'],
      { '\ud800': 1 },
      new Date(Number.NaN),
      new (class Point {
        x = 1;
      })(),
    ],
    array: [{}, 5, true, '[', [Number.NaN]],
    text: [5, true, {}, 'a\0b', '\ud83d', '\ude80 x', new Date(0)],
    other: [5, 'a\0b'],
  };
  test.each(Object.entries(cases))('%s', (type, values) => {
    for (const value of values) expect([value, encoded(type as LogicalType, value)]).toEqual([value, null]);
  });
});

test('every text comes back as it was: decoded and encoded again', () => {
  const texts: readonly (readonly [LogicalType, string, readonly string[]])[] = [
    ['integer', 'bigint', ['-9223372036854775808', '9007199254740993', '0']],
    ['integer', 'integer', ['-2147483648', '2147483647', '0']],
    ['integer', 'oid', ['4294967295']],
    ['integer', 'some_domain', ['9223372036854775807']],
    ['float', 'double precision', ['0.1', '-0', 'NaN', '-Infinity', '5e-324']],
    ['boolean', 'boolean', ['true', 'false']],
    ['bytes', 'bytea', ['', '00ff10', 'deadbeef']],
    ['decimal', 'numeric', ['0.10', '-0.0', 'NaN', '9'.repeat(500)]],
  ];
  for (const [type, nativeType, all] of texts) {
    const decode = decoderOf({ name: 'c', type, nativeType, nullable: true }) ?? ((text: string) => text);
    expect(all.map((text) => encoded(type, decode(text)))).toEqual(all);
  }
  expect(decoderOf({ name: 'c', type: 'integer', nativeType: 'smallint', nullable: true })?.('7')).toBe(7);
  expect(decoderOf({ name: 'c', type: 'integer', nativeType: 'int8', nullable: true })?.('7')).toBe(7n);
});
