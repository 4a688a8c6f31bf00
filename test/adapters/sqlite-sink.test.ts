import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ResumableMigrator, type SinkTarget, type TextRow } from 'resumable-migrator';
import { MemorySource } from 'resumable-migrator/memory';
import { checkpointStoreSuite, CrashPoints, sinkSuite, sinkSuiteShape } from 'resumable-migrator/testing';
import { SqliteDatabase } from '../../examples/adapters/sqlite-database.ts';
import { SqliteSink, type SqliteSinkOptions } from '../../examples/adapters/sqlite-sink.ts';
import { SqliteCheckpointStore } from '../../examples/adapters/sqlite-store.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sqlite-sink-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let files = 0;
const newFile = (): string => join(folder, `${(files += 1)}.sqlite`);

function inFile<T>(file: string, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

function textsOf(file: string, table: string, ...columns: string[]): TextRow[] {
  const list = columns.map((column) => `CAST(${column} AS TEXT)`).join(', ');
  return inFile(file, (database) => {
    const statement = database.prepare(`SELECT ${list} FROM ${table} ORDER BY ${columns[0]}`);
    statement.setReturnArrays(true);
    return statement.all() as unknown as TextRow[];
  });
}

describe.each(['upsert', 'insert', 'made by the sink'] as const)('a sink over a table: %s', (table) => {
  sinkSuite({
    test,
    mode: table === 'insert' ? 'insert' : 'upsert',
    create: async () => {
      const file = newFile();
      const sink = new SqliteSink({ file, table: 't' });
      const columns = `id INTEGER ${table === 'upsert' ? 'PRIMARY KEY' : ''}, name TEXT, note TEXT`;
      if (table === 'made by the sink') await (await sink.prepare(sinkSuiteShape)).create();
      else inFile(file, (database) => database.exec(`CREATE TABLE t (${columns})`));
      const readRows = (): Promise<TextRow[]> => Promise.resolve(textsOf(file, 't', 'id', 'name', 'note'));
      return { sink, readRows, dispose: () => sink.close() };
    },
  });
});

describe('the checkpoint store', () => {
  checkpointStoreSuite({
    test,
    create: () => {
      const database = new SqliteDatabase(newFile());
      const forgetSettings = (migration: string): Promise<void> => {
        database.run('DELETE FROM migration_plans WHERE table_name = ?', [[migration]]);
        return Promise.resolve();
      };
      const dispose = (): Promise<void> => Promise.resolve(database.close());
      return Promise.resolve({ store: new SqliteCheckpointStore(database), forgetSettings, dispose });
    },
  });
});

const rows: TextRow[] = Array.from({ length: 30 }, (_, index) => [
  String(index * 3 - 7),
  index % 4 === 0 ? null : `v${index}`,
]);
const source = (of: readonly TextRow[] = rows): MemorySource =>
  new MemorySource({
    columns: [
      { name: 'id', type: 'integer', nativeType: 'int8', nullable: false },
      { name: 'v', type: 'text', nativeType: 'text', nullable: true },
    ],
    key: ['id'],
    rows: of,
  });

/** One life of one process; without a primary key a row that is written twice is there twice. */
async function life(
  file: string,
  crash = new CrashPoints(),
  sink = new SqliteSink({ file, table: 't' }),
): Promise<unknown> {
  const tuning = { checkpointSize: 10, batchSize: 4, pageSize: 6, concurrency: 1, leaseMs: 100 };
  const migrator = new ResumableMigrator<object, object>({
    source: crash.wrapSource(source()),
    sink: crash.wrapSink(sink),
    ...tuning,
  });
  try {
    return await migrator.run();
  } finally {
    await sink.close();
  }
}

const keylessTable = (columns: string): string => {
  const file = newFile();
  inFile(file, (database) => database.exec(`CREATE TABLE t (${columns})`));
  return file;
};
const keyless = (): string => keylessTable('id INTEGER, v TEXT');

test('a run that dies at any effect of sink or store is resumed without a loss or a double', async () => {
  const counting = new CrashPoints();
  await life(keyless(), counting);
  const effects = counting.effects
    .map((name, index) => ({ name, n: index + 1 }))
    .filter(({ name }) => !name.startsWith('source'));
  expect(effects.filter(({ name }) => name === 'sink.commit').length).toBeGreaterThan(5);
  for (const { name, n } of effects) {
    for (const moment of ['before', 'after'] as const) {
      const file = keyless();
      const crash = new CrashPoints().at(n, moment);
      await expect(life(file, crash)).rejects.toThrow(/crashed/);
      expect(await life(file)).toMatchObject({ status: 'completed' });
      expect(textsOf(file, 't', 'id', 'v'), `a crash ${moment} effect ${n}, ${name}`).toEqual(rows);
    }
  }
  console.log(`${effects.length * 2} crash points`);
});

/** Its checkpoint moves in a transaction of its own, and its rows are written whatever became of that. */
class Careless extends SqliteSink {
  override async prepare(...args: Parameters<SqliteSink['prepare']>): Promise<SinkTarget> {
    const target = await super.prepare(...args);
    target.commit = async (batch, advance, context) => {
      const outcome = await this.checkpoints.advance(advance, context);
      await target.write(batch, context);
      return outcome;
    };
    return target;
  }
}

/** The sentences of the suite that a sink does not keep. */
async function broken(create: (options: SqliteSinkOptions) => SqliteSink): Promise<string[]> {
  const sentences: string[] = [];
  const runs: (() => Promise<void>)[] = [];
  sinkSuite({
    test: (name, run) => runs.push(() => run().catch(() => void sentences.push(name))),
    mode: 'insert',
    create: () => {
      const file = keylessTable('id INTEGER, name TEXT, note TEXT');
      const sink = create({ file, table: 't' });
      const readRows = (): Promise<TextRow[]> => Promise.resolve(textsOf(file, 't', 'id', 'name', 'note'));
      return Promise.resolve({ sink, readRows, dispose: () => sink.close() });
    },
  });
  for (const run of runs) await run();
  return sentences;
}

test('a sink that writes rows outside the transaction of their checkpoint is found by the suite', async () => {
  expect(await broken((options) => new SqliteSink(options))).toEqual([]);
  expect(await broken((options) => new Careless(options))).toEqual([
    'a batch that was committed is not written again',
    'a batch that was committed as the last one is not written again',
    'one batch that is committed several times at once is written once',
    'a worker whose checkpoint was claimed by another writes neither rows nor checkpoint',
    'a commit from where the checkpoint does not stand writes neither rows nor checkpoint',
    'a row without a key is added once by each commit that is due',
  ]);
});

test('rows that are missing, different or too many are found and mended', async () => {
  const file = newFile();
  await using migrator = new ResumableMigrator<object, object>({
    source: source(),
    sink: new SqliteSink({ file, table: 't' }),
    checkpointSize: 10,
  });
  await migrator.run();
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true });
  inFile(file, (database) =>
    database.exec(
      `DELETE FROM t WHERE id = 2; UPDATE t SET v = 'other' WHERE id = 5; INSERT INTO t VALUES (6, 'extra')`,
    ),
  );
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    equal: false,
    counts: { missing: 1, different: 1, extra: 1 },
  });
  expect(textsOf(file, 't', 'id', 'v')).not.toEqual(rows);
  await migrator.repair({ mode: 'full' });
  expect(textsOf(file, 't', 'id', 'v')).toEqual(rows);
});

test('a value that SQLite cannot hold exactly is refused, and a column of another type is found', async () => {
  const file = newFile();
  inFile(file, (database) => database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, f TEXT)'));
  const sink = new SqliteSink({ file, table: 't' });
  const column = { name: 'f', type: 'float', nativeType: 'float8', nullable: true } as const;
  const id = { name: 'id', type: 'integer', nativeType: 'int8', nullable: false } as const;
  const target = await sink.prepare({ migration: 'm', columns: [id, column], key: [id] });
  expect(target.findings?.map(({ code }) => code)).toEqual(['SQLITE_COLUMN_TYPE']);
  for (const text of ['NaN', '-0']) expect(() => target.encoder().add(['1', text])).toThrow(/has no/);
  expect(target.encoder().add(['1', '-Infinity'])).toBe(true);
  await sink.close();
});

test('a table whose columns would change values is refused before anything is written', async () => {
  const file = keylessTable('id INTEGER PRIMARY KEY, v INTEGER');
  await expect(life(file)).rejects.toMatchObject({
    code: 'PLAN_REFUSED',
    message: expect.stringContaining('v is INTEGER') as string,
  });
  expect(inFile(file, (database) => database.prepare('SELECT name FROM sqlite_master').all())).toEqual([
    { name: 't' },
  ]);
});

test('while another process writes to the file a call is refused as one to try again, and succeeds afterwards', async () => {
  const file = newFile();
  const database = new SqliteDatabase(file);
  const store = new SqliteCheckpointStore(database);
  await store.prepare();
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  await expect(store.clear('m')).rejects.toMatchObject({
    code: 'SINK_OVERLOADED',
    retryable: true,
    ambiguous: false,
  });
  other.exec('COMMIT');
  await store.clear('m');
  other.close();
  database.close();
});
