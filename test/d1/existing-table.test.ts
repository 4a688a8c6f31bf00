import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ColumnDescriptor, LogicalType, TextRow } from 'resumable-migrator';
import { ResumableMigrator, type TuningOptions } from 'resumable-migrator';
import type { D1DatabaseLike, StoredForm } from 'resumable-migrator/d1';
import { MemorySource } from 'resumable-migrator/memory';
import { World } from '../support/world.ts';

let world: World;
let d1: D1DatabaseLike;
beforeAll(async () => {
  world = await World.start();
  d1 = await world.stack.d1.database();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const column = (name: string, type: LogicalType, nativeType: string = type): ColumnDescriptor => ({
  name,
  type,
  nativeType,
  nullable: name !== 'id',
});

interface Options extends TuningOptions {
  readonly key?: readonly string[];
  readonly database?: D1DatabaseLike;
}

type Migrator = ResumableMigrator;

/** Makes a table in D1, and a migrator that copies these rows into it. */
async function into(
  ddl: string,
  columns: readonly ColumnDescriptor[],
  rows: readonly TextRow[],
  store: Record<string, StoredForm> = {},
  { key = ['id'], database = d1, ...options }: Options = {},
): Promise<Migrator> {
  await world.d1(ddl);
  const table = /^CREATE TABLE "?(\w+)/.exec(ddl)?.[1] ?? '';
  const source = new MemorySource({ name: table, columns, key, rows });
  return new ResumableMigrator({ source, sink: world.binding(table, { store, database }), ...options });
}

/** Severity, code and column of what the plan finds. */
async function found(migrator: Migrator): Promise<unknown[]> {
  return (await migrator.plan()).findings.map(({ severity, code, column: name }) => [severity, code, name]);
}

test('a text of which a column made another number is different, and one that is the same number is not', async () => {
  const migrator = await into(
    'CREATE TABLE numbers (id INTEGER PRIMARY KEY, code INT, price DECIMAL(30,2), ratio REAL, anything, note TEXT)',
    [
      column('id', 'integer'),
      column('code', 'text'),
      column('price', 'decimal'),
      column('ratio', 'decimal'),
      column('anything', 'text'),
      column('note', 'text'),
    ],
    [
      ['1', '7', '12.34', '0.5', '007', '007'],
      ['2', '007', '12.34', '0.5', '7', '7'],
      ['3', '7', '12345678901234567890.12', '0.5', null, null],
      ['4', 'x', '12.50', '0.1234567890123456789', '', ''],
      ['5', null, null, null, null, null],
    ],
  );
  await migrator.run();
  expect(await world.d1('SELECT code, price, anything, note FROM numbers WHERE id < 3')).toEqual([
    { code: 7, price: 12.34, anything: '007', note: '007' },
    { code: 7, price: 12.34, anything: '7', note: '7' },
  ]);
  const changed = [
    { key: ['2'], columns: ['code'] },
    { key: ['3'], columns: ['price'] },
    { key: ['4'], columns: ['price', 'ratio'] },
  ];
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ missing: [], different: changed });
  // Null, a text and bytes where a number was are something else as well.
  await world.d1(`UPDATE numbers SET code = NULL, price = x'31322e3334', ratio = 'x' WHERE id = 1`);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    different: [{ key: ['1'], columns: ['code', 'price', 'ratio'] }, ...changed],
  });
});

test('the plan names columns that make numbers of forms that were asked for, and the comparison their values', async () => {
  const migrator = await into(
    'CREATE TABLE asked (id INTEGER PRIMARY KEY, raw STRING, ratio NUMERIC, whole REAL, flag NUMERIC, raw_text TEXT)',
    [
      column('id', 'integer'),
      column('raw', 'bytes'),
      column('ratio', 'float'),
      column('whole', 'integer'),
      column('flag', 'boolean'),
      column('raw_text', 'bytes'),
    ],
    [
      ['1', '0012', '-0', '9007199254740993', 'true', '0012'],
      ['2', '12e4', '1e+300', '1', 'false', '12e4'],
      ['3', '00ff', '0.25', null, null, '00ff'],
    ],
    { raw: 'hex', ratio: 'text', whole: 'text', flag: 'text', raw_text: 'hex' },
  );
  expect(await found(migrator)).toEqual([
    ['warning', 'COLUMN_TYPE', 'raw'],
    ['warning', 'COLUMN_TYPE', 'ratio'],
    ['warning', 'COLUMN_TYPE', 'whole'],
  ]);
  await migrator.run();
  expect(await world.d1('SELECT raw, ratio, flag, raw_text FROM asked')).toEqual([
    { raw: 12, ratio: 0, flag: 'true', raw_text: '0012' },
    { raw: 120000, ratio: 1e300, flag: 'false', raw_text: '12e4' },
    { raw: '00ff', ratio: 0.25, flag: null, raw_text: '00ff' },
  ]);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    different: [
      { key: ['1'], columns: ['raw', 'ratio', 'whole'] },
      { key: ['2'], columns: ['raw', 'ratio', 'whole'] },
    ],
  });
});

const email = [column('id', 'integer'), column('email', 'text'), column('n', 'integer')];

test('conflict clauses of a table neither delete rows nor leave them out: the run fails, and keeps what was there', async () => {
  const clauses = {
    replacing: 'email TEXT UNIQUE ON CONFLICT REPLACE, n INTEGER',
    ignoring: 'email TEXT, n INTEGER NOT NULL ON\nconflict IGNORE',
    checking: 'email TEXT, n INTEGER, UNIQUE (email) ON /* a comment */ CONFLICT IGNORE',
  };
  for (const [table, ddl] of Object.entries(clauses)) {
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    const rows: TextRow[] = [
      ['1', 'a', '1'],
      ['2', 'b', '2'],
    ];
    const migrator = await into(
      `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, ${ddl})`,
      email,
      rows,
      {},
      {
        batchSize: 1,
      },
    );
    await migrator.run();
    rows.push(table === 'ignoring' ? ['3', 'c', null] : ['3', 'a', '3'], ['4', 'd', '4']);
    await expect(migrator.run(), table).rejects.toMatchObject({ cause: { code: 'SINK_FAILED' } });
    expect(await world.d1(`SELECT * FROM ${table}`), table).toEqual([
      { id: 1, email: 'a', n: 1 },
      { id: 2, email: 'b', n: 2 },
    ]);
    rows.splice(2, 1);
    expect(await migrator.run(), table).toMatchObject({ status: 'completed' });
    expect(await migrator.verify({ mode: 'full' }), table).toMatchObject({ equal: true, rows: 3 });
  }
});

test('the plan names triggers, and one that leaves out what it has already does so still', async () => {
  await world.d1('CREATE TABLE emails (email TEXT PRIMARY KEY)');
  const migrator = await into('CREATE TABLE noted (id INTEGER PRIMARY KEY, email TEXT, n INTEGER)', email, [
    ['1', 'a', '1'],
    ['2', 'a', '2'],
  ]);
  await world.d1(
    'CREATE TRIGGER note AFTER INSERT ON noted BEGIN INSERT OR IGNORE INTO emails VALUES (new.email); END',
  );
  await world.d1('CREATE TRIGGER again BEFORE UPDATE ON NOTED BEGIN SELECT 1; END');
  const { findings } = await migrator.plan();
  expect(findings).toMatchObject([
    {
      code: 'SINK_TRIGGERS',
      severity: 'warning',
      message: expect.stringMatching(/noted has .*: note, again\.$/),
    },
  ]);
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 2 });
  expect(await world.d1('SELECT * FROM emails')).toEqual([{ email: 'a' }]);
});

test('a run is refused, and writes nothing, where D1 takes different keys for equal', async () => {
  const text = [column('id', 'text'), column('n', 'integer')];
  const rows: TextRow[] = [
    ['007', '1'],
    ['7', '2'],
  ];
  const collation = ['error', 'SINK_KEY_COLLATION', 'id'];
  const type = ['error', 'COLUMN_TYPE', 'id'];
  const tables: [ddl: string, columns: ColumnDescriptor[], finding: unknown, store?: StoredForm][] = [
    ['(id TEXT COLLATE NOCASE PRIMARY KEY, n INT)', text, collation],
    ['(id TEXT COLLATE rtrim PRIMARY KEY, n INT) WITHOUT ROWID', text, collation],
    ['(id TEXT, n INT, UNIQUE (id COLLATE NOCASE))', text, collation],
    ['(id INT PRIMARY KEY, n INT)', text, type],
    ['(id DECIMAL(10,2) PRIMARY KEY, n INT)', [column('id', 'decimal', 'numeric'), ...text.slice(1)], type],
    ['(id STRING PRIMARY KEY, n INT)', [column('id', 'bytes'), ...text.slice(1)], type, 'hex'],
    ['(id REAL PRIMARY KEY, n INT)', [column('id', 'integer', 'bigint'), ...text.slice(1)], type],
  ];
  for (const [index, [ddl, columns, finding, store]] of tables.entries()) {
    const table = `merging${index}`;
    const migrator = await into(`CREATE TABLE ${table} ${ddl}`, columns, rows, store ? { id: store } : {});
    expect(await found(migrator), ddl).toEqual([finding]);
    await expect(migrator.run(), ddl).rejects.toMatchObject({
      code: 'PLAN_REFUSED',
      message: expect.stringContaining('would overwrite each other') as string,
    });
    expect(await world.d1(`SELECT * FROM ${table}`), ddl).toEqual([]);
  }
});

test('keys that no collation and no type makes equal are copied, whatever the column of the D1 table is', async () => {
  const n = column('n', 'integer');
  const uuid = '6f9619ff-8b86-d011-b42d-00c04fc964ff';
  const warning = [['warning', 'COLUMN_TYPE', 'id']];
  const tables: [ddl: string, key: ColumnDescriptor, ids: string[], findings?: unknown][] = [
    ['(id TEXT COLLATE NOCASE PRIMARY KEY, n INT)', column('id', 'uuid'), [uuid, `7${uuid.slice(1)}`]],
    ['(id TEXT COLLATE NOCASE PRIMARY KEY, n INT)', column('id', 'text', 'citext'), ['A', 'b']],
    ['(id TEXT COLLATE NOCASE PRIMARY KEY, n INT)', column('id', 'integer'), ['1', '2']],
    ['(id TEXT COLLATE BINARY PRIMARY KEY, n INT)', column('id', 'text'), ['A', 'a']],
    ['(id PRIMARY KEY, n INT)', column('id', 'text'), ['007', '7']],
    [
      '(id DECIMAL(10,2) PRIMARY KEY, n INT)',
      column('id', 'decimal', 'numeric(10,2)'),
      ['0.01', '0.02'],
      warning,
    ],
    ['(id REAL PRIMARY KEY, n INT)', column('id', 'integer', 'integer'), ['1', '2'], warning],
    // Of other columns D1 may take texts for equal, and rows that nothing is found by are only added.
    ['(id TEXT PRIMARY KEY, n INT, note TEXT COLLATE NOCASE UNIQUE)', column('id', 'text'), ['A', 'a']],
    ['(id INT, n INT)', column('id', 'text'), ['007', '7'], warning],
  ];
  for (const [index, [ddl, key, ids, findings = []]] of tables.entries()) {
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    const table = `telling${index}`;
    const rows = ids.map((id, place) => [id, String(place)]);
    const migrator = await into(`CREATE TABLE ${table} ${ddl}`, [key, n], rows);
    expect(await found(migrator), ddl).toEqual(findings);
    expect(await migrator.run(), ddl).toMatchObject({ status: 'completed' });
    expect(await world.d1(`SELECT n FROM ${table} ORDER BY n`), ddl).toEqual([{ n: 0 }, { n: 1 }]);
  }
});

test('integer keys in a column of texts are counted and compared as they are, and a repair finds nothing to mend', async () => {
  const rows = Array.from({ length: 25 }, (_, index) => [String(index + 1), `v${index}`]);
  const migrator = await into(
    'CREATE TABLE digits (id TEXT PRIMARY KEY, v TEXT)',
    [column('id', 'integer'), column('v', 'text')],
    rows,
    {},
    { checkpointSize: 10 },
  );
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 25 });
  expect(await migrator.verify()).toMatchObject({ equal: true });
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 25 });
  expect(await migrator.repair()).toMatchObject({ run: null, after: { equal: true } });
  await world.d1(`DELETE FROM digits WHERE id = '3'`);
  await world.d1(`UPDATE digits SET v = 'x' WHERE id = '20'`);
  await world.d1(`INSERT INTO digits VALUES ('111', 'too much')`);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    missing: [{ key: ['3'] }],
    different: [{ key: ['20'], columns: ['v'] }],
    extra: [{ key: ['111'] }],
  });
  expect(await migrator.repair({ mode: 'full' })).toMatchObject({ after: { equal: true } });
  expect(await world.d1('SELECT * FROM digits ORDER BY CAST(id AS INTEGER)')).toEqual(
    rows.map(([id, v]) => ({ id, v })),
  );
});

test('rows are found by the index of their key, whatever the key and the columns that hold it', async () => {
  const uuid = (index: number): string => `00000000-0000-0000-0000-0000000000${String(index + 10)}`;
  const digits = (index: number): string => String(index * 7);
  const tables: [key: string, type: LogicalType, id: (index: number) => string, store?: StoredForm][] = [
    ['id INTEGER PRIMARY KEY', 'integer', digits],
    ['id INT PRIMARY KEY', 'integer', digits],
    ['id NUMERIC PRIMARY KEY', 'integer', (index) => String(9223372036854775807n - BigInt(index))],
    ['id TEXT PRIMARY KEY', 'integer', digits],
    ['id PRIMARY KEY', 'integer', digits],
    ['id TEXT PRIMARY KEY', 'integer', digits, 'text'],
    ['id TEXT PRIMARY KEY', 'text', (index) => `0${index}`],
    ['id PRIMARY KEY', 'text', (index) => `0${index}`],
    ['id TEXT PRIMARY KEY', 'uuid', uuid],
    ['id UUID PRIMARY KEY', 'uuid', uuid],
    ['id PRIMARY KEY', 'uuid', uuid],
    ['id BLOB PRIMARY KEY', 'uuid', uuid, 'blob'],
    ['id TEXT PRIMARY KEY', 'uuid', uuid, 'blob'],
    ['id BLOB PRIMARY KEY', 'bytes', (index) => `${index}0ff`.padStart(8, '0')],
    ['id REAL PRIMARY KEY', 'float', (index) => String(index / 8 + 0.5)],
    ['id INTEGER PRIMARY KEY', 'boolean', (index) => String(index % 2 === 0)],
    ['id TEXT, part TEXT, PRIMARY KEY (part, id)', 'integer', digits],
    ['id TEXT, part INT, PRIMARY KEY (id, part)', 'text', (index) => `${index}`],
  ];
  for (const [index, [ddl, type, id, store]] of tables.entries()) {
    const what = `${type} in ${ddl}`;
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    const isTwofold = ddl.includes('part');
    const noted: { statement: string; values: unknown[] }[] = [];
    const database: D1DatabaseLike = {
      ...d1,
      batch: (statements) => d1.batch(statements),
      prepare: (statement) => {
        const prepared = d1.prepare(statement);
        if (!statement.includes(' LEFT JOIN ')) return prepared;
        return {
          all: () => prepared.all(),
          bind: (...values) => {
            noted.push({ statement, values });
            return prepared.bind(...values);
          },
        };
      },
    };
    const rows = Array.from({ length: type === 'boolean' ? 2 : 60 }, (_, place) => [
      id(place),
      ...(isTwofold ? ['7'] : []),
      `v${place}`,
    ]);
    const parts = isTwofold ? [column('part', 'integer')] : [];
    const migrator = await into(
      `CREATE TABLE found${index} (${ddl.replace(/(?=, PRIMARY KEY \(|$)/, ', v TEXT')})`,
      [column('id', type, type === 'float' ? 'double precision' : type), ...parts, column('v', 'text')],
      rows,
      store ? { id: store } : {},
      { database, key: isTwofold ? ['id', 'part'] : ['id'] },
    );
    await migrator.run();
    expect(await migrator.verify({ mode: 'full' }), what).toMatchObject({ equal: true, rows: rows.length });
    await world.d1(`UPDATE found${index} SET v = 'x' WHERE v = 'v1'`);
    const different = [{ key: isTwofold ? [id(1), '7'] : [id(1)], columns: ['v'] }];
    expect(await migrator.verify({ mode: 'full' }), what).toMatchObject({
      missing: [],
      different,
      extra: [],
    });
    expect(noted.length, what).toBeGreaterThan(0);
    const [{ statement, values } = { statement: '', values: [] }] = noted;
    const { results } = await d1
      .prepare(`EXPLAIN QUERY PLAN ${statement}`)
      .bind(...values)
      .all();
    const plan = (results as { detail: string }[]).map(({ detail }) => detail).join('; ');
    expect(plan, what).toMatch(/SEARCH stored USING (INTEGER PRIMARY KEY|INDEX sqlite_autoindex_\w+) /);
  }
});

test.each(['excluded', 'Excluded', 'target'])(
  'rows that are there are overwritten in a table of the name %s',
  async (table) => {
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    const rows: TextRow[] = [
      ['1', 'new', '1'],
      ['2', 'two', null],
    ];
    await world.d1('DROP TABLE IF EXISTS excluded');
    const migrator = await into(
      `CREATE TABLE "${table}" (id INTEGER PRIMARY KEY, email TEXT, n INT)`,
      email,
      rows,
    );
    await world.d1(`INSERT INTO "${table}" VALUES (1, 'old', 0), (2, 'old', 0)`);
    await migrator.run();
    expect(await world.d1(`SELECT * FROM "${table}"`)).toEqual([
      { id: 1, email: 'new', n: 1 },
      { id: 2, email: 'two', n: null },
    ]);
  },
);

test('the plan names REAL columns that round what is stored as an integer, whatever its type was', async () => {
  const migrator = await into(
    'CREATE TABLE rounded (id INTEGER PRIMARY KEY, price REAL, at REAL, whole REAL, flag REAL, ok INT)',
    [
      column('id', 'integer'),
      column('price', 'decimal'),
      column('at', 'timestamp'),
      column('whole', 'integer'),
      column('flag', 'boolean'),
      column('ok', 'decimal'),
    ],
    [
      [
        '1',
        '123456789012345.67',
        '2400-01-02T03:04:05.000001',
        '9007199254740993',
        'true',
        '90071992547409.93',
      ],
    ],
    { price: { scaled: 2 }, at: 'epoch-us', ok: { scaled: 2 } },
  );
  expect(await found(migrator)).toEqual([
    ['warning', 'COLUMN_TYPE', 'price'],
    ['warning', 'COLUMN_TYPE', 'at'],
    ['warning', 'COLUMN_TYPE', 'whole'],
  ]);
  await migrator.run();
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    different: [{ key: ['1'], columns: ['price', 'at', 'whole'] }],
  });
});
