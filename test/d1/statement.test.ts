import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ColumnDescriptor, LogicalType, TextRow } from 'resumable-migrator';
import { ResumableMigrator } from 'resumable-migrator';
import { MemorySource } from 'resumable-migrator/memory';
import type { D1DatabaseLike } from 'resumable-migrator/d1';
import { D1Connection } from '../../src/d1/connection.ts';
import { D1Encoder } from '../../src/d1/rows/encoder.ts';
import { RowsStatement } from '../../src/d1/rows/statement.ts';
import { formsOf } from '../../src/d1/values/choose-forms.ts';
import { addBytes, byteRowOf } from '../support/byte-rows.ts';
import { Random } from '../support/random.ts';
import { World } from '../support/world.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`statement.test.ts: TEST_SEED=${seed}`);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const column = (name: string, type: LogicalType): ColumnDescriptor => ({
  name,
  type,
  nativeType: type,
  nullable: name !== 'id',
});

/** Rows whose values look as no database would write them, and as some do. */
const columns = [
  column('id', 'integer'),
  column('whole', 'integer'),
  column('ratio', 'float'),
  column('moment', 'timestamp'),
  column('note', 'text'),
  column('raw', 'bytes'),
];
const rows: readonly (readonly [given: TextRow, stored: readonly unknown[]])[] = [
  [
    ['1', '17', '0.25', '2026-01-02T03:04:05', 'one', '00ff'],
    [17, 0.25, '2026-01-02T03:04:05', 'one', '00FF'],
  ],
  [
    ['2', null, null, null, null, null],
    [null, null, null, null, null],
  ],
  [
    ['3', '-9223372036854775808', '-1.5', 'yesterday ', '', ''],
    ['-9223372036854775808', -1.5, 'yesterday ', '', ''],
  ],
  [
    ['4', '12.5', '1e-7', '', ' "ä\\" ', 'c3a4'],
    [12.5, 1e-7, '', ' "ä\\" ', 'C3A4'],
  ],
  [
    ['5', '0', 'NaN', '"now"', '東\u0001\u{1f600}', '00'],
    [0, 'NaN', '"now"', '東\u0001\u{1f600}', '00'],
  ],
  [
    ['6', '100000000000000000000', '1e300', 'früher', "'; DROP", '27'],
    [1e20, 1e300, 'früher', "'; DROP", '27'],
  ],
  [
    ['7', '7', '5e-324', '2026-01-02T03:04:05.5', '7', '37'],
    [7, 5e-324, '2026-01-02T03:04:05.5', '7', '37'],
  ],
  [
    ['8', '8', '1.2345678901234567e+18', '2026-01-02', 'x'.repeat(300), 'ab'.repeat(300)],
    [8, Number('1.2345678901234567e+18'), '2026-01-02', 'x'.repeat(300), 'AB'.repeat(300)],
  ],
];

test.each([
  ['the binding', 'by_binding'],
  ['REST', 'by_rest'],
])('whatever a source says of a value stands in D1, over %s, and has an equal there', async (how, table) => {
  await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
  const source = new MemorySource({ name: table, columns, key: ['id'], rows: rows.map(([given]) => given) });
  const store = { ratio: { nan: 'text' } } as const;
  const sink = how === 'REST' ? world.rest(table, { store }) : world.binding(table, { store });
  const migrator = new ResumableMigrator({ source, sink, concurrency: 1 });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: rows.length });
  const whole = `CASE WHEN typeof(whole) = 'integer' AND NOT whole BETWEEN -9007199254740991 AND 9007199254740991 THEN CAST(whole AS TEXT) ELSE whole END`;
  const found = await world.d1(
    `SELECT ${whole} AS w, ratio, moment, note, hex(raw) AS h, raw IS NULL AS n FROM ${table} ORDER BY id`,
  );
  expect(
    found.map(({ w, ratio, moment, note, h, n }) => [w, ratio, moment, note, n === 1 ? null : h]),
  ).toEqual(rows.map(([, stored]) => stored));
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true });
  await world.d1(`UPDATE ${table} SET note = note || ' ' WHERE id IN (5, 8)`);
  await world.d1(`DELETE FROM ${table} WHERE id = 2`);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    missing: [{ key: ['2'] }],
    different: [{ key: ['5'], columns: ['note'] }, { key: ['8'] }],
  });
});

test('whole numbers of any size stand in D1, and digits that a source should not have sent as well', async () => {
  const values = ['7', '-999999999999999', '1.5', '9223372036854775807', '-9223372036854775808', '-2.25'];
  for (const some of [values.slice(0, 2), values.slice(0, 3), values.slice(3, 5), values]) {
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    await world.d1('DROP TABLE IF EXISTS numbers');
    const source = new MemorySource({
      name: 'numbers',
      columns: [column('id', 'integer'), column('n', 'integer')],
      key: ['id'],
      rows: some.map((value, index) => [String(index), value]),
    });
    const migrator = new ResumableMigrator({ source, sink: world.binding('numbers') });
    expect(await migrator.run()).toMatchObject({ status: 'completed' });
    const found = await world.d1('SELECT CAST(n AS TEXT) AS n FROM numbers ORDER BY id');
    expect(found.map(({ n }) => n)).toEqual(some);
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true });
  }
});

test(`numbers that are read together stand in D1 as they were, whatever is among them (seed ${seed})`, async () => {
  const random = new Random(seed);
  const types = [
    'integer',
    'integer',
    'float',
    'float',
    'boolean',
    'integer',
    'text',
    'float',
    'integer',
  ] as const;
  const list = types.map((type, index) => column(index === 0 ? 'id' : `c${index}`, type));
  const batchSize = 5;
  const whole = (): string => String(random.whole(100_000, 999_999));
  // A hundredth of it has two digits behind its point: fields that hold the first row hold all of its batch.
  const even = (): string => `${random.whole(10_000, 99_999)}${random.whole(1, 9)}`;
  // Of one width each; what is in the way of them, in one batch; and what needs wider fields.
  const odd: readonly (readonly [string, () => string | null])[] = [
    ['none', whole],
    ['a null', () => null],
    ['a sign', () => `-${random.whole(10_000, 99_999)}`],
    ['fewer digits', () => String(random.whole(1, 99))],
    ['a zero', () => '0'],
    ['more digits', () => String(random.whole(1e14, 9e14))],
  ];
  for (const [what, value] of odd) {
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    await world.d1('DROP TABLE IF EXISTS packed');
    const given = Array.from({ length: 16 * batchSize }, (_, row) => {
      const at = row >= batchSize && row % batchSize === 2 ? random.whole(1, types.length - 1) : 0;
      return types.map((type, index) => {
        if (index === 0) return String(row + 1_000);
        const usual = row < batchSize && what !== 'none' ? even : whole;
        const number = index === at ? value() : usual();
        if (type === 'text') return 'x'.repeat(random.whole(0, 5));
        if (type === 'boolean') return number === null ? null : random.pick(['true', 'false']);
        return type === 'float' && number !== null ? String(Number(number) / 100) : number;
      });
    });
    const source = new MemorySource({ name: 'packed', columns: list, key: ['id'], rows: given });
    const { database, noted } = noting(await world.stack.d1.database(), 'packed');
    const sink = world.binding('packed', { database });
    const migrator = new ResumableMigrator({ source, sink, batchSize });
    expect(await migrator.run(), what).toMatchObject({ status: 'completed' });
    const names = list.map(({ name }) => `CAST(${name} AS TEXT) AS ${name}`);
    const found = await world.d1(`SELECT ${names.join()} FROM packed ORDER BY id`);
    const plain = (text: unknown, index: number): unknown =>
      text === null || types[index] === 'text' ? text : Number(text);
    const stored = (text: unknown): unknown => (text === 'true' ? '1' : text === 'false' ? '0' : text);
    expect(
      found.map((row) => Object.values(row).map(plain)),
      what,
    ).toEqual(given.map((row) => row.map(stored).map(plain)));
    expect(await migrator.verify({ mode: 'full' }), what).toMatchObject({ equal: true });
    const together = noted.filter(([statement]) => statement.includes('batch.n0 ')).length;
    expect(together, `${what}: statements that read some together`).toBeGreaterThan(0);
  }
});

test('no name of a table or a column is taken for what the statement calls its own', async () => {
  const names = ['id', 'at', 'place', 'key', 'value', 'batch'];
  for (const table of ['batch', 'rows of batch']) {
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    const source = new MemorySource({
      name: table,
      columns: names.map((name) => column(name, name === 'id' ? 'integer' : 'text')),
      key: ['id'],
      rows: ['1', '2', '3'].map((id) => names.map((name) => (name === 'id' ? id : `${name} ${id}`))),
    });
    const migrator = new ResumableMigrator({ source, sink: world.binding(table) });
    expect(await migrator.run()).toMatchObject({ status: 'completed' });
    await world.d1(`INSERT INTO "${table}" VALUES (9, 'too', 'much', '', '', '')`);
    expect(await migrator.verify({ mode: 'full' })).toMatchObject({
      missing: [],
      different: [],
      extra: [{ key: ['9'] }],
    });
    const [first] = await world.d1(`SELECT * FROM "${table}" WHERE id = 1`);
    expect(first).toEqual({
      id: 1,
      at: 'at 1',
      place: 'place 1',
      key: 'key 1',
      value: 'value 1',
      batch: 'batch 1',
    });
  }
});

/** The database, and the first statement and parameters that put rows into a table. */
function noting(
  database: D1DatabaseLike,
  table: string,
): { database: D1DatabaseLike; noted: [string, unknown[]][] } {
  const noted: [string, unknown[]][] = [];
  return {
    noted,
    database: {
      prepare: (statement) => {
        const prepared = database.prepare(statement);
        if (!statement.startsWith(`INSERT INTO "${table}"`)) return prepared;
        return {
          ...prepared,
          all: () => prepared.all(),
          bind: (...values) => {
            noted.push([statement, values]);
            return prepared.bind(...values);
          },
        };
      },
      batch: async (statements) => await database.batch(statements),
    },
  };
}

/** How often SQLite makes bytes of a text in the program of a statement: once for all rows, and for each row anew. */
async function castsOf(
  database: D1DatabaseLike,
  statement: string,
  values: unknown[],
): Promise<[once: number, each: number]> {
  const { results } = await database
    .prepare(`EXPLAIN ${statement}`)
    .bind(...values)
    .all();
  const program = results as Record<string, unknown>[];
  // The program begins with a jump to what is done once, which stands at its end (SQLite documentation, "The Init opcode").
  const once = Number(program[0]?.['p2']);
  const casts = program.filter(({ opcode, p2 }) => opcode === 'Cast' && p2 === 'A'.charCodeAt(0));
  const isOnce = ({ addr }: Record<string, unknown>): boolean => Number(addr) >= once;
  return [casts.filter(isOnce).length, casts.filter((cast) => !isOnce(cast)).length];
}

test('SQLite makes bytes of a batch once, and not for every value', async () => {
  for (const list of [columns, columns.filter(({ type }) => type !== 'text' && type !== 'bytes')]) {
    await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
    await world.d1('DROP TABLE IF EXISTS counted');
    const { database, noted } = noting(await world.stack.d1.database(), 'counted');
    const source = new MemorySource({
      name: 'counted',
      columns: list,
      key: ['id'],
      rows: rows.map(([given]) => given.slice(0, list.length)),
    });
    const sink = world.binding('counted', { database, store: { ratio: { nan: 'text' } } });
    await new ResumableMigrator({ source, sink }).run();
    expect(noted.length).toBeGreaterThan(0);
    for (const [statement, values] of noted) {
      const [once, each] = await castsOf(database, statement, values);
      expect(once).toBeGreaterThan(0);
      // What the table of the rows is made from is asked for once as well, though not at the start.
      expect(each).toBeLessThanOrEqual(1);
    }
    const [statement = '', values = []] = noted[0] ?? [];
    const anew = statement.replaceAll(
      'substr(CAST(?1 AS BLOB), batch.at',
      "substr(CAST(batch.at || '' AS BLOB), batch.at",
    );
    expect((await castsOf(database, anew, values))[1]).toBeGreaterThan(1);
  }
});

test('a statement is shorter than D1 allows, with as many columns as it takes and whatever is in them', async () => {
  const list = Array.from({ length: 99 }, (_, index) =>
    column(`${'x'.repeat(60)}${index}`, index % 2 === 0 ? 'float' : 'text'),
  );
  const given = list.map((_, index) => (index % 2 === 0 ? 'NaN' : `${'y'.repeat(120)}"`));
  const store = Object.fromEntries(
    list.filter(({ type }) => type === 'float').map(({ name }) => [name, { nan: 'text' }] as const),
  );
  await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
  const source = new MemorySource({
    name: 'longest',
    columns: [column('id', 'integer'), ...list],
    key: ['id'],
    rows: [
      ['1', ...given],
      ['2', ...given.map(() => null)],
      ['3', ...given],
    ],
  });
  const migrator = new ResumableMigrator({ source, sink: world.binding('longest', { store }) });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 3 });
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true });
  await world.d1(`UPDATE longest SET "${list[98]?.name}" = 0 WHERE id = 3`);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    different: [{ key: ['3'], columns: [list[98]?.name] }],
  });
});

test('as many rows as fit into a batch are counted by D1, however short they are', async () => {
  const forms = await formsOf({ migration: 'm', columns: [column('bit', 'integer')], key: [] }, {}, 'all');
  const encoder = new D1Encoder(forms);
  const row = byteRowOf(['1']);
  while (addBytes(encoder, row));
  const batch = encoder.take();
  const statement = new RowsStatement(forms, 'any');
  const connection = new D1Connection(await world.stack.d1.database());
  const counted = sql`${statement.table(batch)} SELECT count(*) AS rows, sum(${statement.values(batch)[0]}) AS ones FROM ${statement.from}`;
  expect(await connection.rows(counted)).toEqual([{ rows: batch.rows, ones: batch.rows }]);
});
