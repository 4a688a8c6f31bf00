import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import type { StoredForm } from 'resumable-migrator/d1';
import { Random } from '../support/random.ts';
import { World } from '../support/world.ts';

const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`schema-checks.test.ts: TEST_SEED=${seed}`);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

function generator(state: number): () => number {
  const random = new Random(state);
  return () => random.fraction();
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly store?: StoredForm;
  /** Literals that rows and conditions are made of: few, so that they meet. */
  readonly values: readonly string[];
  /** False: the type has an order that SQLite's does not follow. */
  readonly ordered?: boolean;
  /** Further operands of the same type. */
  readonly calls?: readonly string[];
}

const moments = [
  "'2020-01-01 00:00:00'",
  "'2020-01-01 00:00:00.5'",
  "'2020-01-01 00:00:00.25'",
  "'0001-01-01'",
  "'9999-12-31 23:59:59.999999'",
];
const farMoments = ["'infinity'", "'-infinity'", "'12345-06-07'", "'0044-03-15 BC'"];

const columns: readonly Column[] = [
  {
    name: 'whole',
    type: 'int',
    values: ['0', '1', '-1', '7', '2147483647', '-2147483648'],
    calls: ['coalesce(whole, 1)'],
  },
  {
    name: 'big',
    type: 'bigint',
    values: ['0', '9223372036854775807', '-9223372036854775807', '9007199254740993', '9007199254740992'],
    calls: ['abs(big)'],
  },
  { name: 'int_text', type: 'int', store: 'text', values: ['0', '1', '10', '-1'], ordered: false },
  {
    name: 'price',
    type: 'numeric(12,2)',
    store: { scaled: 2 },
    values: ['0', '0.01', '-0.01', '12.30', '9999999999.99'],
    calls: ['abs(price)', 'coalesce(price, 0.01)'],
  },
  {
    name: 'ratio',
    type: 'float8',
    values: ['0', '0.5', '-0.5', '1e10', '90', '0.1', "'Infinity'::float8"],
    store: { infinity: 'real' },
    calls: ['abs(ratio)'],
  },
  { name: 'flag', type: 'boolean', values: ['true', 'false'], ordered: false },
  {
    name: 'word',
    type: 'text',
    values: ["''", "'a'", "'A'", "'a '", "'ä'", "'😀'", "'it''s'", `'"x"'`, "'1'", "'01'"],
    ordered: false,
    calls: ["coalesce(word, 'a')"],
  },
  { name: 'short', type: 'varchar(5)', values: ["'a'", "'b'", "''", "'a '"], ordered: false },
  { name: 'code', type: 'char(3)', values: ["'a'", "'ab'", "'abc'", "'a  '", "''"], ordered: false },
  { name: 'mood', type: 'mood', values: ["'sad'", "'ok'", "'happy'"], ordered: false },
  {
    name: 'ident',
    type: 'uuid',
    values: [
      "'00000000-0000-0000-0000-000000000000'",
      "'ffffffff-0000-4000-8000-00000000000a'",
      "'10000000-0000-0000-0000-000000000000'",
    ],
  },
  {
    name: 'ident_blob',
    type: 'uuid',
    store: 'blob',
    values: ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-0000-4000-8000-00000000000a'"],
  },
  { name: 'raw', type: 'bytea', values: ["'\\x'", "'\\x00'", "'\\xff'", "'\\x00ff'"] },
  {
    name: 'day',
    type: 'date',
    values: [
      "'2020-01-01'",
      "'0001-01-01'",
      "'9999-12-31'",
      "'infinity'",
      "'-infinity'",
      "'12345-06-07'",
      "'0044-03-15 BC'",
    ],
  },
  { name: 'at_local', type: 'timestamp', values: [...moments, ...farMoments] },
  { name: 'at_zone', type: 'timestamptz', values: [...moments, ...farMoments] },
  { name: 'at_epoch', type: 'timestamptz', store: 'epoch-us', values: moments },
  {
    name: 'clock',
    type: 'time',
    values: ["'00:00:00'", "'03:04:05.5'", "'03:04:05.25'", "'03:04:05'", "'24:00:00'"],
  },
  // Of these hardly anything may be translated: what is equal, ordered or null in PostgreSQL is not so in D1.
  { name: 'amount', type: 'numeric', values: ['1', '1.0', '1.00', '10', '9'] },
  { name: 'single', type: 'real', values: ['0.1', '0.5', '16777217'] },
  { name: 'lost_nan', type: 'float8', store: { nan: 'null' }, values: ["'NaN'::float8", '0', '1'] },
  { name: 'at_floor', type: 'timestamp', store: { epoch: 's', rounding: 'floor' }, values: moments },
  { name: 'doc', type: 'jsonb', values: [`'{"a":1}'`, `'{"a":1.0}'`], ordered: false },
  { name: 'span', type: 'interval', values: ["'1 day'", "'24 hours'", "'1 month'"] },
];

/** A random condition, as one writes it. Constants are of the column's type: others are refused or hidden casts. */
function conditionOf(random: () => number, depth: number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  if (depth > 0 && random() < 0.5) {
    const parts = [conditionOf(random, depth - 1), conditionOf(random, depth - 1)];
    const joined = `(${parts.join(random() < 0.5 ? ' AND ' : ' OR ')})`;
    return random() < 0.3 ? `(NOT ${joined})` : joined;
  }
  const column = pick(columns);
  const value = (): string => pick(column.values);
  const operand = column.calls && random() < 0.4 ? pick(column.calls) : column.name;
  const equality = ['=', '<>'];
  const choice = random();
  if (choice < 0.12) return `(${column.name} IS ${random() < 0.5 ? 'NOT ' : ''}NULL)`;
  if (choice < 0.22 && ['word', 'short'].includes(column.name))
    return `(length(${column.name}) ${pick(['<', '>=', '='])} ${pick(['0', '1', '2'])})`;
  if (choice < 0.25 && column.name === 'flag') return '(flag)';
  if (choice < 0.4)
    return `(${operand} ${random() < 0.5 ? 'NOT ' : ''}IN (${[value(), value()].join(', ')}))`;
  if (choice < 0.5 && column.ordered !== false) return `(${operand} BETWEEN ${value()} AND ${value()})`;
  return `(${operand} ${pick(column.ordered === false ? equality : [...equality, '<', '<=', '>', '>='])} ${value()})`;
}

test('a translated condition is true, false and unknown for the same rows as in PostgreSQL', async () => {
  const random = generator(seed);
  const conditions = Array.from({ length: 350 }, (_, index) => ({
    name: `c${index}`,
    text: conditionOf(random, 2),
  }));
  const definitions = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  const checks = conditions.map(({ name, text }) => `CONSTRAINT ${name} CHECK (${text})`).join(', ');
  const value = ({ values }: Column): string =>
    random() < 0.15 ? 'NULL' : (values[Math.floor(random() * values.length)] as string);
  const rows = Array.from({ length: 400 }, (_, id) => `(${[String(id), ...columns.map(value)].join(', ')})`);
  await world.postgres(
    `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')`,
    `CREATE TABLE checked (id int PRIMARY KEY, ${definitions}, ${checks})`,
    `CREATE TABLE rows (id int PRIMARY KEY, ${definitions})`,
    `INSERT INTO rows VALUES ${rows.join(', ')}`,
  );
  const store = Object.fromEntries(
    columns.flatMap(({ name, store: form }) => (form === undefined ? [] : [[name, form]])),
  );
  const copy = async (
    table: string,
  ): Promise<readonly { readonly code: string; readonly message: string }[]> => {
    const sink = world.rest(table, { store, carryOver: { checks: true } });
    const migrator = new ResumableMigrator({ source: world.source(table), sink });
    const { findings } = await migrator.plan();
    await migrator.run();
    return findings;
  };
  const findings = await copy('checked');
  await copy('rows');
  const [made] = await world.d1(`SELECT sql FROM sqlite_master WHERE name = 'checked'`);
  const translated = [
    ...String(made?.['sql']).matchAll(/CONSTRAINT "(c\d+)" CHECK \((.*?)\)(?=, CONSTRAINT|\)$)/gs),
  ].map(([, name = '', text = '']) => ({ name, text }));
  const refused = findings
    .filter(({ code }) => code === 'NOT_TRANSLATED')
    .map(({ message }) => /check (c\d+)/.exec(message)?.[1]);
  // Each condition is in one of the two lists, and none is in both.
  const told = [...translated.map(({ name }) => name), ...refused];
  expect(told).toHaveLength(conditions.length);
  expect(new Set(told)).toEqual(new Set(conditions.map(({ name }) => name)));
  console.log(`${translated.length} of ${conditions.length} conditions translated`);
  expect(translated.length).toBeGreaterThan(120);

  let compared = 0;
  const wrong: string[] = [];
  for (const { name, text } of translated) {
    const original = conditions.find((condition) => condition.name === name)?.text ?? '';
    const { rows: expected } = await world.pool.query<{ result: boolean | null }>(
      `SELECT ${original} AS result FROM rows ORDER BY id`,
    );
    const found = await world.d1(`SELECT (${text}) AS result FROM rows ORDER BY id`);
    for (const [index, row] of found.entries()) {
      const result = row['result'] === null ? null : row['result'] !== 0;
      if (result !== expected[index]?.result)
        wrong.push(`${original} became ${text}: row ${rows[index]} gives ${result}`);
      compared += 1;
    }
  }
  console.log(`${compared} results compared`);
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(compared).toBe(translated.length * 400);
});

/** Constants whose stored form depends on the type that they get: scale, blanks, precision, canonical text. */
const constants: readonly (readonly [type: string, value: string, store?: StoredForm])[] = [
  ['numeric(10,2)', '0'],
  ['numeric(10,2)', '12.345'],
  ['numeric(10,2)', "'-7'", { scaled: 4 }],
  ['numeric', '1.500'],
  ['numeric', "'NaN'"],
  ['char(5)', "'ab'"],
  ['varchar(3)', "'abc'"],
  ['timestamp(0)', "'2020-01-01 00:00:00.7'"],
  ['timestamptz', "'2020-01-01 12:00:00+05:30'"],
  ['timestamptz', "'2020-01-01 12:00:00+05:30'", 'epoch-ms'],
  ['date', "'0044-03-15 BC'"],
  ['time(1)', "'03:04:05.26'"],
  ['timetz', "'03:04:05+05:30'"],
  ['interval', "'1 year 2 days'"],
  ['jsonb', `'{"b": 1, "a": [1.50]}'`],
  ['json', `'{"b": 1,  "a": 1}'`],
  ['text[]', `ARRAY['a', NULL, 'it''s "x"']`],
  ['int[]', "'{1,2,NULL}'"],
  ['float8[]', "'{1.5,NaN}'"],
  ['bytea', "'\\x00ff'"],
  ['bytea', "'\\x00ff'", 'hex'],
  ['float8', '0.1'],
  ['float8', "'1e-300'"],
  ['real', '0.1'],
  ['inet', "'10.0.0.1/8'"],
  ['bit(4)', "B'1010'"],
  ['bigint', "'-9223372036854775808'"],
  ['smallint', '7', 'text'],
  ['boolean', 'false', 'text'],
  ['mood', "'ok'"],
  ['email', "'x@y'"],
  ['uuid', "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", 'blob'],
  ['int4range', "'[1,5]'"],
  ['text', "E'line\\nbreak \\\\ ''quoted'' \"double\" ? $1 %'"],
];

test('a default that is carried over stores in D1 what PostgreSQL stores and the copy brings', async () => {
  const all = [
    ...constants,
    ...columns.flatMap(({ type, values, store }) => values.map((value) => [type, value, store] as const)),
  ];
  const named = all.map(([type, value, store], index) => ({ name: `d${index}`, type, value, store }));
  await world.postgres("CREATE DOMAIN email AS text DEFAULT 'none' CHECK (VALUE <> '')");
  let carried = 0;
  // D1 takes 100 columns.
  for (let start = 0; start < named.length; start += 90) {
    const some = named.slice(start, start + 90);
    const table = `defaults_${start}`;
    const list = some.map(({ name, type, value }) => `${name} ${type} DEFAULT ${value}`).join(', ');
    await world.postgres(
      `CREATE TABLE ${table} (id int PRIMARY KEY, ${list})`,
      `INSERT INTO ${table} (id) VALUES (1)`,
    );
    const store = Object.fromEntries(
      some.flatMap(({ name, store: form }) => (form === undefined ? [] : [[name, form]])),
    );
    // What a float column refuses would end the copy.
    const forms = {
      ...store,
      ...Object.fromEntries(
        some.filter(({ value }) => value.startsWith("'NaN'::")).map(({ name }) => [name, 'text' as const]),
      ),
    };
    const sink = world.rest(table, { store: forms, carryOver: { defaults: true } });
    const migrator = new ResumableMigrator({ source: world.source(table), sink });
    const { findings } = await migrator.plan();
    await migrator.run();
    await world.d1(`INSERT INTO ${table} (id) VALUES (2)`);
    const lost = new Set(
      findings.filter(({ code }) => code === 'NOT_TRANSLATED').map(({ column }) => column),
    );
    for (const { name, type, value } of some) {
      const [result] = await world.d1(
        `SELECT typeof(a.${name}) AS ta, typeof(b.${name}) AS tb, a.${name} IS b.${name} AS same, CAST(b.${name} AS TEXT) AS given
          FROM ${table} AS a, ${table} AS b WHERE a.id = 1 AND b.id = 2`,
      );
      const place = `${type} DEFAULT ${value}`;
      if (lost.has(name)) {
        expect(result?.['given'], place).toBeNull();
        continue;
      }
      expect({ place, same: result?.['same'], type: result?.['tb'] }).toEqual({
        place,
        same: 1,
        type: result?.['ta'],
      });
      expect(result?.['given'], place).not.toBeNull();
      carried += 1;
    }
  }
  console.log(`${carried} of ${named.length} defaults carried over`);
  expect(carried).toBeGreaterThan(named.length - 8);
});
