import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type PlanPreview,
  type ColumnDescriptor,
  type LogicalType,
  ResumableMigrator,
  type ResultColumn,
  type RowTransform,
} from 'resumable-migrator';
import type { D1Sink } from 'resumable-migrator/d1';
import { World } from '../support/world.ts';
import { scalars, scalarTypes } from '../values/scalars.ts';
import { differences, fill } from '../values/table.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(...scalarTypes);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** The local explorer: Cloudflare's own API, whose batches are no transactions here. */
const explorer = () => ({
  baseUrl: world.stack.d1.explorerUrl,
  fetch: ((url, init) => fetch((url as string).replace(/\/accounts\/[^/]+/, ''), init)) as typeof fetch,
});
const ways: readonly { name: string; sink: (table: string) => D1Sink<Record<string, unknown>> }[] = [
  { name: 'REST', sink: (table) => world.rest(table) },
  { name: 'the binding', sink: (table) => world.binding(table) },
  { name: 'an endpoint without transactions', sink: (table) => world.rest(table, explorer()) },
];

/** Every column but the key with its own type: so each value is decoded, and encoded anew. */
function declared(columns: readonly ColumnDescriptor[]): Record<string, ResultColumn> {
  const others = columns.filter(({ name }) => name !== 'id');
  return Object.fromEntries(others.map(({ name, type, nullable }) => [name, { type, nullable }]));
}

async function columnsOf(table: string): Promise<readonly ColumnDescriptor[]> {
  return (await world.source(table).describe()).columns;
}

describe('every value survives being decoded and encoded', () => {
  const seen = new Map<LogicalType, Set<string>>();

  test(`1,000 values of each of ${scalars.length} types, and their edges`, async () => {
    const rows = await fill(world, 'scalars', scalars, 1_000);
    const columns = await columnsOf('scalars');
    const transform: RowTransform = {
      version: '1',
      columns: declared(columns),
      map: (row) => {
        for (const { name, type } of columns) {
          const value = row[name];
          const kind = value instanceof Uint8Array ? 'Uint8Array' : typeof value;
          if (value !== null) seen.set(type, (seen.get(type) ?? new Set()).add(kind));
        }
        return row;
      },
    };
    await using migrator = new ResumableMigrator({
      source: world.source('scalars'),
      sink: world.rest('scalars'),
      transform,
    });
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows, written: rows, rejected: 0 });
    expect(await differences(world, 'scalars', scalars, rows)).toEqual([]);
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows });
    await world.d1(`UPDATE scalars SET "int8" = "int8" + 1 WHERE id = 500`);
    expect(await differences(world, 'scalars', scalars, rows)).toMatchObject([{ id: 500, column: 'int8' }]);
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({
      different: [{ key: ['500'], columns: ['int8'] }],
    });
  });

  test('what arrives is what is promised of each type', () => {
    expect(seen.get('integer')).toEqual(new Set(['number', 'bigint']));
    expect(seen.get('float')).toEqual(new Set(['number']));
    expect(seen.get('boolean')).toEqual(new Set(['boolean']));
    expect(seen.get('bytes')).toEqual(new Set(['Uint8Array']));
    for (const type of [
      'decimal',
      'uuid',
      'date',
      'timestamp',
      'timestamptz',
      'interval',
      'json',
      'text',
    ] as const) {
      expect(seen.get(type), type).toEqual(new Set(['string']));
    }
  });

  test('arrays, with other bounds and NaN in them', async () => {
    await world.postgres(
      'CREATE TABLE arrays (id int PRIMARY KEY, ints int8[], floats float8[], texts text[], times timestamptz[], dates date[])',
      `INSERT INTO arrays SELECT i, ARRAY[[i, NULL], [9223372036854775807, -i]], ARRAY['NaN', '-Infinity', i / 7.0]::float8[],
        ARRAY['a"b', '{}', NULL, repeat('x', i)], array_fill(to_timestamp(i), ARRAY[2], ARRAY[0]), '{}' FROM generate_series(1, 300) AS i`,
      'INSERT INTO arrays VALUES (301)',
    );
    const columns = declared(await columnsOf('arrays'));
    for (const [table, transform] of [
      ['arrays', undefined],
      ['arrays_again', { version: '1', columns, map: (row: Record<string, unknown>) => row }],
    ] as const) {
      const parts = { source: world.source('arrays'), sink: world.rest(table) };
      await new ResumableMigrator({ name: table, ...parts, ...(transform && { transform }) }).run();
    }
    const rows = await world.sinkRows('arrays', 'id');
    expect(rows).toHaveLength(301);
    expect(await world.sinkRows('arrays_again', 'id')).toEqual(rows);
  });
});

describe.each(ways)('over $name', ({ sink }) => {
  const places = ways.map(({ sink: one }) => one);
  const place = `orders_${places.indexOf(sink)}`;
  const schema = z.looseObject({
    id: z.bigint(),
    note: z.string().max(8, 'too long').nullable().default('none'),
  });
  const migratorOf = (): ResumableMigrator =>
    new ResumableMigrator({
      source: world.source(place),
      sink: sink(place),
      checkpointSize: 100,
      batchSize: 30,
      onReject: 'set-aside',
      validate: schema,
      transform: {
        version: '1',
        columns: {
          part: 'integer',
          price: { type: 'decimal', nullable: true },
          tags: { type: 'json' },
          seen: 'timestamptz',
          raw: false,
        },
        key: ['id', 'part'],
        map: (row) => {
          const id = Number(row['id']);
          if (id % 10 === 0) return null;
          if (id % 10 === 1) throw new RangeError(`no ${id}`);
          const note = id % 10 === 2 ? `much too long ${id}` : id % 10 === 3 ? undefined : row['note'];
          const made = { ...row, note, tags: { id, of: [row['note']] }, seen: new Date(id * 1000) };
          const price = id % 10 === 4 ? id / 8 : null;
          return id % 10 === 5
            ? [1, 2, 3].map((part) => ({ ...made, price, part }))
            : { ...made, price, part: 1 };
        },
      },
    });

  beforeAll(async () => {
    await world.postgres(
      `CREATE TABLE ${place} (id int8 PRIMARY KEY, note text, price int, raw bytea)`,
      `INSERT INTO ${place} SELECT i, 'n' || i, i, '\\x00' FROM generate_series(1, 500) AS i`,
    );
  });

  test('rows are skipped, multiplied, defaulted and set aside, beside their checkpoints', async () => {
    const migrator = migratorOf();
    let paused = 0;
    for (;;) {
      const { status } = await migratorOf().run({ budget: { batches: 3 } });
      if (status === 'completed') break;
      paused += 1;
    }
    expect(paused).toBeGreaterThan(3);
    const { rows: expected } = await world.pool.query<{ row: string }>(
      `SELECT json_build_array(id, CASE i WHEN 3 THEN 'none' ELSE note END, CASE i WHEN 4 THEN (id / 8.0)::float8::text END, part,
        json_build_object('id', id, 'of', json_build_array(note))::text,
        to_char(to_timestamp(id) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text AS row
      FROM (SELECT *, id % 10 AS i FROM ${place}) AS o, generate_series(1, CASE i WHEN 5 THEN 3 ELSE 1 END) AS part
      WHERE i NOT IN (0, 1, 2) ORDER BY id, part`,
    );
    const found = await world.d1(
      `SELECT json_array(id, note, price, part, tags, seen) AS row FROM ${place} ORDER BY id, part`,
    );
    const parsed = (rows: readonly { row?: unknown }[]): unknown =>
      rows.map(({ row }) =>
        (JSON.parse(String(row)) as unknown[]).map(
          (value, index) => (index === 4 ? JSON.parse(String(value)) : value) as unknown,
        ),
      );
    expect(found).toHaveLength(450);
    expect(parsed(found)).toEqual(parsed(expected));
    const rejects = await world.d1(
      `SELECT checkpoint, key, code, reason, "row", created_at FROM migration_rejects WHERE table_name = '${place}' ORDER BY CAST(key->>0 AS INTEGER)`,
    );
    expect(rejects).toHaveLength(100);
    expect(rejects.slice(0, 2)).toEqual([
      {
        checkpoint: 1,
        key: '["1"]',
        code: 'TRANSFORM_FAILED',
        reason: '`transform.map` threw: RangeError: no 1',
        row: '{"id":"1","note":"n1","price":"1","raw":"00"}',
        created_at: expect.stringMatching(/^\d{4}-/) as string,
      },
      expect.objectContaining({ key: '["2"]', code: 'ROW_INVALID', reason: 'note: too long' }),
    ]);
    expect(new Set(rejects.map(({ key }) => key)).size).toBe(100);
    const counts = { rows: 500, written: 450, rejected: 100 };
    expect(await migrator.status()).toMatchObject(counts);
    expect(
      await world.d1(
        `SELECT SUM(records_processed) AS rows, SUM(records_written) AS written, SUM(records_rejected) AS rejected FROM migration_checkpoints WHERE table_name = '${place}'`,
      ),
    ).toEqual([counts]);
    expect(await migrator.verify()).toMatchObject({ equal: true, sinkRows: 450, rejectedRows: 100 });
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({
      equal: true,
      rows: 500,
      expectedRows: 450,
    });
  });

  test('what differs is named and mended, and a new start forgets what was set aside', async () => {
    const migrator = migratorOf();
    await world.d1(`UPDATE ${place} SET tags = '{}' WHERE id = 5 AND part = 2`);
    await world.d1(`DELETE FROM ${place} WHERE id = 6`);
    await world.postgres(`UPDATE ${place} SET id = 7000 WHERE id = 1`); // set aside no more, but skipped
    const found = await migrator.verify({ mode: 'full' });
    expect(found).toMatchObject({
      equal: false,
      missing: [{ key: ['6'] }],
      different: [{ key: ['5'], columns: ['tags'] }],
    });
    expect((await migrator.repair({ mode: 'full' })).rows).toBe(2);
    await migrator.reset();
    expect(await world.d1(`SELECT * FROM migration_rejects WHERE table_name = '${place}'`)).toEqual([]);
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 500, rejected: 99 });
    const keys: unknown[] = [];
    for await (const { key } of migrator.rejects()) keys.push(key[0]);
    expect(new Set(keys).size).toBe(99);
    expect(keys).not.toContain('1');
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 500 });
  });
});

test('a schema that answers later, without a transform: what it gives out is written', async () => {
  await world.postgres(
    'CREATE TABLE people (id int PRIMARY KEY, name text, age int2)',
    `INSERT INTO people SELECT i, ' name ' || i || ' ', i % 130 FROM generate_series(1, 300) AS i`,
  );
  const schema = v.objectAsync({
    id: v.number(),
    name: v.pipeAsync(
      v.string(),
      v.trim(),
      v.checkAsync(async (name) => await Promise.resolve(name !== 'name 7'), 'taken'),
    ),
    age: v.pipe(v.number(), v.maxValue(119)),
  });
  const migrator = new ResumableMigrator({
    source: world.source('people'),
    sink: world.rest('people'),
    validate: schema,
    onReject: 'set-aside',
  });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 300, written: 279, rejected: 21 });
  expect(await world.sinkRows('people', 'id')).toEqual(
    await world.sourceRows('(SELECT id, trim(name), age FROM people WHERE age < 120 AND id <> 7) AS p', 'id'),
  );
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rejectedRows: 21 });
  expect(await migrator.verify()).toMatchObject({ equal: true });
});

test('a row of more than D1 can hold is set aside without its values; nothing of it is lost from the count', async () => {
  await world.postgres(
    'CREATE TABLE large (id int PRIMARY KEY, body text)',
    `INSERT INTO large SELECT i, CASE WHEN i % 3 = 0 THEN repeat('ä"', 800000) ELSE 'small' END FROM generate_series(1, 9) AS i`,
  );
  const migrator = new ResumableMigrator({
    source: world.source('large'),
    sink: world.rest('large'),
    onReject: 'set-aside',
  });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 9, written: 6, rejected: 3 });
  for await (const { code, reason, row } of migrator.rejects()) {
    expect([code, row]).toEqual(['ROW_TOO_LARGE', null]);
    expect(reason).toContain('too large to be kept');
  }
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 9, rejectedRows: 3 });
});

test('a value that a column cannot hold is set aside, and the rest of its batch is written', async () => {
  await world.postgres(
    'CREATE TABLE ratios (id int PRIMARY KEY, ratio float8)',
    `INSERT INTO ratios SELECT i, CASE WHEN i % 4 = 0 THEN 'NaN' ELSE i / 8.0 END FROM generate_series(1, 40) AS i`,
  );
  const migrator = new ResumableMigrator({
    source: world.source('ratios'),
    sink: world.rest('ratios'),
    onReject: 'set-aside',
  });
  await migrator.run();
  const [first] = await world.d1(
    `SELECT * FROM migration_rejects WHERE table_name = 'ratios' ORDER BY id LIMIT 1`,
  );
  expect(first).toMatchObject({ key: '["4"]', code: 'VALUE_REFUSED', row: '{"id":"4","ratio":"NaN"}' });
  expect(first?.['reason']).toContain('Column ratio');
  expect(await world.d1('SELECT count(*) AS n, sum(ratio) AS s FROM ratios')).toEqual([
    { n: 30, s: (820 - 220) / 8 },
  ]);
});

test('nothing is made for rejected rows where none are asked for', async () => {
  await world.d1('DROP TABLE IF EXISTS migration_rejects');
  await world.postgres(
    'CREATE TABLE plain (id int PRIMARY KEY)',
    'INSERT INTO plain SELECT generate_series(1, 9)',
  );
  const migrator = world.migrator('plain');
  await migrator.run();
  for await (const reject of migrator.rejects()) expect(reject).toBe('none');
  await migrator.reset();
  expect(await world.d1(`SELECT name FROM sqlite_master WHERE name = 'migration_rejects'`)).toEqual([]);
});

test('checkpoints of a table that did not count written and rejected rows go on', async () => {
  await world.postgres(
    'CREATE TABLE older (id int PRIMARY KEY)',
    'INSERT INTO older SELECT generate_series(1, 1000)',
  );
  const migrator = world.migrator('older', { checkpointSize: 100, batchSize: 40 });
  await migrator.run({ budget: { batches: 5 } });
  const before = await migrator.status();
  for (const column of ['records_written', 'records_rejected']) {
    await world.d1(`ALTER TABLE migration_checkpoints DROP COLUMN ${column}`);
  }
  expect(await migrator.status()).toEqual({ ...before, written: before.rows, rejected: 0 });
  expect(before.rows).toBeGreaterThan(100);
  expect(await migrator.run()).toMatchObject({
    status: 'completed',
    progress: { rows: 1000, written: 1000 },
  });
  expect(await migrator.verify()).toMatchObject({ equal: true });
});

test('a plan sends its sample through the transform, and tells what would be refused, and what would be set aside', async () => {
  await world.postgres(
    'CREATE TABLE planned (id int PRIMARY KEY, n int NOT NULL)',
    'INSERT INTO planned SELECT i, i FROM generate_series(1, 400) AS i',
  );
  const planOf = async (onReject: 'stop' | 'set-aside'): Promise<PlanPreview> =>
    await new ResumableMigrator({
      source: world.source('planned'),
      sink: world.rest('planned'),
      onReject,
      transform: {
        version: '1',
        columns: { n: false, half: 'integer' },
        map: (row) => (row['n'] === 7 ? null : { id: row['id'], half: Number(row['n']) / 2 }),
      },
    }).plan();
  const stopped = await planOf('stop');
  expect(stopped.columns.map(({ name }) => name)).toEqual(['id', 'half']);
  expect(stopped.findings).toMatchObject([{ code: 'TRANSFORM_FAILED', severity: 'error', column: 'half' }]);
  expect(stopped.findings[0]?.message).toContain('199 of the 400 rows');
  expect(await planOf('set-aside')).toMatchObject({
    findings: [{ code: 'TRANSFORM_FAILED', severity: 'warning', column: 'half' }],
  });
  expect(await world.d1(`SELECT name FROM sqlite_master WHERE name = 'planned'`)).toEqual([]);
});
