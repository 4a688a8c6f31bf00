import { createHash } from 'node:crypto';
import pg from 'pg';
import { DRIVE_ROWS, fillDrive } from '../../examples/local/sample-data.ts';
import type { LocalD1 } from '../../examples/local/d1.ts';
import { readD1File } from './read-d1.ts';
import { WIDE_COLUMNS, type WideColumn } from './wide-columns.ts';

/** How a column's values stand in D1. */
export type Stored = 'integer' | 'float' | 'boolean' | 'text' | 'time' | 'bytes';

/** Rows, and the SHA-256 of them as they have to stand in D1. */
export interface Contents {
  readonly rows: number;
  readonly digest: string;
}

/** A table of the benchmark, as PostgreSQL holds it. The first column is its integer key. */
export interface BenchTable extends Contents {
  readonly table: string;
  readonly columns: Readonly<Record<string, Stored>>;
  /** Its first rows, for what would take too long with all of them. */
  readonly part: Contents;
}

const narrowColumns: Readonly<Record<string, Stored>> = {
  id: 'integer',
  latitude: 'float',
  longitude: 'float',
  speed: 'float',
  recorded_at: 'time',
};

const wideRows = 60_000;
/** Rows of a page, and of the part. */
const pageRows = 20_000;

/** Five columns, as many rows as the migration that this project began with: the drive of the demo. */
export async function makeNarrow(connectionString: string, rows: number): Promise<BenchTable> {
  await fillDrive(connectionString, rows);
  return await described(connectionString, 'coordinate_speed_new', narrowColumns);
}

/** Forty columns of many types, in the proportion in which the narrow table is smaller or larger than the whole drive. */
export async function makeWide(connectionString: string, narrowRows: number): Promise<BenchTable> {
  const rows = Math.max(50, Math.round((wideRows * narrowRows) / DRIVE_ROWS));
  const columns: [string, WideColumn][] = Object.entries(WIDE_COLUMNS);
  const list = columns.map(([name, { type }]) => `${name} ${type}`).join(', ');
  const values = columns.map(([, { value }]) => value).join(',\n');
  await statements(connectionString, [
    `CREATE TABLE measurements_wide (${list})`,
    `INSERT INTO measurements_wide SELECT ${values} FROM generate_series(1, ${rows}) AS i`,
    'ALTER TABLE measurements_wide ADD PRIMARY KEY (id)',
    'VACUUM (FREEZE, ANALYZE) measurements_wide',
  ]);
  const stored = Object.fromEntries(columns.map(([name, column]) => [name, column.stored]));
  return await described(connectionString, 'measurements_wide', stored);
}

/** The narrow table again, of any length: the drive, driven as often as it takes. */
export async function makeDriveOf(connectionString: string, rows: number): Promise<BenchTable> {
  const table = `drive_${rows}`;
  await statements(connectionString, [
    `CREATE TABLE ${table} (LIKE coordinate_speed_new)`,
    `INSERT INTO ${table} SELECT id + lap * length, latitude, longitude, speed, recorded_at + lap * interval '1 month'
      FROM (SELECT count(*) AS length FROM coordinate_speed_new) AS of,
        LATERAL generate_series(0, (${rows} - 1) / length) AS lap, coordinate_speed_new
      WHERE id + lap * length <= ${rows}`,
    `ALTER TABLE ${table} ADD PRIMARY KEY (id)`,
    `VACUUM (FREEZE, ANALYZE) ${table}`,
  ]);
  return await described(connectionString, table, narrowColumns);
}

export async function dropTable(connectionString: string, { table }: BenchTable): Promise<void> {
  await statements(connectionString, [`DROP TABLE ${table}`]);
}

/** What PostgreSQL has to select for the text of a value as it stands in D1. Its session has to be in UTC. */
export function storedText(name: string, stored: Stored): string {
  switch (stored) {
    case 'boolean':
      return `${name}::int::text`;
    case 'time':
      return `replace(replace(${name}::text, ' ', 'T'), '+00', 'Z')`;
    case 'bytes':
      return `upper(encode(${name}, 'hex'))`;
    default:
      return `${name}::text`;
  }
}

/** Rows in the order of their key, each value as the text that stands in D1; `limit` of them at the most. */
export async function* sourceRows(
  client: pg.Client,
  { table, columns }: Pick<BenchTable, 'table' | 'columns'>,
  limit: number = Infinity,
): AsyncGenerator<(string | null)[][], void> {
  const list = Object.entries(columns).map(([name, stored]) => storedText(name, stored));
  let after = '0';
  // `ORDER BY id` alone would sort by the selected text of that name.
  for (let left = limit; left > 0;) {
    const { rows } = await client.query<(string | null)[]>({
      text: `SELECT ${list.join(', ')} FROM ${table} WHERE id > ${after} ORDER BY ${table}.id LIMIT ${Math.min(left, pageRows)}`,
      rowMode: 'array',
    });
    if (rows.length === 0) return;
    yield rows;
    left -= rows.length;
    after = rows.at(-1)?.[0] ?? '';
  }
}

/** Fails unless D1 holds the rows, all and unchanged: every value of every row goes into the comparison. */
export async function checkContents(
  d1: Pick<LocalD1, 'directory'>,
  { table, columns }: Pick<BenchTable, 'table' | 'columns'>,
  expected: Contents,
  subject: string,
): Promise<void> {
  const list = Object.entries(columns).map(([name, stored]) => {
    // Of null, hex() makes an empty text.
    if (stored === 'bytes') return `CASE WHEN ${name} IS NOT NULL THEN hex(${name}) END`;
    // Not as a number, which would be rounded past 2^53.
    return stored === 'integer' ? `CAST(${name} AS TEXT)` : name;
  });
  const { rows, digest } = await readD1File(d1, table, (database) => {
    const hash = new RowHash(Object.values(columns));
    const query = database.prepare(`SELECT ${list.join(', ')} FROM ${table} ORDER BY ${table}.id`);
    query.setReturnArrays(true);
    for (const row of query.iterate() as Iterable<unknown>) hash.add(row as (string | number | null)[]);
    return hash.contents();
  });
  if (rows !== expected.rows)
    throw new Error(`${subject}: ${table} has ${rows} rows in D1, and ${expected.rows} in PostgreSQL.`);
  if (digest !== expected.digest)
    throw new Error(`${subject}: ${table} has other values in D1 than in PostgreSQL.`);
}

async function described(
  connectionString: string,
  table: string,
  columns: BenchTable['columns'],
): Promise<BenchTable> {
  const hash = new RowHash(Object.values(columns));
  const client = new pg.Client({ connectionString });
  await client.connect();
  let part: Contents | undefined;
  try {
    for await (const rows of sourceRows(client, { table, columns })) {
      for (const row of rows) hash.add(row);
      // A page holds as many rows as the part.
      part ??= hash.contents();
    }
  } finally {
    await client.end();
  }
  const contents = hash.contents();
  return { table, columns, ...contents, part: part ?? contents };
}

/** One hash over rows; both databases write the same double in their own shortest form, so that floats are read first. */
class RowHash {
  #rows = 0;
  readonly #hash = createHash('sha256');
  readonly #floats: readonly number[];
  #text = '';

  constructor(stored: readonly Stored[]) {
    this.#floats = stored.flatMap((one, index) => (one === 'float' ? [index] : []));
  }

  add(row: (string | number | null)[]): void {
    for (const index of this.#floats) {
      const value = row[index];
      if (typeof value === 'string') row[index] = Number(value);
    }
    this.#rows += 1;
    this.#text += `${row.map((value) => value ?? '\u0000').join('\u001F')}\u001E`;
    if (this.#text.length > 1 << 16) this.#flush();
  }

  contents(): Contents {
    this.#flush();
    return { rows: this.#rows, digest: this.#hash.copy().digest('hex') };
  }

  #flush(): void {
    this.#hash.update(this.#text);
    this.#text = '';
  }
}

async function statements(connectionString: string, texts: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    for (const text of texts) await client.query(text);
  } finally {
    await client.end();
  }
}
