import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Creates, fills, copies and compares a table; returns its checkpoints. */
async function copy(
  table: string,
  ddl: string,
  fill: string[],
  order: string,
  options: Parameters<World['migrator']>[1] = {},
): Promise<Record<string, unknown>[]> {
  await world.postgres(`CREATE TABLE ${table} (${ddl})`, ...fill, `ANALYZE ${table}`);
  const result = await world.migrator(table, options).run();
  expect(result.status).toBe('completed');
  expect(await world.sinkRows(table, order)).toEqual(await world.sourceRows(table, order));
  return await world.d1(
    `SELECT seq, CAST(start_id AS TEXT) AS start_id, CAST(end_id AS TEXT) AS end_id, typeof(start_id) AS type,
      status, records_processed AS rows FROM migration_checkpoints WHERE table_name = '${table}' ORDER BY seq`,
  );
}

describe('integer keys', () => {
  test('2,210,059 dense ids make 45 checkpoints of 50,000, the last one cut at the last id', async () => {
    await world.postgres(
      'CREATE TABLE dense (id bigint PRIMARY KEY)',
      'INSERT INTO dense SELECT generate_series(1, 2210059)',
      'ANALYZE dense',
    );
    const migrator = world.migrator('dense');
    const plan = await migrator.plan({ exactCount: true });
    expect(plan).toMatchObject({ totalRows: 2_210_059, newCheckpoints: 45, checkpointSize: 50_000 });
    expect(plan.newRange).toEqual({ lower: { key: ['1'], inclusive: true }, upper: ['2210059'] });
    await migrator.run({ budget: { batches: 1 } });
    const rows = await world.d1(
      `SELECT count(*) AS n, min(start_id) AS first, max(end_id) AS last, sum(end_id - start_id + 1) AS ids FROM migration_checkpoints WHERE table_name = 'dense'`,
    );
    expect(rows).toEqual([{ n: 45, first: 1, last: 2_210_059, ids: 2_210_059 }]);
    expect(
      await world.d1(
        `SELECT start_id, end_id FROM migration_checkpoints WHERE table_name = 'dense' AND seq IN (15, 45) ORDER BY seq`,
      ),
    ).toEqual([
      { start_id: 700_001, end_id: 750_000 },
      { start_id: 2_200_001, end_id: 2_210_059 },
    ]);
  });

  test('zero and negative ids are copied', async () => {
    const checkpoints = await copy(
      'signed',
      'id int PRIMARY KEY, v text',
      [`INSERT INTO signed SELECT i, 'v' || i FROM generate_series(-120, 77) AS i`],
      'id',
      { checkpointSize: 50 },
    );
    expect(checkpoints.map(({ start_id: start, end_id: end, rows }) => [start, end, rows])).toEqual([
      ['-120', '-71', 50],
      ['-70', '-21', 50],
      ['-20', '29', 50],
      ['30', '77', 48],
    ]);
  });

  test('a range without rows completes with 0 records', async () => {
    const checkpoints = await copy(
      'holes',
      'id int PRIMARY KEY',
      ['INSERT INTO holes SELECT i FROM generate_series(1, 30) AS i', 'INSERT INTO holes VALUES (95)'],
      'id',
      { checkpointSize: 10 },
    );
    expect(checkpoints.map(({ rows }) => rows)).toEqual([10, 10, 10, 0, 0, 0, 0, 0, 0, 1]);
    expect(new Set(checkpoints.map(({ status }) => status))).toEqual(new Set(['completed']));
  });

  test('gaps of billions between ids make no empty checkpoints', async () => {
    const checkpoints = await copy(
      'sparse',
      'id bigint PRIMARY KEY, v int',
      [
        'INSERT INTO sparse SELECT i * 3000000017, i FROM generate_series(-100, 150) AS i',
        'INSERT INTO sparse VALUES (9223372036854775807, 1), (-9223372036854775808, 2), (9007199254740993, 3), (9007199254740995, 4)',
      ],
      'id',
      { checkpointSize: 100 },
    );
    expect(checkpoints.map(({ rows }) => rows)).toEqual([100, 100, 55]);
    expect(new Set(checkpoints.map(({ type }) => type))).toEqual(new Set(['integer']));
    // Each range begins just behind the one before: a row that appears in a gap belongs to a range as well.
    for (const [index, checkpoint] of checkpoints.entries()) {
      const before = checkpoints[index - 1];
      if (before) expect(BigInt(String(checkpoint['start_id']))).toBe(BigInt(String(before['end_id'])) + 1n);
    }
    expect(checkpoints[0]?.['start_id']).toBe('-9223372036854775808');
    expect(checkpoints.at(-1)?.['end_id']).toBe('9223372036854775807');
  });

  test('dense ids beyond 2^53 are copied exactly, in fixed ranges', async () => {
    const checkpoints = await copy(
      'huge',
      'id bigint PRIMARY KEY, other bigint',
      [
        'INSERT INTO huge SELECT 9007199254740993 + i, 9223372036854775807 - i FROM generate_series(0, 249) AS i',
      ],
      'id',
      { checkpointSize: 100, batchSize: 33 },
    );
    expect(checkpoints.map(({ start_id: start, rows }) => [start, rows])).toEqual([
      ['9007199254740993', 100],
      ['9007199254741093', 100],
      ['9007199254741193', 50],
    ]);
  });

  test('one row is copied', async () => {
    const checkpoints = await copy(
      'single',
      'id int PRIMARY KEY, v text',
      [`INSERT INTO single VALUES (42, 'only')`],
      'id',
    );
    expect(checkpoints).toMatchObject([{ start_id: '42', end_id: '42', status: 'completed', rows: 1 }]);
  });

  test('an empty table completes, its table is made, and rows that come later are copied by the next run', async () => {
    expect(await copy('nothing', 'id int PRIMARY KEY, v text', [], 'id')).toEqual([]);
    await world.postgres(`INSERT INTO nothing VALUES (1, 'a'), (2, 'b')`);
    expect(await world.migrator('nothing').run()).toMatchObject({ status: 'completed', rows: 2 });
    expect(await world.sinkRows('nothing', 'id')).toEqual([
      ['1', 'a'],
      ['2', 'b'],
    ]);
  });

  test('rows past the planned end get checkpoints on the next run, and nothing else is read again', async () => {
    await copy(
      'grows',
      'id int PRIMARY KEY, v text',
      [`INSERT INTO grows SELECT i, 'v' FROM generate_series(1, 250) AS i`],
      'id',
      { checkpointSize: 100 },
    );
    await world.postgres(`INSERT INTO grows SELECT i, 'late' FROM generate_series(251, 380) AS i`);
    expect(await world.migrator('grows', { checkpointSize: 100 }).run()).toMatchObject({
      rows: 130,
      completedCheckpoints: 2,
    });
    expect(await world.sinkRows('grows', 'id')).toEqual(await world.sourceRows('grows', 'id'));
  });
});

describe('other keys', () => {
  test('a composite key is paged by row values, and its ranges leave no gap', async () => {
    const checkpoints = await copy(
      'composite',
      `region text COLLATE "C", n int, v text, PRIMARY KEY (region, n)`,
      [`INSERT INTO composite SELECT 'r' || (i % 7), i, 'v' || i FROM generate_series(1, 1000) AS i`],
      'region, n',
      { checkpointSize: 300, batchSize: 37, pageSize: 90 },
    );
    expect(checkpoints.map(({ rows }) => rows)).toEqual([300, 300, 300, 100]);
    expect(checkpoints[0]?.['start_id']).toBeNull();
    expect(checkpoints[1]?.['start_id']).toBe(checkpoints[0]?.['end_id']);
    expect(JSON.parse(String(checkpoints[0]?.['end_id']))).toHaveLength(2);
  });

  test('uuid keys are copied', async () => {
    const checkpoints = await copy(
      'uuids',
      'id uuid PRIMARY KEY, n int',
      ['INSERT INTO uuids SELECT gen_random_uuid(), i FROM generate_series(1, 777) AS i'],
      'id',
      { checkpointSize: 200, pageSize: 64 },
    );
    expect(checkpoints.map(({ rows }) => rows)).toEqual([200, 200, 200, 177]);
  });

  test('text keys in the order of a language, with quotes and emoji in them, are copied', async () => {
    await world.postgres(
      `CREATE COLLATION german (provider = icu, locale = 'de-DE')`,
      'CREATE TABLE words (word text COLLATE german PRIMARY KEY, n int)',
      `INSERT INTO words SELECT w || x, x FROM generate_series(1, 9) AS x,
        unnest(ARRAY['Äpfel','apfel','Apfel','zoo','Zoo','ö','o''clock','"quoted"','["1"]','123','-5','','😀','a_b','a-b','a b']) AS w`,
      `INSERT INTO words VALUES ('', 0)`,
    );
    expect(await world.migrator('words', { checkpointSize: 40, pageSize: 7 }).run()).toMatchObject({
      rows: 145,
    });
    // D1 orders texts by their bytes, so both sides are read in that order.
    expect(await world.sinkRows('words', 'word')).toEqual(
      await world.sourceRows('words', 'word COLLATE "C"'),
    );
  });

  test('a given key may be any unique index that cannot be null, even one that is not copied', async () => {
    await world.postgres(
      'CREATE TABLE byname (id int PRIMARY KEY, a int NOT NULL, b timestamptz NOT NULL, UNIQUE (a, b))',
      `INSERT INTO byname SELECT i, i % 10, '2026-01-01'::timestamptz + i * interval '1.000001 s' FROM generate_series(1, 400) AS i`,
    );
    const source = { key: ['a', 'b'], columns: ['id', 'a'] };
    const migrator = world.migrator('byname', { source, checkpointSize: 90, pageSize: 13 });
    expect(await migrator.plan()).toMatchObject({ mode: 'insert', delivery: 'exactly-once' });
    expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 400 });
    const expected = (await world.sourceRows('byname', 'id')).map(([id, a]) => [id, a]);
    expect(await world.sinkRows('byname', 'id')).toEqual(expected);
  });
});
