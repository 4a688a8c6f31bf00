import type { Stored } from './tables.ts';

/** A column of the wide table: its type, and the SQL expression that makes its value for row `i`. */
export interface WideColumn {
  readonly type: string;
  readonly stored: Stored;
  readonly value: string;
}

const seed = 20_261_101;
let drawn = 0;

/** A pseudo-random number from 0 to `below`, without it: the same for the same row and column on every machine. */
function random(below: number): string {
  drawn += 1;
  return `(hashint8extended(i, ${seed + drawn}) & 9007199254740991) % ${below}`;
}

function column(type: string, stored: Stored, value: string): WideColumn {
  return { type, stored, value };
}

/** Null in about every `n`th row. */
function sometimesNull(n: number, { type, stored, value }: WideColumn): WideColumn {
  return column(type, stored, `CASE WHEN ${random(n)} = 0 THEN NULL ELSE ${value} END`);
}

/** Words up to a length, from a text that has what has to be escaped in SQL or JSON, and what is not ASCII. */
function text(least: number, most: number): string {
  const words = `
    he said "yes" and didn''t mean it; the café in Łódź opens at 7, naïve façade, Größe 42 · 東京タワー and 서울
    cost €12.50 (10% off) \\\\share\\new\\table, line one\nline two\ttabbed, Ωmega & αlpha <b>bold</b> 😀 done, plain
    words follow here for a while so that most of the text is as usual: the quick brown fox jumps over the lazy dog,
    pack my box with five dozen liquor jugs, sphinx of black quartz, judge my vow. `
    .replaceAll(/\n {4}/g, ' ')
    .trim();
  const long = `repeat(E'${words.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t')} ', 3)`;
  return `substr(${long}, 1 + (${random(450)})::int, ${least} + (${random(most - least + 1)})::int)`;
}

function oneOf(...values: readonly string[]): string {
  const quoted = values.map((value) => `'${value.replaceAll("'", "''")}'`);
  return `(ARRAY[${quoted.join(', ')}])[1 + (${random(values.length)})::int]`;
}

function moment(step: string, most: number): string {
  return `timestamptz '2019-03-01 00:00:00+00' + (${random(most)}) * interval '${step}'`;
}

function bytes(count: number): string {
  const parts = Array.from({ length: count / 8 }, () => `int8send(hashint8extended(i, ${seed + ++drawn}))`);
  return parts.join(' || ');
}

/** Forty columns; some 1,700 bytes a row as JSON. */
export const WIDE_COLUMNS: Readonly<Record<string, WideColumn>> = {
  id: column('bigint', 'integer', 'i'),
  small: column('smallint', 'integer', `${random(65_000)} - 32500`),
  quantity: column('integer', 'integer', random(2_000_000_000)),
  parent: sometimesNull(4, column('integer', 'integer', random(60_000))),
  account: column('bigint', 'integer', `hashint8extended(i, ${seed})`),
  counter: column('bigint', 'integer', random(9_000_000_000_000)),
  latitude: column('double precision', 'float', `((${random(180_000_000)}) - 90000000) / 1e6`),
  longitude: column('double precision', 'float', `((${random(360_000_000)}) - 180000000) / 1e6`),
  ratio: column('double precision', 'float', `(${random(9_000_000_000_000_000)}) / 9e15`),
  temperature: sometimesNull(10, column('double precision', 'float', `((${random(800)}) - 300) / 10.0`)),
  weight: column('real', 'float', `(${random(100_000)}) / 8.0`),
  price: column('numeric(12,2)', 'text', `(${random(1_000_000_000)}) / 100.0`),
  rate: column('numeric(20,6)', 'text', `(${random(1_000_000_000_000)}) / 1000000.0`),
  exact: column('numeric', 'text', `(${random(1_000_000_000_000_000)})::numeric * 1000000007.000000001`),
  discount: sometimesNull(3, column('numeric(8,4)', 'text', `(${random(9_999_999)}) / 10000.0`)),
  active: column('boolean', 'boolean', `${random(2)} = 0`),
  verified: column('boolean', 'boolean', `${random(5)} = 0`),
  archived: sometimesNull(6, column('boolean', 'boolean', `${random(9)} = 0`)),
  created_at: column('timestamptz', 'time', moment('1 microsecond', 200_000_000_000_000)),
  updated_at: column('timestamptz', 'time', moment('1 millisecond', 200_000_000_000)),
  shipped_at: sometimesNull(3, column('timestamptz', 'time', moment('1 second', 200_000_000))),
  deleted_at: sometimesNull(2, column('timestamptz', 'time', moment('1 minute', 3_000_000))),
  due_on: column('date', 'text', `(${moment('1 day', 3_000)})::date`),
  public_id: column('uuid', 'text', `encode(${bytes(16)}, 'hex')::uuid`),
  session_id: column('uuid', 'text', `encode(${bytes(16)}, 'hex')::uuid`),
  code: column('varchar(12)', 'text', `'A' || lpad((${random(1_000_000_000)})::text, 11, '0')`),
  status: column('text', 'text', oneOf('new', 'in progress', 'done', "won't do", 'größer', '延期')),
  country: column('char(2)', 'text', oneOf('DE', 'FR', 'PL', 'JP', 'KR', 'US')),
  email: column(
    'text',
    'text',
    `'user' || (${random(1_000_000)}) || '@example-' || (${random(500)}) || '.org'`,
  ),
  name: column('text', 'text', text(8, 24)),
  city: column('text', 'text', oneOf('São Paulo', 'Kraków', 'Москва', '東京', "L'Aquila", 'Aix')),
  title: column('text', 'text', text(30, 70)),
  summary: column('text', 'text', text(80, 160)),
  notes: sometimesNull(5, column('text', 'text', text(150, 400))),
  body: column('text', 'text', text(200, 500)),
  tags: column(
    'jsonb',
    'text',
    `jsonb_build_array(${random(100)}, ${oneOf('red', 'blue', 'grün')}, ${oneOf('"a"', 'b\\c', 'd')}, ${random(2)} = 0)`,
  ),
  settings: column(
    'jsonb',
    'text',
    `jsonb_build_object('theme', ${oneOf('dark', 'light')}, 'size', ${random(40)}, 'label', ${text(5, 20)}, 'nested', jsonb_build_object('x', ${random(1_000)}, 'on', ${random(2)} = 1))`,
  ),
  payload: column(
    'json',
    'text',
    `json_build_object('id', i, 'text', ${text(20, 60)}, 'values', json_build_array(${random(10)}, ${random(10)}, null))`,
  ),
  digest: column('bytea', 'bytes', bytes(32)),
  thumbnail: sometimesNull(4, column('bytea', 'bytes', bytes(64))),
};
