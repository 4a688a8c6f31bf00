import { describe, test } from 'vitest';
import { type ColumnDescriptor, type TextRow } from 'resumable-migrator';
import { MemoryCheckpointStore, MemoryDatabase, MemorySink, MemorySource } from 'resumable-migrator/memory';
import { checkpointStoreSuite, sinkSuite, sourceSuite } from 'resumable-migrator/testing';

const column = (name: string, type: 'integer' | 'text' = 'text'): ColumnDescriptor => ({
  name,
  type,
  nativeType: type,
  nullable: name === 'name',
});

describe('MemoryCheckpointStore', () => {
  const create = () => {
    const database = new MemoryDatabase();
    const forgetSettings = (migration: string): Promise<void> => {
      database.plans.delete(migration);
      return Promise.resolve();
    };
    return { store: new MemoryCheckpointStore({ database }), database, forgetSettings };
  };

  describe('with a clock that the suite moves', () => {
    checkpointStoreSuite({
      test,
      create: () => {
        const { database, ...fixture } = create();
        let now = 1_000_000;
        database.now = () => now;
        const passTime = (milliseconds: number): Promise<void> => {
          now += milliseconds;
          return Promise.resolve();
        };
        return Promise.resolve({ ...fixture, passTime });
      },
    });
  });

  describe('with a real clock', () => {
    checkpointStoreSuite({ test, create: () => Promise.resolve(create()) });
  });
});

describe('MemorySource', () => {
  const suiteOver = (
    keys: string,
    key: readonly string[],
    columns: readonly ColumnDescriptor[],
    rows: readonly TextRow[],
  ) =>
    describe(`with ${keys}`, () => {
      const source = (of: readonly TextRow[]): MemorySource =>
        new MemorySource({ columns, key, rows: of.toReversed() });
      sourceSuite({
        test,
        create: () => Promise.resolve({ source: source(rows), rows }),
        createEmpty: () => Promise.resolve({ source: source([]), rows: [] }),
      });
    });

  const integers = [
    '-9223372036854775808',
    '-9007199254740993',
    '-9007199254740992',
    '-1',
    '0',
    '1',
    '2',
    '40000000000',
    '9007199254740992',
    '9007199254740993',
    '9223372036854775807',
  ];
  suiteOver(
    'integer keys that are far apart',
    ['id'],
    [column('id', 'integer'), column('name')],
    integers.map((id, index) => [id, index % 3 === 0 ? null : `name ${index}`]),
  );
  const texts = [
    '-5',
    '9',
    '010',
    '10',
    '123',
    '',
    ' ',
    '"',
    '1e3',
    '9a',
    '["123"]',
    "it's",
    'z',
    'Ünï',
    '東京',
    '🚀',
  ];
  suiteOver(
    'text keys',
    ['name'],
    [column('note'), column('name')],
    texts.map((name, index) => [`note ${index}`, name]),
  );
  const shops = ['eu', 'us'];
  suiteOver(
    'a key of two columns in another order than the table has them',
    ['shop', 'id'],
    [column('id', 'integer'), column('name'), column('shop')],
    shops.flatMap((shop) =>
      ['-1', '2', '10', '9007199254740993', '9223372036854775807'].map((id) => [id, null, shop]),
    ),
  );
});

describe('MemorySink', () => {
  const variants = [
    { name: 'upserting in a transaction', mode: 'upsert', atomic: true },
    { name: 'adding in a transaction', mode: 'insert', atomic: true },
    { name: 'upserting without a transaction', mode: 'upsert', atomic: false },
  ] as const;
  describe.each(variants)('$name', ({ mode, atomic }) => {
    sinkSuite({
      test,
      mode,
      atomic,
      create: () => {
        const database = new MemoryDatabase();
        const table = database.createTable('t', ['id', 'name', 'note'], mode === 'upsert' ? ['id'] : []);
        const sink = new MemorySink({ database, table: 't', atomic });
        return Promise.resolve({ sink, readRows: () => Promise.resolve([...table.rows.values()]) });
      },
    });
  });
});
