import { anyJson, anySingle, anyDouble, anyText } from './random.ts';
import { anyMoment } from './moments.ts';
import { otherScalars } from './scalars-others.ts';
import type { Case } from './table.ts';

export { scalarTypes } from './scalars-others.ts';

const year = `CASE WHEN extract(year FROM v) < 0 THEN extract(year FROM v) + 1 ELSE extract(year FROM v) END`;
/** ISO 8601 by PostgreSQL's calendar functions, another way than through its text. */
const isoDate = (value: string): string => {
  const y = year.replaceAll('v)', `${value})`);
  // to_char() would read a date as a timestamp, which ends earlier.
  const part = (name: string): string => `'-' || lpad(extract(${name} FROM ${value})::text, 2, '0')`;
  return `CASE WHEN ${y} < 0 THEN '-' WHEN ${y} > 9999 THEN '+' ELSE '' END || lpad(abs(${y})::text, greatest(4, length(abs(${y})::text)), '0') || ${part('month')} || ${part('day')}`;
};
const isoTime = (value: string): string =>
  `to_char(${value}, '"T"HH24:MI:SS') || rtrim(rtrim(to_char(${value}, '.US'), '0'), '.')`;
const isoMoment = (value: string): string => `${isoDate(value)} || ${isoTime(value)}`;
const unlessInfinite = (value: string): string =>
  `CASE WHEN v::text LIKE '%infinity' THEN v::text ELSE ${value} END`;

const moments = [
  'infinity',
  '-infinity',
  '4713-01-01 00:00:00 BC',
  '0001-12-31 23:59:59.999999 BC',
  '0001-01-01 00:00:00',
  '1969-12-31 23:59:59.999999',
  '1970-01-01 00:00:00',
  '9999-12-31 23:59:59.999999',
  '10000-01-01 00:00:00.000001',
  '2000-02-29 12:00:00.1',
  '2026-01-02 03:04:05.12',
  '294276-12-31 23:59:59.999999',
  '0044-03-15 01:02:03.04 BC',
];

/** Every scalar type in its default form. */
export const scalars: readonly Case[] = [
  {
    name: 'int2',
    type: 'int2',
    make: 'floor(random() * 65536) - 32768',
    edges: ['-32768', '0', '32767'],
    kind: 'integer',
  },
  {
    name: 'int4',
    type: 'int4',
    make: 'floor(random() * 4294967296) - 2147483648',
    edges: ['-2147483648', '2147483647'],
    kind: 'integer',
  },
  {
    name: 'int8',
    type: 'int8',
    make: `('x' || substr(md5(random()::text), 1, 16))::bit(64)::bigint >> (i % 64)`,
    edges: [
      '-9223372036854775808',
      '9223372036854775807',
      '9007199254740993',
      '-9007199254740993',
      '0',
      '-1',
    ],
    kind: 'integer',
  },
  {
    name: 'oid',
    type: 'oid',
    make: 'floor(random() * 4294967296)::bigint',
    edges: ['0', '4294967295'],
    kind: 'integer',
  },
  {
    name: 'xid',
    type: 'xid',
    make: 'floor(random() * 4294967296)::bigint::text',
    edges: ['0', '4294967295'],
    kind: 'integer',
  },
  {
    name: 'xid8',
    type: 'xid8',
    make: '(random() * 18446744073709551615)::numeric(20)::text',
    edges: ['18446744073709551615', '9223372036854775808'],
  },
  {
    name: 'numeric',
    type: 'numeric',
    make: `trunc(((random() - 0.5)::numeric + random()::numeric * 1e-17) * 10::numeric ^ (random() * 60 - 20)::int, (random() * 40)::int)`,
    edges: [
      '0',
      '0.000',
      '-0.0010',
      'NaN',
      'Infinity',
      '-Infinity',
      `${'9'.repeat(500)}.${'1'.repeat(500)}0`,
      `1e-1000`,
      `-1e2000`,
      '007.50',
    ],
  },
  {
    name: 'numeric(12,4)',
    type: 'numeric(12,4)',
    make: '(random() - 0.5) * 1e8',
    edges: ['0', '-99999999.9999'],
  },
  {
    name: 'money',
    type: 'money',
    make: `((random() - 0.5) * 1e14)::numeric::money`,
    edges: ['-92233720368547758.08', '92233720368547758.07', '0', '-0.01', '1234567.89'],
    expected: 'v::numeric',
  },
  {
    name: 'float8',
    type: 'float8',
    make: (random) => String(anyDouble(random)),
    edges: [
      '0',
      '0.1',
      '5e-324',
      '-5e-324',
      '2.2250738585072014e-308',
      '2.225073858507201e-308',
      '1.7976931348623157e308',
      '-1.7976931348623157e308',
      '9007199254740993',
      '123456789012345680',
      '0.30000000000000004',
      '1e15',
      '1e-5',
      '1e22',
      '1e23',
    ],
    kind: 'real',
  },
  {
    name: 'float8 near 1',
    type: 'float8',
    make: '(random() - 0.5) * 10 ^ (random() * 12 - 3)',
    edges: [],
    kind: 'real',
  },
  {
    name: 'float4',
    type: 'float4',
    make: (random) => String(anySingle(random)),
    edges: ['0', '0.1', '1e-45', '1.1754944e-38', '3.4028235e38', '-3.4028235e38', '16777216', '1e10'],
    kind: 'real',
  },
  {
    name: 'bool',
    type: 'bool',
    make: 'random() < 0.5',
    edges: ['t', 'f'],
    expected: `CASE WHEN v THEN '1' ELSE '0' END`,
    kind: 'integer',
  },
  {
    name: 'text',
    type: 'text',
    make: (random) => anyText(random, 30),
    edges: [
      '',
      ' ',
      'null',
      'NULL',
      '0',
      '-0',
      '1e3',
      '007',
      '[1]',
      '{"a":1}',
      '\\x00',
      "'",
      '"',
      '\\',
      `\u0001\u007f\u0085\u2028`,
      'a'.repeat(3_000),
    ],
  },
  { name: 'varchar', type: 'varchar(20)', make: (random) => anyText(random, 20), edges: ['', '  '] },
  {
    name: 'bpchar',
    type: 'char(9)',
    make: (random) => anyText(random, 9),
    edges: ['', 'a', 'a        ', '😀'],
  },
  { name: 'name', type: 'name', make: (random) => anyText(random, 12), edges: ['', 'x'.repeat(63)] },
  {
    name: 'char',
    type: '"char"',
    make: `chr(1 + floor(random() * 127)::int)`,
    edges: ['', 'a', '"', '\\', '\\377', '\\200'],
  },
  { name: 'citext', type: 'citext', make: (random) => anyText(random, 12), edges: ['MiXeD', ''] },
  {
    name: 'uuid',
    type: 'uuid',
    make: 'md5(random()::text)',
    edges: ['00000000-0000-0000-0000-000000000000', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'],
  },
  {
    name: 'date',
    type: 'date',
    make: `date '2000-01-01' + CASE WHEN i % 2 = 0 THEN floor((random() - 0.5) * 40000)::int ELSE floor(random() * 2145000000)::int - 2451000 END`,
    edges: [
      'infinity',
      '-infinity',
      '4713-01-01 BC',
      '0001-12-31 BC',
      '0001-01-01',
      '9999-12-31',
      '10000-01-01',
      '5874897-12-31',
      '2000-02-29',
      '0044-03-15 BC',
    ],
    expected: unlessInfinite(isoDate('v')),
  },
  {
    name: 'time',
    type: 'time',
    make: `time '00:00' + floor(random() * 86399999999) * interval '1 microsecond'`,
    edges: ['00:00:00', '24:00:00', '23:59:59.999999', '12:00:00.1'],
  },
  {
    name: 'timetz',
    type: 'timetz',
    make: `(time '00:00' + floor(random() * 86399999999) * interval '1 microsecond')::text || to_char(floor(random() * 31) - 15, 'S00') || to_char(floor(random() * 60), ':FM00')`,
    edges: ['00:00:00+00', '24:00:00-15:59:59', '12:34:56.789012+05:30'],
  },
  {
    name: 'timestamp',
    type: 'timestamp',
    make: anyMoment,
    edges: moments,
    expected: unlessInfinite(isoMoment('v')),
  },
  {
    name: 'timestamptz',
    type: 'timestamptz',
    make: `(${anyMoment}) AT TIME ZONE 'UTC'`,
    edges: moments.map((text) =>
      text.includes('infinity') ? text : text.endsWith('BC') ? text.replace(' BC', '+00 BC') : `${text}+00`,
    ),
    expected: unlessInfinite(`${isoMoment(`(v AT TIME ZONE 'UTC')`)} || 'Z'`),
  },
  {
    name: 'interval',
    type: 'interval',
    make: `make_interval((random() * 20 - 10)::int, (random() * 30 - 15)::int, 0, (random() * 60 - 30)::int, (random() * 50 - 25)::int, (random() * 200 - 100)::int, (floor(random() * 2e8 - 1e8) / 1e6)::float8)`,
    edges: [
      '0',
      'infinity',
      '-infinity',
      '-178000000 years',
      '178000000 years',
      '1 mon -1 day',
      '-0.000001 sec',
      '2562047788:00:54.775807',
    ],
  },
  {
    name: 'json',
    type: 'json',
    make: (random) => anyJson(random),
    edges: ['null', ' { "a" : 1 , "a":2 } ', '""', '1.0', '"\\u0000"', '[]'],
  },
  {
    name: 'jsonb',
    type: 'jsonb',
    make: (random) => anyJson(random),
    edges: ['null', '{"b":1,"a":[1.50,{}]}', '123456789012345678901234567890.5', '"a\\u0001"'],
  },
  ...otherScalars,
];
