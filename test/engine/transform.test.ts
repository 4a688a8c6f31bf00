import { describe, expect, test } from 'vitest';
import { isMigratorError, MigrationGroup, MigratorError, type RowTransform } from 'resumable-migrator';
import type { MemorySink } from 'resumable-migrator/memory';
import {
  countsOf,
  expectedOf,
  expectedRejects,
  rejectsOf,
  splittingOptions,
  splittingWorld,
} from './splitting.ts';
import { type MigratorOptions, rejection, someRows, World } from './world.ts';

type Transform = Partial<RowTransform>;
const transform = (map: (row: Record<string, unknown>) => unknown, more: Transform = {}): RowTransform => ({
  version: '1',
  map: map as RowTransform['map'],
  ...more,
});

test('rows are changed, skipped, multiplied and set aside, and every summary counts them', async () => {
  const world = new World({ ...splittingWorld, rows: 60, mode: 'upsert' });
  const migrator = world.migrator(splittingOptions);
  const events: unknown[] = [];
  const batches = { rows: 0, written: 0, rejected: 0 };
  migrator.on('row:rejected', ({ key, code, reason }) => events.push([key[0], code, reason]));
  migrator.on('batch:committed', ({ rows, written, rejected }) => {
    batches.rows += rows;
    batches.written += written;
    batches.rejected += rejected;
  });
  let last: unknown;
  migrator.on('progress', ({ rows, rejected }) => (last = { rows, rejected }));
  const result = await migrator.run();
  const counts = { rows: 60, written: expectedOf(world.rows).length, rejected: 27 };
  expect(world.differences(expectedOf(world.rows))).toEqual({});
  expect(rejectsOf(world)).toEqual(expectedRejects(world.rows));
  expect(result).toMatchObject({ status: 'completed', ...counts, progress: counts });
  expect(await migrator.status()).toMatchObject(counts);
  expect(batches).toEqual(counts);
  expect(last).toEqual({ rows: 60, rejected: 27 });
  expect(events).toHaveLength(27);
  expect(events).toContainEqual([
    '2',
    'TRANSFORM_FAILED',
    '`transform.map` threw: TypeError: no way with name 7',
  ]);
  expect(events).toContainEqual(['4', 'ROW_INVALID', 'name.0: no: name 9']);
  const group = new MigrationGroup();
  const again = new World({ ...splittingWorld, rows: 60, mode: 'insert' });
  const options = { ...splittingOptions, source: again.source(), sink: again.sink() };
  group.add(options as Parameters<typeof group.add>[0]);
  expect((await group.run()).totals).toMatchObject(counts);
  expect(await group.status()).toMatchObject(counts);
});

test('a run that is stopped and goes on with other batches copies the same', async () => {
  const world = new World({ ...splittingWorld, rows: 60, mode: 'insert' });
  for (let batchSize = 1; ; batchSize += 1) {
    const tuning = { ...splittingOptions, batchSize, pageSize: 1 + (batchSize % 5) };
    const { status } = await world.migrator(tuning).run({ budget: { batches: 2 } });
    if (status === 'completed') break;
  }
  expect(world.differences(expectedOf(world.rows))).toEqual({});
  expect(rejectsOf(world)).toEqual(expectedRejects(world.rows));
  expect(countsOf(world)).toMatchObject({ processed: 60, rejected: 27 });
});

test('where every row is skipped the checkpoints move a page at a time, and complete', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  const migrator = world.migrator({ transform: transform(() => null), pageSize: 3 });
  const batches: unknown[] = [];
  migrator.on('batch:committed', ({ cursor, rows, written }) => batches.push([cursor[0], rows, written]));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 35, written: 0, rejected: 0 });
  expect(batches.slice(0, 4)).toEqual([
    ['-3', 3, 0],
    ['0', 3, 0],
    ['3', 3, 0],
    ['4', 1, 0],
  ]);
  expect(world.table.rows.size).toBe(0);
  expect(await migrator.verify()).toMatchObject({ equal: true, sourceRows: 35, sinkRows: 0 });
});

test('what comes from one row stays in one batch, also where it is more than a batch should have', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const times = (row: Record<string, unknown>): unknown =>
    Array.from({ length: Number(row['id']) === 2 ? 9 : 2 }, () => row);
  const migrator = world.migrator({ transform: transform(times), batchSize: 5 });
  const batches: unknown[] = [];
  migrator.on('batch:committed', ({ rows, written }) => batches.push([rows, written]));
  await migrator.run();
  expect(batches).toEqual([
    [2, 4],
    [2, 4],
    [2, 4],
    [1, 2],
    [1, 9],
    [2, 4],
  ]);
  expect(countsOf(world)).toEqual({ processed: 10, written: 27, rejected: 0 });
});

test('a group that no batch can hold is refused, with its key', async () => {
  const world = new World({ rows: 10, mode: 'insert', maxRowBytes: 50 });
  const map = (row: Record<string, unknown>): unknown => (row['id'] === 2n ? Array(10).fill(row) : row);
  const error = await rejection(world.migrator({ transform: transform(map) }).run());
  expect(error).toMatchObject({ message: expect.stringContaining('rows that one row became') as string });
  expect(error).toMatchObject({ cause: { code: 'ROW_TOO_LARGE', place: { key: ['2'] } } });
});

test('a sink that asks for less gets batches of half as many rows of the source', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const sink = world.sink();
  const prepare = sink.prepare.bind(sink);
  sink.prepare = async (...args) => {
    const target = await prepare(...args);
    const commit = target.commit.bind(target);
    target.commit = (batch, advance, context) => {
      if (batch.rows <= 3) return commit(batch, advance, context);
      throw new MigratorError('SINK_OVERLOADED', 'Too much.', { help: 'Less.', shrink: true });
    };
    return target;
  };
  const twice = transform((row) => [row, row]);
  const migrator = world.migrator({ transform: twice, batchSize: 100, pageSize: 100 }, undefined, sink);
  const batches: unknown[] = [];
  migrator.on('batch:committed', ({ rows, written }) => batches.push([rows, written]));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 10, written: 20 });
  expect(new Set(batches.map(String))).toEqual(new Set(['1,2']));
});

describe('a row that cannot be copied stops its checkpoint, and its error holds no value', () => {
  const cases: readonly (readonly [string, Omit<Transform, 'map'> & { map: unknown }, string, RegExp])[] = [
    [
      'map throws',
      { map: () => JSON.parse('{secret') as unknown },
      'TRANSFORM_FAILED',
      /threw \(SyntaxError\)/,
    ],
    ['nothing comes back', { map: () => undefined }, 'TRANSFORM_FAILED', /no row, but undefined/],
    ['a number comes back', { map: () => 7 }, 'TRANSFORM_FAILED', /no row, but number/],
    [
      'a promise comes back',
      { map: () => Promise.reject(new Error('secret')) },
      'TRANSFORM_FAILED',
      /a promise/,
    ],
    ['a list of lists comes back', { map: (row: object) => [[row]] }, 'TRANSFORM_FAILED', /an array/],
    ['a column is missing', { map: () => ({ id: 1 }) }, 'TRANSFORM_FAILED', /has no name/],
    [
      'a column is unknown',
      { map: (row: object) => ({ ...row, nope: 'secret' }) },
      'TRANSFORM_FAILED',
      /has nope, which/,
    ],
    [
      'a value has a wrong type',
      { map: (row: object) => ({ ...row, name: { secret: 1 } }) },
      'TRANSFORM_FAILED',
      /value of name is not a text/,
    ],
    [
      'a value is null',
      { columns: { name: 'text' }, map: (row: object) => ({ ...row, name: null }) },
      'TRANSFORM_FAILED',
      /name is null/,
    ],
    [
      'the key is another',
      { map: (row: object) => ({ ...row, id: 987654321 }) },
      'TRANSFORM_FAILED',
      /changes the key/,
    ],
    ['two rows have one key', { map: (row: object) => [row, row] }, 'TRANSFORM_FAILED', /the same key/],
    [
      'a declared key is null',
      { key: ['name'], map: (row: object) => ({ ...row, name: null }) },
      'TRANSFORM_FAILED',
      /key of a row of the result is null/,
    ],
  ];
  test.each(cases)('%s', async (_name, given, code, message) => {
    const world = new World({ rows: 20, mode: 'upsert' });
    const error = await rejection(
      world.migrator({ transform: { version: '1', ...given } as RowTransform }).run(),
    );
    if (!isMigratorError(error) || !isMigratorError(error.cause)) throw error;
    expect(error.cause.code).toBe(code);
    expect(error.cause.message).toMatch(message);
    const { column, ...place } = error.cause.place;
    expect(place).toEqual({ migration: 'memory', checkpoint: 1, key: ['-5'] });
    // A column that is to blame is named, and no other.
    expect(column).toBe(
      /(?:has no|has|value of) (name|nope)|^(name) is null/.exec(error.cause.summary)?.slice(1).find(Boolean),
    );
    const said = JSON.stringify([error.message, error.help, error.result, world.database.checkpoints]);
    expect(said).not.toMatch(/secret|987654321|name \d/);
    expect(world.table.rows.size).toBe(0);
  });

  test('a validation that fails names the columns, and its own words are the cause', async () => {
    const world = new World({ rows: 20, mode: 'upsert' });
    const { validate } = splittingOptions;
    const error = await rejection(world.migrator({ validate }).run());
    if (!isMigratorError(error) || !isMigratorError(error.cause)) throw error;
    expect(error.cause.message).toBe(
      'The row does not pass `validate`: name. (migration "memory", checkpoint 1, key -3)',
    );
    expect(error.cause.cause).toMatchObject({ message: 'name.0: no: name 2' });
  });
});

test('a map that gives back what it was given changes nothing, whatever it adds to the object', async () => {
  const world = new World({ rows: 30, mode: 'upsert' });
  const seen: unknown[] = [];
  const map = (row: Record<string, unknown>): unknown => {
    seen.push([typeof row['id'], typeof row['name']]);
    return row;
  };
  await world.migrator({ transform: transform(map) }).run();
  expect(world.differences()).toEqual({});
  expect(new Set(seen.map(String))).toEqual(new Set(['bigint,string']));
});

test('columns are left out by false, and may still be in the object', async () => {
  const world = new World({ rows: 5, mode: 'upsert', columns: ['id', 'length'] });
  const columns = { name: false, length: { type: 'integer', nullable: true } } as const;
  const map = (row: Record<string, unknown>): unknown => ({ ...row, length: String(row['name']).length });
  await world.migrator({ transform: transform(map, { columns }) }).run();
  expect(world.differences(world.rows.map(([id = null, name]) => [id, String(name?.length)]))).toEqual({});
});

test('another version, other columns or another key of a transform do not go on with a plan', async () => {
  const world = new World({ rows: 20, mode: 'upsert', columns: ['id', 'name', 'x'] });
  const of = (more: Transform): MigratorOptions => ({
    transform: transform((row) => ({ ...row, x: 'x' }), { columns: { x: 'text' }, ...more }),
  });
  await world.migrator(of({})).run({ budget: { batches: 1 } });
  for (const [options, setting] of [
    [of({ version: '2' }), 'transform was 1, now 2'],
    [of({ columns: { x: 'json' } }), 'transform.columns was'],
    [of({ key: ['x'] }), 'transform.key was'],
    [{}, 'transform was 1, now not set'],
  ] as const) {
    const error = await rejection(world.migrator(options).run());
    expect(error).toMatchObject({ code: 'PLAN_MISMATCH' });
    expect(String(error)).toContain(setting);
  }
  expect(await world.migrator(of({})).run()).toMatchObject({ status: 'completed' });
});

describe('a row at which the code of the host does something odd is set aside, and the others are copied', () => {
  type Row = Record<string, unknown>;
  const mapped = (map: (row: Row) => unknown): MigratorOptions => ({
    transform: transform((row) => (row['id'] === 7n ? map(row) : row)),
  });
  const validated = (answer: (row: Row) => unknown): MigratorOptions =>
    ({
      validate: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (row: Row) => (row['id'] === 7n ? answer(row) : { value: row }),
        },
      },
    }) as unknown as MigratorOptions;
  const raise = (thrown: unknown): never => {
    throw thrown;
  };
  const revoked = (): object => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  const lazy = (): object => ({
    id: 7n,
    get name() {
      return raise(new Error('lazy'));
    },
  });
  const cases: readonly (readonly [string, MigratorOptions, string, RegExp])[] = [
    [
      'a property of the result throws',
      mapped(lazy),
      'TRANSFORM_FAILED',
      /^A row of the result threw: Error: lazy$/,
    ],
    ['the result is a revoked proxy', mapped(revoked), 'TRANSFORM_FAILED', /TypeError/],
    [
      'every property of the result throws',
      mapped(() => new Proxy({}, { get: () => raise(new Error('late')) })),
      'TRANSFORM_FAILED',
      /late/,
    ],
    ['it throws nothing', mapped(() => raise(null)), 'TRANSFORM_FAILED', /threw: object: null$/],
    [
      'it throws what has no text',
      mapped(() => raise(Object.create(null))),
      'TRANSFORM_FAILED',
      /threw: object: something/,
    ],
    [
      'it throws a revoked proxy',
      mapped(() => raise(revoked())),
      'TRANSFORM_FAILED',
      /threw: object: something/,
    ],
    [
      'it throws an error without a name',
      mapped(() => raise(Object.assign(new Error('no'), { name: Symbol('x') }))),
      'TRANSFORM_FAILED',
      /Symbol\(x\): no$/,
    ],
    ['a schema gives nothing', validated(() => undefined), 'ROW_INVALID', /TypeError/],
    ['a schema gives nothing later', validated(() => Promise.resolve(undefined)), 'ROW_INVALID', /TypeError/],
    [
      'a schema gives no list of issues later',
      validated(() => Promise.resolve({ issues: {} })),
      'ROW_INVALID',
      /TypeError/,
    ],
    [
      'a schema gives a path of nothing later',
      validated(() => Promise.resolve({ issues: [{ message: 'm', path: [null] }] })),
      'ROW_INVALID',
      /TypeError/,
    ],
    [
      'a property of what a schema gives throws',
      validated(() => Promise.resolve({ value: lazy() })),
      'TRANSFORM_FAILED',
      /lazy/,
    ],
  ];
  test.each(cases)('%s', async (_name, given, code, reason) => {
    const world = new World({ rows: 20, mode: 'upsert' });
    const run = await world.migrator({ ...given, onReject: 'set-aside' }).run();
    expect(run).toMatchObject({ status: 'completed', rejected: 1, written: 19 });
    expect(world.database.rejects).toMatchObject([
      { key: ['7'], code, reason: expect.stringMatching(reason) },
    ]);
    expect(world.differences(world.rows.filter(([id]) => id !== '7'))).toEqual({});
  });
});

test('without a transform, rows that the sink refuses are set aside too', async () => {
  const rows = someRows(30).map(([id = null, name = null], index) => [
    id,
    index % 10 === 3 ? 'x'.repeat(101) : name,
  ]);
  const world = new World({ rows, mode: 'upsert', maxRowBytes: 100 });
  const good = rows.filter(([, name]) => name?.startsWith('n'));
  const stopped = world.migrator();
  expect(await rejection(stopped.run())).toMatchObject({
    cause: { code: 'ROW_TOO_LARGE', place: { key: ['-2'] } },
  });
  // The policy is no part of the plan: the copy goes on.
  const migrator = world.migrator({ onReject: 'set-aside' });
  expect(await migrator.run()).toMatchObject({ status: 'completed', progress: { written: 27, rejected: 3 } });
  expect(world.differences(good)).toEqual({});
  expect(rejectsOf(world)).toMatchObject([{ key: ['-2'] }, { key: ['8'] }, { key: ['18'] }]);
  expect(await migrator.verify()).toMatchObject({ equal: true, rejectedRows: 3 });
  expect(await stopped.verify()).toMatchObject({ equal: true, rejectedRows: 3 });
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    equal: true,
    rejectedRows: 3,
    expectedRows: 27,
  });
});

test('a copy that starts anew forgets what was set aside before', async () => {
  const rows = someRows(30);
  rows[3] = ['-2', 'x'.repeat(101)];
  const world = new World({ rows, mode: 'upsert', maxRowBytes: 100 });
  const migrator = world.migrator({ onReject: 'set-aside' });
  await migrator.run();
  expect(world.database.rejects).toHaveLength(1);
  world.rows[3] = ['-2', 'short'];
  await migrator.reset();
  expect(world.database.rejects).toEqual([]);
  await migrator.run();
  expect(world.differences()).toEqual({});
  expect(world.database.rejects).toEqual([]);
});

test('rejected rows are listed however many they are', async () => {
  const world = new World({ rows: 250, mode: 'upsert', maxRowBytes: 1 });
  const migrator = world.migrator({
    onReject: 'set-aside',
    batchSize: 1000,
    pageSize: 1000,
    checkpointSize: 1000,
  });
  await migrator.run();
  const keys: string[] = [];
  for await (const { key, code, row } of migrator.rejects()) {
    expect([code, row?.['id']]).toEqual(['ROW_TOO_LARGE', key[0]]);
    keys.push(key[0] ?? '');
  }
  expect(keys).toEqual(world.rows.map(([id]) => id));
});

describe('an option that cannot work is refused before anything is written', () => {
  const map = (row: object): object => row;
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['no version', { map }, /transform.version/],
    ['an empty version', { version: '', map }, /transform.version/],
    ['no map', { version: '1' }, /transform.map/],
    ['an unknown type', { version: '1', map, columns: { x: 'varchar' } }, /gives x no type/],
    ['a type that is inherited', { version: '1', map, columns: { x: 'toString' } }, /gives x no type/],
    ['a key that is a text', { version: '1', map, key: 'id' }, /transform.key/],
    ['a key of no column', { version: '1', map, key: ['x'] }, /names x.*no column/],
    ['a column to leave out that is none', { version: '1', map, columns: { x: false } }, /leaves out x/],
    [
      'a key column that is left out',
      { version: '1', map, columns: { id: false } },
      /changes the key column id/,
    ],
    [
      'a key column of another type',
      { version: '1', map, columns: { id: 'text' } },
      /changes the key column id/,
    ],
    ['no column', { version: '1', map, key: [], columns: { id: false, name: false } }, /leaves no column/],
  ];
  test.each(cases)('%s', async (_name, given, message) => {
    const world = new World({ rows: 5, mode: 'upsert' });
    const before = world.image();
    const run = async (): Promise<unknown> =>
      await world.migrator({ transform: given as RowTransform }).run();
    const error = await rejection(run());
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(String(error)).toMatch(message);
    expect(world.image()).toEqual(before);
  });

  test('no schema, no policy, and a sink without a place for rejected rows', () => {
    const world = new World({ rows: 5, mode: 'upsert' });
    const make = (options: object, sink?: MemorySink) => (): unknown =>
      world.migrator(options, undefined, sink);
    const invalid = expect.objectContaining({ code: 'INVALID_OPTION' }) as Error;
    for (const options of [{ validate: map }, { validate: null }, { onReject: 'skip' }]) {
      expect(make(options)).toThrow(invalid);
    }
    const sink: MemorySink = Object.assign(world.sink(), { rejects: undefined });
    expect(make({ onReject: 'set-aside' }, sink)).toThrow(invalid);
    expect(make({ onReject: 'stop' }, sink)).not.toThrow();
  });
});
