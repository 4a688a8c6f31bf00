import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator, type TextRow } from 'resumable-migrator';
import { CsvSource } from '../../examples/adapters/csv-source.ts';
import { Random } from '../support/random.ts';
import { World } from '../support/world.ts';
import { csvText } from './csv-text.ts';

const script = fileURLToPath(new URL('../../examples/adapters/postgres-to-sqlite.ts', import.meta.url));
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);

let world: World;
let folder: string;
beforeAll(async () => {
  world = await World.start();
  folder = await mkdtemp(join(tmpdir(), 'adapters-'));
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** The command of the example; its output is read to the end. */
function start(table: string, file: string) {
  const env = {
    ...process.env,
    DATABASE_URL: world.stack.env.DATABASE_URL,
    TABLE_NAME: table,
    SQLITE_FILE: file,
  };
  const child = spawn(process.execPath, [script], { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  return { child, ended: once(child, 'close').then(() => output) };
}

/** Opened anew each time: the file comes into being, and is written to by others. */
function inFile(file: string, sql: string): TextRow[] {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA busy_timeout = 5000');
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement.all() as unknown as TextRow[];
  } finally {
    database.close();
  }
}

async function fill(table: string, rows: number): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (id bigint PRIMARY KEY, name text, at timestamptz, ok boolean, price numeric, speed float8, raw bytea)`,
    `INSERT INTO ${table} SELECT 9007199254740993 + i * 2, CASE WHEN i % 7 > 0 THEN 'Zürich ' || i || E'\\n🚀' END,
       '2026-01-01Z'::timestamptz + i * interval '1.000001 s', i % 2 = 0, i / 8.0, i / 3.0, decode(md5(i::text), 'hex')
     FROM generate_series(1, ${rows}) AS i`,
    `ANALYZE ${table}`,
  );
}

/** Both sides as the same texts: those of transit. */
async function sides(table: string, file: string): Promise<{ postgres: TextRow[]; sqlite: TextRow[] }> {
  const types = { getTypeParser: () => (value: string) => value };
  const text = `SELECT id, name, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ok::int, price, speed, encode(raw, 'hex')
    FROM ${table} ORDER BY id`;
  const { rows } = await world.pool.query<(string | null)[]>({ text, rowMode: 'array', types });
  const inSqlite = inFile(
    file,
    `SELECT CAST(id AS TEXT), name, at, CAST(ok AS TEXT), price, speed, lower(hex(raw)) FROM ${table} ORDER BY id`,
  );
  const comparable = (row: TextRow): TextRow =>
    row.map((value, column) =>
      column === 2 ? (value ?? '').replace(/\.?0*Z$/, 'Z') : column === 5 ? String(Number(value)) : value,
    );
  return { postgres: rows.map(comparable), sqlite: inSqlite.map(comparable) };
}

test('a copy from PostgreSQL into SQLite that is killed again and again ends equal, row for row', async () => {
  console.log(`whole.test.ts: TEST_SEED=${seed}`);
  const random = new Random(seed);
  const [rows, file] = [120_000, join(folder, 'killed.sqlite')];
  await fill('killed', rows);
  // Without a key in SQLite a row that is written twice is there twice.
  inFile(
    file,
    'CREATE TABLE killed (id INTEGER, name TEXT, at TEXT, ok INTEGER, price TEXT, speed REAL, raw BLOB)',
  );
  const count = (): number => Number(inFile(file, 'SELECT count(*) FROM killed')[0]?.[0]);
  let midway = 0;
  for (let kill = 1; kill <= 3; kill += 1) {
    const { child, ended } = start('killed', file);
    const enough = count() + random.whole(1, 20_000);
    while (child.exitCode === null && count() < Math.min(enough, rows)) await sleep(10);
    child.kill('SIGKILL');
    await ended;
    const copied = count();
    if (copied > 0 && copied < rows) midway += 1;
  }
  expect(midway).toBeGreaterThan(0);
  const { child, ended } = start('killed', file);
  expect(await ended).toMatch(/completed: \d+ rows/);
  expect(child.exitCode).toBe(0);
  const { postgres, sqlite } = await sides('killed', file);
  expect(postgres).toHaveLength(rows);
  expect(sqlite).toEqual(postgres);
  // One changed value would be seen.
  inFile(file, 'UPDATE killed SET price = price + 1 WHERE rowid = 77777');
  expect((await sides('killed', file)).sqlite).not.toEqual(postgres);
});

test('three processes that begin at once on one new file all end well, and each row is in and counted once', async () => {
  const [rows, file] = [200_000, join(folder, 'shared.sqlite')];
  await fill('shared', rows);
  const processes = [start('shared', file), start('shared', file), start('shared', file)];
  const outputs = await Promise.all(processes.map(({ ended }) => ended));
  expect(
    processes.map(({ child }) => child.exitCode),
    outputs.join('\n'),
  ).toEqual([0, 0, 0]);
  const { postgres, sqlite } = await sides('shared', file);
  expect(sqlite).toEqual(postgres);
  const [recorded] = inFile(file, `SELECT CAST(sum(records_processed) AS TEXT) FROM migration_checkpoints`);
  expect(recorded).toEqual([String(rows)]);
});

test('a CSV file is copied into D1 in several runs, exactly, and what is appended later follows', async () => {
  const [file, header] = [join(folder, 'places.csv'), ['id', 'name', 'note']];
  const rows = Array.from({ length: 5_000 }, (_, index): TextRow => [
    String(index * 3 - 600),
    index % 5 === 0 ? null : index % 7 === 0 ? '' : `"Zürich", ${index}\n🚀`,
    index % 2 === 0 ? null : '007',
  ]);
  await writeFile(file, csvText([header, ...rows.slice(0, 4_000)]));
  const migrator = () =>
    new ResumableMigrator<object, object>({
      source: new CsvSource({ file, key: ['id'], types: { id: 'integer' }, indexEvery: 100 }),
      sink: world.rest('places'),
      checkpointSize: 500,
      batchSize: 150,
      pageSize: 400,
    });
  const { status } = await migrator().run({ budget: { batches: 5 } });
  expect(status).toBe('paused');
  expect(await migrator().run()).toMatchObject({ status: 'completed' });
  expect(await world.sinkRows('places', 'id')).toEqual(rows.slice(0, 4_000));
  await writeFile(file, csvText([header, ...rows]));
  expect(await migrator().run()).toMatchObject({ status: 'completed', rows: 1_000 });
  expect(await world.sinkRows('places', 'id')).toEqual(rows);
  expect(await migrator().verify({ mode: 'full' })).toMatchObject({ equal: true });
  // A row that is changed in the file alone is found.
  await writeFile(file, csvText([header, ...rows.with(2_500, [rows[2_500]?.[0] ?? '', 'changed', null])]));
  expect(await migrator().verify({ mode: 'full' })).toMatchObject({ equal: false, counts: { different: 1 } });
});

test('a file that is not sorted writes nothing into D1', async () => {
  const file = join(folder, 'unsorted.csv');
  await writeFile(file, csvText([['id'], ['2'], ['1']]));
  const source = new CsvSource({ file, key: ['id'], types: { id: 'integer' } });
  const migrator = new ResumableMigrator<object, object>({ source, sink: world.rest('unsorted') });
  await expect(migrator.run()).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
  expect(await world.d1(`SELECT name FROM sqlite_master WHERE name = 'unsorted'`)).toEqual([]);
});
