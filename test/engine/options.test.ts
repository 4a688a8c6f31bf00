import { expect, test } from 'vitest';
import { isMigratorError, ResumableMigrator, type TuningOptions } from 'resumable-migrator';
import { D1BindingSink, D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { CrashPoints } from 'resumable-migrator/testing';
import { rejection, World } from './world.ts';

const wrong = [0, -1, Number.NaN, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, '5', 'abc', {}, true];
/** Options for which 0 is a sensible value. */
const zeroAllowed = ['batchDelayMs', 'graceMs', 'retry.retries', 'retry.baseMs', 'retry.maxMs'];
const numeric = ['checkpointSize', 'concurrency', 'batchSize', 'pageSize', 'leaseMs', ...zeroAllowed];

/** What untyped code may pass. */
function tuningWith(option: string, value: unknown): TuningOptions {
  const [group, name] = option.split('.');
  return name === undefined ? { [option]: value } : { [String(group)]: { [name]: value } };
}

function invalid(error: unknown, option: string): void {
  if (!isMigratorError(error)) throw error;
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(option);
  expect(error.help).not.toBe('');
}

test.each(numeric)(
  '%s is refused before anything is called, unless it is a whole number in its range',
  (option) => {
    const counting = new CrashPoints();
    for (const value of wrong) {
      const construct = (): unknown =>
        new World({ rows: 5, mode: 'insert' }).migrator(tuningWith(option, value), counting);
      if (value === 0 && zeroAllowed.includes(option)) {
        expect(construct).not.toThrow();
        continue;
      }
      try {
        construct();
      } catch (error) {
        invalid(error, option);
        continue;
      }
      throw new Error(`${option}: ${JSON.stringify(value)} was accepted`);
    }
    expect(counting.count).toBe(0);
  },
);

test.each(['milliseconds', 'rows', 'batches'])('a budget of %s is refused in the same way', async (limit) => {
  const counting = new CrashPoints();
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator({}, counting);
  for (const value of wrong) {
    const budget = { [limit]: value } as { readonly rows?: number };
    invalid(await rejection(migrator.run({ budget })), limit);
    invalid(await rejection(migrator.repair({ budget })), limit);
  }
  expect(counting.count).toBe(0);
});

test.each(['verify', 'repair'] as const)(
  '%s() refuses a mode that is none, instead of comparing less than was asked for',
  async (method) => {
    const world = new World({ rows: 5, mode: 'upsert' });
    const migrator = world.migrator();
    await migrator.run();
    world.table.rows.set('["-5"]', ['-5', 'changed']);
    const image = world.image();
    for (const mode of ['fulll', 'Full', '', 1]) {
      const error = await rejection(migrator[method]({ mode: mode as 'full' }));
      expect(error).toMatchObject({ code: 'INVALID_OPTION' });
      expect(error).toMatchObject({
        message: expect.stringContaining('mode must be "count" or "full", not'),
      });
    }
    expect(world.image()).toEqual(image);
  },
);

test.each(['', 5, {}])('%j is no name of a migration', (name) => {
  expect(() => new World({ rows: 5, mode: 'insert' }).migrator(tuningWith('name', name))).toThrow('name');
});

test('a migrator without a source or a sink says what is missing', () => {
  const world = new World({ rows: 5, mode: 'insert' });
  const construct = (parts: object): unknown =>
    new ResumableMigrator(parts as ConstructorParameters<typeof ResumableMigrator>[0]);
  expect(() => construct({ sink: world.sink() })).toThrow('source is missing');
  expect(() => construct({ source: world.source() })).toThrow('sink is missing');
});

/** What untyped code may pass in place of options. */
type Anything = (options: unknown) => unknown;
const migratorOf: Anything = (options) => new ResumableMigrator(options as never);
const partsOf = (): { source: unknown; sink: unknown } => {
  const world = new World({ rows: 5, mode: 'insert' });
  return { source: world.source(), sink: world.sink() };
};
const postgresOf: Anything = (options) => new PostgresKeysetSource(options as never);
const postgres = { connectionString: 'postgresql://u:p@h/d', table: 't' };
const restOf: Anything = (options) => new D1RestSink(options as never);
const rest = { accountId: 'a', databaseId: 'd', apiToken: 't', table: 't' };
const bindingOf: Anything = (options) => new D1BindingSink(options as never);
const database = { prepare: () => undefined, batch: () => undefined };

function invalidOf(construct: () => unknown): { readonly message: string; readonly help: string } {
  try {
    construct();
  } catch (error) {
    invalid(error, '');
    return error as { readonly message: string; readonly help: string };
  }
  throw new Error('It was accepted.');
}

test.each<[what: string, construct: () => unknown, message: RegExp, help: RegExp]>([
  [
    'of the migrator',
    () => migratorOf({ ...partsOf(), checkpointsize: 5 }),
    /checkpointsize/,
    /checkpointSize/,
  ],
  [
    'of the migrator',
    () => migratorOf({ ...partsOf(), store: {} }),
    /The migrator takes no store/,
    /checkpoints/,
  ],
  [
    'of retry',
    () => migratorOf({ ...partsOf(), retry: { attempts: 5 } }),
    /retry takes no attempts/,
    /retries/,
  ],
  [
    'of the PostgreSQL source',
    () => postgresOf({ ...postgres, keys: ['id'] }),
    /source takes no keys/,
    /key,/,
  ],
  ['of the REST sink', () => restOf({ ...rest, createtable: 'never' }), /no createtable/, /createTable/],
  [
    'of the binding sink',
    () => bindingOf({ database, table: 't', apiToken: 't' }),
    /no apiToken/,
    /database/,
  ],
])('an option %s that there is not is refused, with those that there are', (_, construct, message, help) => {
  const refused = invalidOf(construct);
  expect(refused.message).toMatch(message);
  expect(refused.help).toMatch(help);
});

test.each<[what: string, construct: () => unknown, message: RegExp]>([
  ['no options', () => migratorOf(undefined), /source is missing/],
  ['a number of retries', () => migratorOf({ ...partsOf(), retry: 5 }), /retry takes no 5/],
  ['null for retry', () => migratorOf({ ...partsOf(), retry: null }), /retry takes no null/],
  [
    'null for transform',
    () => migratorOf({ ...partsOf(), transform: null }),
    /transform\.version is missing/,
  ],
  ['no options of a source', () => postgresOf(undefined), /The source takes no undefined/],
  ['no options of a sink', () => restOf(undefined), /The sink takes no undefined/],
  ['no options of a sink', () => bindingOf(undefined), /The sink takes no undefined/],
  ['a key that is no list', () => postgresOf({ ...postgres, key: 'id' }), /`key`/],
  ['columns that are no list', () => postgresOf({ ...postgres, columns: 'id' }), /`columns`/],
  ['columns that are null', () => postgresOf({ ...postgres, columns: null }), /`columns`/],
  ['a condition as text', () => postgresOf({ ...postgres, where: 'id > 5' }), /`where`/],
  ['a condition that is empty', () => postgresOf({ ...postgres, where: '' }), /`where`/],
])('%s is refused as an option that cannot work', (_, construct, message) => {
  expect(invalidOf(construct).message).toMatch(message);
});

test('every option that there is may be given', async () => {
  const world = new World({ rows: 25, mode: 'upsert' });
  const numbers = {
    concurrency: 1,
    batchSize: 5,
    targetBatchMs: 5,
    batchDelayMs: 0,
    pageSize: 5,
    leaseMs: 100,
  };
  const all = {
    ...numbers,
    source: world.source(),
    sink: world.sink(),
    checkpoints: world.sink().checkpoints,
    name: 'm',
    checkpointSize: 'auto',
    graceMs: 0,
    planAheadMs: 0,
    retry: { retries: 0, baseMs: 0, maxMs: 0 },
    transform: undefined,
    validate: undefined,
    onReject: 'stop',
  } as const;
  const budget = { milliseconds: 60_000, rows: 1_000, batches: 1_000 };
  const migrator = new ResumableMigrator(all);
  expect(await migrator.run({ budget, signal: undefined })).toMatchObject({ status: 'completed' });
  expect(await migrator.verify({ mode: 'full', from: 1, budget })).toMatchObject({ equal: true });
});

test('a source and a sink that are swapped are refused', () => {
  const { source, sink } = partsOf();
  expect(invalidOf(() => migratorOf({ source: sink, sink: source })).message).toMatch(
    /^source is missing, or/,
  );
  expect(invalidOf(() => migratorOf({ source, sink: source })).message).toMatch(/^sink is missing, or/);
});

test.each<[what: string, options: unknown, message: RegExp]>([
  ['an option that there is not', { abortSignal: AbortSignal.abort() }, /takes no abortSignal/],
  ['a limit that there is not', { budget: { ms: 5 } }, /budget takes no ms/],
  ['a number for a budget', { budget: 5 }, /budget takes no 5/],
  ['a controller for its signal', { signal: new AbortController() }, /signal/],
])('a run with %s is refused before anything is called', async (_, options, message) => {
  const counting = new CrashPoints();
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator({}, counting);
  const error = await rejection(migrator.run(options as object));
  invalid(error, '');
  expect((error as Error).message).toMatch(message);
  expect(counting.count).toBe(0);
});

test('options that are undefined stand at their defaults', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const names = [
    'checkpointSize',
    'concurrency',
    'batchSize',
    'pageSize',
    'leaseMs',
    'batchDelayMs',
    'graceMs',
    'name',
  ];
  const tuning = Object.fromEntries([...names, 'retry'].map((name) => [name, undefined])) as TuningOptions;
  expect(await world.migrator(tuning).run()).toMatchObject({
    status: 'completed',
    completedCheckpoints: 1,
    batches: 1,
  });
});
