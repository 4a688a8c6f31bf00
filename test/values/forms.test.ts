import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LogicalType, ResumableMigrator } from 'resumable-migrator';
import type { StoredForm } from 'resumable-migrator/d1';
import { formsOf } from '../../src/d1/values/choose-forms.ts';
import { World } from '../support/world.ts';
import { anyDouble } from './random.ts';
import { anyMoment } from './moments.ts';
import { type Case, differences, fill, output, storeOf } from './table.ts';

const epoch = (value: string, ticks: number): string =>
  `floor(extract(epoch FROM ${value}) * ${ticks})::numeric(30, 0)`;
const moments = [
  '1969-12-31 23:59:59',
  '1970-01-01 00:00:00',
  '0001-01-01 00:00:00',
  '4713-01-01 00:00:00 BC',
  '12345-06-07 08:09:10',
];
const anyUuid = 'md5(random()::text)';

/** Every form that can be asked for, with every type that can have it. */
const forms: readonly Case[] = [
  {
    name: 'integer as text',
    type: 'int8',
    make: `('x' || substr(md5(random()::text), 1, 16))::bit(64)::bigint`,
    edges: ['0', '-9223372036854775808'],
    store: 'text',
  },
  {
    name: 'float as text',
    type: 'float8',
    make: (random) => String(anyDouble(random)),
    edges: ['NaN', 'Infinity', '-Infinity', '-0', '0', '5e-324'],
    store: 'text',
  },
  {
    name: 'numeric as real',
    type: 'numeric',
    make: 'trunc((random() - 0.5)::numeric * 10::numeric ^ (random() * 200 - 100)::int, 120)',
    edges: ['0', '0.1', '-0.00', '1e308', '1e-400', '123456789012345678901234567890'],
    expected: 'CASE WHEN v = 1e-400 THEN 0 ELSE v::float8 END',
    kind: 'real',
    store: 'real',
  },
  {
    name: 'numeric scaled',
    type: 'numeric(14,4)',
    make: '(random() - 0.5) * 1e9',
    edges: ['0', '-0.0001', '1', '9999999999.9999'],
    expected: '(v * 10000)::numeric(30, 0)',
    kind: 'integer',
    store: { scaled: 4 },
  },
  {
    name: 'numeric scaled by 0',
    type: 'numeric(18,0)',
    make: '(random() - 0.5) * 1e18',
    edges: ['0', '-1', '999999999999999999'],
    kind: 'integer',
    store: { scaled: 0 },
  },
  {
    name: 'money scaled',
    type: 'money',
    make: '((random() - 0.5) * 1e14)::numeric::money',
    edges: ['-92233720368547758.08', '92233720368547758.07', '-0.01'],
    expected: '(v::numeric * 100)::numeric(30, 0)',
    kind: 'integer',
    store: { scaled: 2 },
  },
  {
    name: 'boolean as text',
    type: 'bool',
    make: 'random() < 0.5',
    edges: ['t', 'f'],
    expected: `CASE WHEN v THEN 'true' ELSE 'false' END`,
    store: 'text',
  },
  {
    name: 'uuid as blob',
    type: 'uuid',
    make: anyUuid,
    edges: ['00000000-0000-0000-0000-000000000000'],
    expected: `encode(uuid_send(v), 'hex')`,
    kind: 'blob',
    store: 'blob',
  },
  {
    name: 'bytea as hex',
    type: 'bytea',
    make: `decode(md5(random()::text), 'hex')`,
    edges: ['', '\\x00'],
    expected: `encode(v, 'hex')`,
    store: 'hex',
  },
  {
    name: 'date as s',
    type: 'date',
    make: `date '2000-01-01' + CASE WHEN i % 2 = 0 THEN floor((random() - 0.5) * 40000)::int ELSE floor(random() * 2145000000)::int - 2451000 END`,
    edges: ['4713-01-01 BC', '5874897-12-31', '1970-01-01', '1969-12-31'],
    expected: `(v - date '1970-01-01')::numeric * 86400`,
    kind: 'integer',
    store: 'epoch-s',
  },
  {
    name: 'date as us',
    type: 'date',
    make: `date '2000-01-01' + floor((random() - 0.5) * 1e6)::int`,
    edges: ['1969-12-31'],
    expected: `(v - date '1970-01-01')::numeric * 86400000000`,
    kind: 'integer',
    store: 'epoch-us',
  },
  {
    name: 'timestamp as s',
    type: 'timestamp',
    make: `date_trunc('second', ${anyMoment})`,
    edges: moments,
    expected: epoch('v', 1),
    kind: 'integer',
    store: 'epoch-s',
  },
  {
    name: 'timestamp as ms',
    type: 'timestamp',
    make: `date_trunc('milliseconds', ${anyMoment})`,
    edges: moments,
    expected: epoch('v', 1_000),
    kind: 'integer',
    store: 'epoch-ms',
  },
  {
    name: 'timestamp as us',
    type: 'timestamp',
    make: anyMoment,
    edges: [...moments, '1969-12-31 23:59:59.999999'],
    expected: epoch('v', 1_000_000),
    kind: 'integer',
    store: 'epoch-us',
  },
  {
    name: 'timestamptz as us',
    type: 'timestamptz',
    make: `(${anyMoment}) AT TIME ZONE 'UTC'`,
    edges: ['2026-01-02 03:04:05.000001+05'],
    expected: epoch('v', 1_000_000),
    kind: 'integer',
    store: 'epoch-us',
  },
  {
    name: 'timestamptz as ms, rounded',
    type: 'timestamptz',
    make: `(${anyMoment}) AT TIME ZONE 'UTC'`,
    edges: ['1969-12-31 23:59:59.999999+00', '1970-01-01 00:00:00.000999+00'],
    expected: epoch('v', 1_000),
    kind: 'integer',
    store: { epoch: 'ms', rounding: 'floor' },
  },
  {
    name: 'timestamp as s, rounded',
    type: 'timestamp',
    make: anyMoment,
    edges: ['1969-12-31 23:59:59.999999'],
    expected: epoch('v', 1),
    kind: 'integer',
    store: { epoch: 's', rounding: 'floor' },
  },
  {
    name: 'array as text',
    type: 'int4[]',
    make: 'ARRAY[i, NULL]',
    edges: ['{}'],
    expected: 'array_to_json(v)',
    store: 'text',
  },
  { name: 'default', type: 'numeric', make: 'random()::numeric', edges: ['NaN'], expected: output },
];

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** What values become in a form, as JSON. */
async function encoderOf(type: LogicalType, form: StoredForm): Promise<(value: string) => string> {
  const column = { name: 'c', type, nativeType: type, nullable: true };
  const [chosen] = await formsOf({ migration: 'm', columns: [column], key: [] }, { c: form }, 'all');
  return (value) => chosen?.encode(value) ?? '';
}

describe('a value that a form cannot hold is refused', () => {
  const refused: readonly (readonly [LogicalType, StoredForm, readonly string[]])[] = [
    [
      'decimal',
      { scaled: 2 },
      ['0.001', '-1.999', 'NaN', 'Infinity', '-Infinity', '92233720368547758.08', '1e3', ''],
    ],
    [
      'decimal',
      { scaled: 0 },
      ['9223372036854775808', '-9223372036854775809', '18446744073709551615', '0.5'],
    ],
    ['decimal', 'real', ['NaN', 'Infinity', '-Infinity', `1${'0'.repeat(400)}`]],
    ['timestamp', 'epoch-s', ['2026-01-02T03:04:05.5', 'infinity', '-infinity', 'yesterday', '']],
    ['timestamp', 'epoch-ms', ['2026-01-02T03:04:05.123456', '1969-12-31T23:59:59.999999']],
    ['timestamptz', { epoch: 'ms', rounding: 'floor' }, ['infinity', '-infinity']],
    ['timestamptz', 'epoch-us', ['+294276-12-31T23:59:59.999999Z']],
    ['date', 'epoch-us', ['+5874897-12-31', 'infinity']],
    ['float', {}, ['NaN', 'Infinity', '-Infinity', '-0', '-0.0']],
    ['float', { nan: 'null', infinity: 'refuse' }, ['Infinity', '-0']],
  ];
  test.each(refused)('%s as %o: %o', async (type, form, values) => {
    const encoded = await encoderOf(type, form);
    for (const value of values) {
      expect(() => encoded(value), value).toThrow(
        expect.objectContaining({ code: 'VALUE_REFUSED' }) as Error,
      );
    }
  });
});

test('what is declared of NaN, infinities and -0 is what becomes of them', async () => {
  await world.postgres(
    'CREATE TABLE odd_floats (id int PRIMARY KEY, kept float8, texts float8, nulls float8, plain float4)',
    `INSERT INTO odd_floats SELECT i, v, v, v, 0.1 FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '-0', '1e-300', '0.5']::float8[]) WITH ORDINALITY AS u(v, i)`,
  );
  const store = {
    kept: { nan: 'null', infinity: 'real', negativeZero: 'zero' },
    texts: { nan: 'text', infinity: 'text', negativeZero: 'zero' },
    nulls: { nan: 'null', infinity: 'null', negativeZero: 'zero' },
  } as const;
  await using migrator = new ResumableMigrator({
    source: world.source('odd_floats'),
    sink: world.rest('odd_floats', { store }),
  });
  await migrator.run();
  const shown = (column: string): string =>
    `CASE WHEN ${column} = 9e999 THEN 'inf' WHEN ${column} = -9e999 THEN '-inf' ELSE ${column} END AS ${column}, typeof(${column}) AS ${column}_type`;
  expect(await world.d1(`SELECT ${shown('kept')} FROM odd_floats ORDER BY id`)).toEqual([
    { kept: null, kept_type: 'null' },
    { kept: 'inf', kept_type: 'real' },
    { kept: '-inf', kept_type: 'real' },
    { kept: 0, kept_type: 'real' },
    { kept: 1e-300, kept_type: 'real' },
    { kept: 0.5, kept_type: 'real' },
  ]);
  expect(await world.d1('SELECT texts, typeof(texts) AS type, nulls FROM odd_floats ORDER BY id')).toEqual([
    { texts: 'NaN', type: 'text', nulls: null },
    { texts: 'Infinity', type: 'text', nulls: null },
    { texts: '-Infinity', type: 'text', nulls: null },
    { texts: 0, type: 'real', nulls: 0 },
    { texts: 1e-300, type: 'real', nulls: 1e-300 },
    { texts: 0.5, type: 'real', nulls: 0.5 },
  ]);
});

describe('an option that cannot work is refused before anything is written', () => {
  beforeAll(async () => {
    await world.postgres(
      'CREATE TABLE refusals (id int PRIMARY KEY, price numeric NOT NULL, at timestamptz, ok bool, ratio float8 NOT NULL, note text)',
      'CREATE TABLE decimal_keys (price numeric PRIMARY KEY, at timestamp)',
    );
  });
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['pric', 'real', /`store` names pric.*id, price, at/],
    [
      'price',
      'epoch-ms',
      /price \(numeric\) cannot be stored as epoch-ms.*\{ scaled \}, real, text.*becomes TEXT/,
    ],
    ['price', { scaled: 19 }, /0 to 18/],
    ['price', { scaled: 1.5 }, /0 to 18/],
    ['price', { epoch: 's', rounding: 'floor' }, /cannot be stored/],
    ['price', { nan: 'null' }, /cannot be stored/],
    ['at', { epoch: 'h', rounding: 'floor' }, /'s', 'ms' or 'us'/],
    ['at', 'scaled', /epoch-s, epoch-ms, epoch-us/],
    ['ok', 'blob', /ok \(boolean\) cannot be stored as blob.*Possible are: text/],
    ['ratio', { nan: 'null' }, /NOT NULL/],
    ['ratio', { nan: 'zero' }, /one of refuse, null, text/],
    ['ratio', { negativZero: 'zero' }, /negativZero/],
    ['note', 7, /note \(text\) cannot be stored as 7/],
    ['note', null, /cannot be stored as null/],
    ['note', 'toString', /cannot be stored/],
  ];
  test.each(cases)('%s: %o', async (column, form, message) => {
    const before = await world.d1Contents();
    const sink = world.rest('refusals', { store: { [column]: form as StoredForm } });
    await using migrator = new ResumableMigrator({ source: world.source('refusals'), sink });
    const error = (await migrator.run().catch((thrown: unknown) => thrown)) as {
      code: string;
      message: string;
      help: string;
    };
    expect(error.code).toBe('INVALID_OPTION');
    expect(`${error.message} ${error.help}`).toMatch(message);
    expect(await world.d1Contents()).toEqual(before);
  });

  test('a key that could lose its uniqueness', async () => {
    for (const store of [{ price: 'real' }, { at: { epoch: 's', rounding: 'floor' } }] as const) {
      const source = world.source('decimal_keys', 'price' in store ? {} : { key: ['at'] });
      await using migrator = new ResumableMigrator({ source, sink: world.rest('decimal_keys', { store }) });
      await expect(migrator.run()).rejects.toMatchObject({
        code: expect.stringMatching(/INVALID_OPTION|SOURCE_KEY/) as string,
      });
    }
  });
});

test('the forms make the columns, and enter the fingerprint of the plan', async () => {
  await world.postgres(
    'CREATE TABLE formed (id uuid PRIMARY KEY, price numeric(10,2) NOT NULL, at timestamptz, ratio float8, flag bool)',
    `INSERT INTO formed SELECT md5(i::text)::uuid, i, to_timestamp(i), i, true FROM generate_series(1, 100) AS i`,
  );
  const migrate = async (store: Record<string, StoredForm>): Promise<unknown> => {
    await using migrator = new ResumableMigrator({
      source: world.source('formed'),
      sink: world.rest('formed', { store }),
    });
    return await migrator.run();
  };
  const store = { id: 'blob', price: { scaled: 2 }, at: 'epoch-ms', flag: 'text' } as const;
  expect(await migrate(store)).toMatchObject({ status: 'completed', rows: 100 });
  expect(await world.d1(`SELECT name, type, "notnull", pk FROM pragma_table_info('formed')`)).toEqual([
    { name: 'id', type: 'BLOB', notnull: 1, pk: 1 },
    { name: 'price', type: 'INTEGER', notnull: 1, pk: 0 },
    { name: 'at', type: 'INTEGER', notnull: 0, pk: 0 },
    { name: 'ratio', type: 'REAL', notnull: 0, pk: 0 },
    { name: 'flag', type: 'TEXT', notnull: 0, pk: 0 },
  ]);
  expect(await migrate(store)).toMatchObject({ status: 'completed', rows: 0 });
  await expect(migrate({ ...store, price: { scaled: 3 } })).rejects.toMatchObject({
    code: 'PLAN_MISMATCH',
    message: expect.stringContaining('store.price was { scaled: 2 }, now { scaled: 3 }') as string,
  });
  await expect(migrate({ id: 'blob' })).rejects.toMatchObject({
    message: expect.stringContaining('store.at was epoch-ms, now not set') as string,
  });
});

test(`10,000 values in each of ${forms.length} stored forms are what PostgreSQL says`, async () => {
  const rows = await fill(world, 'forms', forms);
  await using migrator = new ResumableMigrator({
    source: world.source('forms'),
    sink: world.rest('forms', { store: storeOf(forms) }),
  });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows });
  expect(await differences(world, 'forms', forms, rows)).toEqual([]);
  await world.d1(`UPDATE forms SET "numeric scaled" = "numeric scaled" + 1 WHERE id = 5000`);
  expect(await differences(world, 'forms', forms, rows)).toMatchObject([
    { id: 5_000, column: 'numeric scaled' },
  ]);
});
