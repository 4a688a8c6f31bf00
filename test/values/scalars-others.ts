import { anyMoment } from './moments.ts';
import { anyText } from './random.ts';
import type { Case } from './table.ts';

/** What XML 1.0 allows of a text, and no markup. */
function xmlText(text: string): string {
  return text.replaceAll(/[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]|[<>&]/gu, '');
}

/** The types that go as their own text, and what users define. */
export const otherScalars: readonly Case[] = [
  {
    name: 'jsonpath',
    type: 'jsonpath',
    make: `'$.a[' || floor(random() * 100) || ' to last] ? (@ > ' || random() || ')'`,
    edges: ['$', 'strict $."a b"[*]', '$.a like_regex "^x" flag "i"'],
  },
  {
    name: 'bytea',
    type: 'bytea',
    make: `substr(decode(md5(random()::text) || md5(i::text), 'hex'), 1, (random() * 32)::int)`,
    edges: ['', '\\x00', '\\x00ff00', '\\x22275c', '\\xc3a9'],
    expected: `encode(v, 'hex')`,
    kind: 'blob',
  },
  {
    name: 'bit',
    type: 'bit(13)',
    make: `floor(random() * 8192)::int::bit(13)`,
    edges: ['0000000000000', '1111111111111'],
  },
  {
    name: 'varbit',
    type: 'varbit',
    make: `substr(floor(random() * 2147483647)::int::bit(31)::text, 1, (random() * 31)::int)`,
    edges: ['', '0', '1', '0'.repeat(100)],
  },
  {
    name: 'inet',
    type: 'inet',
    make: `CASE i % 3 WHEN 0 THEN floor(random() * 255) || '.' || floor(random() * 255) || '.1.2' WHEN 1 THEN '10.' || floor(random() * 255) || '.1.2/' || floor(random() * 33) ELSE 'fe80::' || to_hex(floor(random() * 65535)::int) || '/' || floor(random() * 129) END`,
    edges: ['0.0.0.0', '255.255.255.255/32', '::1', '::ffff:1.2.3.4', '1.2.3.4/0'],
  },
  {
    name: 'cidr',
    type: 'cidr',
    make: `set_masklen(('10.' || floor(random() * 255) || '.' || floor(random() * 255) || '.0')::cidr, 8 + floor(random() * 25)::int)`,
    edges: ['0.0.0.0/0', '192.168.1.1/32', '::/0', '2001:db8::/32'],
  },
  {
    name: 'macaddr',
    type: 'macaddr',
    make: 'substr(md5(random()::text), 1, 12)',
    edges: ['00:00:00:00:00:00', 'FF-FF-FF-FF-FF-FF'],
  },
  {
    name: 'macaddr8',
    type: 'macaddr8',
    make: 'substr(md5(random()::text), 1, 16)',
    edges: ['00:00:00:00:00:00:00:00', '08:00:2b:01:02:03:04:05'],
  },
  {
    name: 'xml',
    type: 'xml',
    make: (random) => `<a b="${anyText(random, 0)}x">${xmlText(anyText(random, 9))}</a><!-- c -->`,
    edges: [
      '',
      'text',
      '<?xml version="1.0" encoding="UTF-8"?><a/>',
      '<?xml version="1.0" standalone="yes"?><a>é</a>',
      '<a> <b/>\n</a>',
    ],
  },
  {
    name: 'tsvector',
    type: 'tsvector',
    make: `to_tsvector('simple', md5(random()::text) || ' b ' || (random() * 100)::int)`,
    edges: ['', `'a b':1A 'c':2,3B`, `'it''s \\\\':4`],
  },
  {
    name: 'tsquery',
    type: 'tsquery',
    make: `'a' || (random() * 100)::int || ' & !(b | ''c d'':*A) <2> e' || i`,
    edges: ['', `'it''s'`],
  },
  {
    name: 'point',
    type: 'point',
    make: 'point(random() * 1e3, -random())',
    edges: ['(0,0)', '(-0,1e300)', '(NaN,Infinity)'],
  },
  {
    name: 'line',
    type: 'line',
    make: 'line(point(random(), 1), point(2, random() + 5))',
    edges: ['{1,-1,0}'],
  },
  {
    name: 'lseg',
    type: 'lseg',
    make: 'lseg(point(random(), 1), point(2, random()))',
    edges: ['[(0,0),(1,1)]'],
  },
  { name: 'box', type: 'box', make: 'box(point(random(), 1), point(2, random()))', edges: ['(1,1),(0,0)'] },
  {
    name: 'path',
    type: 'path',
    make: `(CASE WHEN i % 2 = 0 THEN '[' ELSE '(' END) || '(0,0),(' || random() || ',1)' || (CASE WHEN i % 2 = 0 THEN ']' ELSE ')' END)`,
    edges: ['((0,0))'],
  },
  {
    name: 'polygon',
    type: 'polygon',
    make: `'((0,0),(' || random() || ',1),(2,' || random() || '))'`,
    edges: ['((0,0))'],
  },
  { name: 'circle', type: 'circle', make: 'circle(point(random(), 1), random())', edges: ['<(0,0),0>'] },
  {
    name: 'pg_lsn',
    type: 'pg_lsn',
    make: `to_hex(floor(random() * 2147483647)::int) || '/' || to_hex(floor(random() * 2147483647)::int)`,
    edges: ['0/0', 'FFFFFFFF/FFFFFFFF'],
  },
  {
    name: 'pg_snapshot',
    type: 'pg_snapshot',
    make: `i || ':' || (i + 20) || ':' || (i + 3)`,
    edges: ['1:1:'],
  },
  {
    name: 'tid',
    type: 'tid',
    make: `'(' || i || ',' || i % 200 || ')'`,
    edges: ['(0,0)', '(4294967295,65535)'],
  },
  { name: 'oidvector', type: 'oidvector', make: `i || ' ' || i * 2`, edges: ['', '1'] },
  {
    name: 'mood',
    type: 'mood',
    make: `(enum_range(NULL::mood))[1 + floor(random() * 3)::int]`,
    edges: ['sad', `it's "ok"`, 'é, {}'],
  },
  { name: 'domain', type: 'inner_price', make: '(random() * 1e6)::numeric(12,3)', edges: ['0.000'] },
  { name: 'domain of text', type: 'code', make: (random) => anyText(random, 5), edges: ['', 'ab'] },
  {
    name: 'composite',
    type: 'place',
    make: `ROW(i, md5(random()::text) || ' "', random() < 0.5, ARRAY[i, NULL], ${anyMoment})::place`,
    edges: ['(,,,,)', '(1,"","t","{1,2}","2026-01-02 03:04:05")'],
  },
  {
    name: 'int8range',
    type: 'int8range',
    make: `int8range(i, i + (random() * 10)::int, (ARRAY['[)', '(]', '[]', '()'])[1 + i % 4])`,
    edges: ['empty', '(,)', '[1,)'],
  },
  {
    name: 'numrange',
    type: 'numrange',
    make: `numrange(i, i + random()::numeric, (ARRAY['[)', '(]', '[]', '()'])[1 + i % 4])`,
    edges: ['empty', '(,1.50]'],
  },
  {
    name: 'tstzrange',
    type: 'tstzrange',
    make: `tstzrange(to_timestamp(i), to_timestamp(i + floor(random() * 1e9)))`,
    edges: ['empty', '[-infinity,infinity]'],
  },
  {
    name: 'datemultirange',
    type: 'datemultirange',
    make: `datemultirange(daterange(date '2000-01-01' + i, date '2000-01-09' + i), daterange(date '2100-01-01' + i, NULL))`,
    edges: ['{}', '{(,)}'],
  },
  {
    name: 'hstore',
    type: 'hstore',
    make: (random) =>
      `"${anyText(random, 5).replaceAll(/["\\]/g, '\\$&')}"=>"${anyText(random, 5).replaceAll(/["\\]/g, '\\$&')}", b=>NULL`,
    edges: ['', '"a"=>"1", "b"=>NULL'],
  },
  {
    name: 'regclass',
    type: 'regclass',
    make: `(SELECT oid FROM pg_class WHERE relname = (ARRAY['pg_class', 'mood holder', 'pg_type'])[1 + i % 3])`,
    edges: ['-', '999999999', 'pg_proc'],
    expected: `CASE v::oid WHEN 0 THEN '-' ELSE coalesce((SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v), v::oid::text) END`,
  },
  {
    name: 'regprocedure',
    type: 'regprocedure',
    make: `CASE i % 2 WHEN 0 THEN 'lower(text)'::regprocedure ELSE 'abs(bigint)'::regprocedure END`,
    edges: ['-'],
    expected: `CASE v::oid WHEN 0 THEN '-' ELSE 'pg_catalog.' || replace(v::text, '(text', '(pg_catalog.text') END`,
  },
  { name: 'regrole', type: 'regrole', make: `'postgres'`, edges: ['-'] },
];

/** What the scalars' types need before the table is made. */
export const scalarTypes: readonly string[] = [
  'CREATE EXTENSION IF NOT EXISTS citext',
  'CREATE EXTENSION IF NOT EXISTS hstore',
  `CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"', 'é, {}')`,
  'CREATE TABLE "mood holder" (m mood)',
  'CREATE DOMAIN outer_price AS numeric(12,3) CHECK (VALUE >= 0)',
  'CREATE DOMAIN inner_price AS outer_price',
  'CREATE DOMAIN code AS char(5)',
  'CREATE TYPE place AS (id int, note text, ok bool, list int[], at timestamp)',
];
