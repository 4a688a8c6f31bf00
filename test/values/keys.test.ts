import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import type { StoredForm } from 'resumable-migrator/d1';
import { epochOf, fromEpoch } from '../../src/d1/values/epochs.ts';
import { World } from '../support/world.ts';
import { below, generator } from './random.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Types of a key, 600 different values of each, and forms to store them in. */
const keys: readonly (readonly [type: string, value: string, forms: readonly (StoredForm | null)[]])[] = [
  ['bigint', '9007199254740993 + i * 3', [null, 'text']],
  ['numeric(20,4)', 'i * 1.0001 - 200', [null, { scaled: 4 }]],
  ['uuid', 'md5(i::text)::uuid', [null, 'blob']],
  ['bytea', `decode(md5(i::text), 'hex')`, [null, 'hex']],
  ['double precision', '(i - 300) * 1.1 * 10.0 ^ (i - 300)', [null, 'text']],
  ['double precision', '(i + 0.1) * 10.0 ^ (i % 40 - 20)', [null]],
  ['real', '(i + 0.1) * 1.37 * 10.0 ^ (i % 40 - 20)', [null, 'text']],
  ['numeric(12,2)', 'i * 1.01 - 300', [{ scaled: 3 }]],
  ['date', `date '0001-01-01 BC' + i * 9999`, [null, 'epoch-s', 'epoch-us']],
  ['timestamp', `timestamp '9999-12-31 23:59:00' + i * interval '1.000001 s'`, [null, 'epoch-us']],
  ['timestamptz', `timestamptz '1969-12-31 23:55:00+00' + i * interval '1.001 s'`, [null, 'epoch-ms']],
  ['boolean', 'i % 2 = 0', [null, 'text']],
  ['money', 'i::money', [null, { scaled: 2 }]],
  ['int[]', 'ARRAY[i, NULL]', [null]],
];
const cases = keys.flatMap(([type, value, forms]) => forms.map((form) => ({ type, value, form })));

test.each(cases)(
  'rows with a key of $type as $form are found, missed and taken away',
  async ({ type, value, form }) => {
    const table = `key_${cases.findIndex((one) => one.value === value && one.form === form)}`;
    const count = type === 'boolean' ? 2 : 600;
    await world.postgres(
      `CREATE TABLE ${table} (k ${type} PRIMARY KEY, v int)`,
      `INSERT INTO ${table} SELECT ${value}, i FROM generate_series(1, ${count}) AS i`,
    );
    await using migrator = new ResumableMigrator({
      source: world.source(table),
      sink: world.rest(table, form === null ? {} : { store: { k: form } }),
      checkpointSize: 100,
    });
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: count });
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: count });
    // One missing, one different, and one that only D1 has.
    const [first, last] = [1, count];
    await world.postgres(`CREATE TABLE ${table}_gone AS SELECT * FROM ${table} WHERE v = ${last}`);
    await world.postgres(`DELETE FROM ${table} WHERE v = ${last}`);
    if (count > 2) await world.d1(`DELETE FROM ${table} WHERE v = 300`);
    await world.d1(`UPDATE ${table} SET v = -1 WHERE v = ${first}`);
    const found = await migrator.verify({ mode: 'full' });
    expect(found.counts).toEqual({ missing: count > 2 ? 1 : 0, different: 1, extra: 1 });
    const { rows: gone } = await world.pool.query<{ same: boolean }>(
      `SELECT k = CAST($1 AS ${type}) AS same FROM ${table}_gone`,
      [type === 'bytea' ? `\\x${found.extra[0]?.key[0]}` : nativeText(found.extra[0]?.key[0] ?? '')],
    );
    expect(gone).toEqual([{ same: true }]);
    expect(await migrator.repair({ mode: 'full' })).toMatchObject({
      after: { equal: true, sinkRows: count - 1 },
    });
  },
);

/** PostgreSQL does not read the years past 9999 and the arrays that keys are given in. */
function nativeText(key: string): string {
  if (key.startsWith('[')) return key.replace('[', '{').replace(']', '}');
  return key.replace(/^\+/, '').replace(/^(\d{5}-.*)T/, '$1 ');
}

test('moments come back from every unit', () => {
  const random = generator(7);
  for (let round = 0; round < 50_000; round += 1) {
    const unit = (['s', 'ms', 'us'] as const)[round % 3] ?? 's';
    const range = round % 2 === 0 ? 2e9 : { s: 9e12, ms: 8e15, us: 9e15 }[unit];
    const digits = String(
      Math.floor((random() - (round % 2 === 0 ? 0.5 : 0.02)) * range) + below(random, 10),
    );
    expect(epochOf(fromEpoch(digits, unit, 'timestamptz'), unit, false)).toBe(digits);
  }
  expect(fromEpoch('-62198755200', 's', 'date')).toBe('-0001-01-01');
  expect(fromEpoch('253402300800', 's', 'timestamp')).toBe('+10000-01-01T00:00:00');
});

test("where the source's text of a key cannot be known, values are not compared by it", async () => {
  await world.postgres(
    'CREATE DOMAIN ratio AS float8',
    'CREATE TABLE unknown_keys (k ratio PRIMARY KEY, n numeric UNIQUE NOT NULL)',
    'INSERT INTO unknown_keys SELECT i, i FROM generate_series(1, 10) AS i',
  );
  const byDomain = new ResumableMigrator({
    source: world.source('unknown_keys'),
    sink: world.rest('unknown_a'),
  });
  const byScale = new ResumableMigrator({
    source: world.source('unknown_keys', { key: ['n'] }),
    sink: world.rest('unknown_b', { store: { n: { scaled: 3 } } }),
    name: 'unknown_b',
  });
  for (const migrator of [byDomain, byScale]) {
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 10 });
    expect(await migrator.verify()).toMatchObject({ equal: true });
    await expect(migrator.verify({ mode: 'full' })).rejects.toMatchObject({ code: 'VERIFY_UNSUPPORTED' });
    await migrator.close();
  }
});
