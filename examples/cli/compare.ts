import pg from 'pg';
import type { Environment } from './configuration.ts';
import { queryD1 } from './d1-query.ts';
import type { SampleTable } from '../local/sample-data.ts';
import type { Value } from './text-table.ts';

/** A table to compare: its columns, the integer key first. */
export interface ComparedTable {
  readonly table: string;
  readonly columns: Readonly<Record<string, ColumnKind>>;
}

/** How a column's values are brought into the same text on both sides. */
export type ColumnKind = 'integer' | 'float' | 'text' | 'time';

/** The two sample tables. */
export const SAMPLE_TABLES: Readonly<Record<SampleTable, ComparedTable>> = {
  coordinate_speed_new: {
    table: 'coordinate_speed_new',
    columns: { id: 'integer', latitude: 'float', longitude: 'float', speed: 'float', recorded_at: 'time' },
  },
  camera_locations: {
    table: 'camera_locations',
    columns: {
      id: 'integer',
      name: 'text',
      country: 'text',
      admin1: 'text',
      latitude: 'float',
      longitude: 'float',
    },
  },
};

/** What a comparison of all rows found. */
export interface Comparison {
  readonly table: string;
  /** Rows of PostgreSQL, each compared in every column. */
  readonly rows: number;
  readonly d1Rows: number;
  /** Rows that only PostgreSQL has: lost. */
  readonly missing: number;
  /** Rows that only D1 has. */
  readonly extra: number;
  readonly different: number;
  /** The first few of all of these, in words. */
  readonly examples: readonly string[];
}

type Row = readonly string[];

/** Reads the rows after a key, in the order of the key. */
type ReadPage = (after: string | null) => Promise<readonly Row[]>;

const pageRows = 25_000;
const shownExamples = 5;

/**
 * Compares every column of every row. Both sides are read along the key, page by page, so that memory does not grow
 * with the table; each side has its own place, so that a row that only one has is found as such.
 */
export async function compareTable(env: Environment, compared: ComparedTable): Promise<Comparison> {
  const pool = new pg.Pool({ connectionString: env['DATABASE_URL'], max: 1, options: '-c TimeZone=UTC' });
  // Without a listener a connection that breaks while it is idle would end the process.
  pool.on('error', () => undefined);
  try {
    return await compareRows(
      compared.table,
      rowsOf((after) => readPostgres(pool, compared, after)),
      rowsOf((after) => readD1(env, compared, after)),
    );
  } finally {
    await pool.end();
  }
}

async function compareRows(table: string, source: Side, target: Side): Promise<Comparison> {
  const found = { table, rows: 0, d1Rows: 0, missing: 0, extra: 0, different: 0, examples: [] as string[] };
  const note = (text: string): void => {
    if (found.examples.length < shownExamples) found.examples.push(text);
  };
  let left = await source.next();
  let right = await target.next();
  while (left || right) {
    const order = compareKeys(left, right);
    if (order < 0) {
      found.missing += 1;
      note(`row ${left?.[0]} is in PostgreSQL only`);
    } else if (order > 0) {
      found.extra += 1;
      note(`row ${right?.[0]} is in D1 only`);
    } else if (left && right && !left.every((value, index) => value === right?.[index])) {
      found.different += 1;
      note(`row ${left[0]} is (${left.join(', ')}) in PostgreSQL and (${right.join(', ')}) in D1`);
    }
    // A page is asked for only where one ends: most rows come without waiting.
    if (order <= 0) {
      found.rows += 1;
      left = source.ready() ?? (await source.next());
    }
    if (order >= 0) {
      found.d1Rows += 1;
      right = target.ready() ?? (await target.next());
    }
  }
  return found;
}

/** Below zero: only the left side has this key; above zero: only the right one. */
function compareKeys(left: Row | null, right: Row | null): number {
  if (!left || !right) return left ? -1 : 1;
  if (left[0] === right[0]) return 0;
  return BigInt(left[0] ?? '') < BigInt(right[0] ?? '') ? -1 : 1;
}

interface Side {
  /** The next row if it is at hand. */
  ready(): Row | undefined;
  next(): Promise<Row | null>;
}

/** The rows of one side; the next page is read while this one is compared. */
function rowsOf(read: ReadPage): Side {
  let page: readonly Row[] = [];
  let at = 0;
  let following: Promise<readonly Row[]> | null = read(null);
  const ready = (): Row | undefined => page[at++];
  return {
    ready,
    async next() {
      if (!following) return null;
      page = await following;
      at = 0;
      const last = page.at(-1)?.[0];
      following = last === undefined || page.length < pageRows ? null : read(last);
      following?.catch(() => undefined); // awaited when its turn comes
      return ready() ?? null;
    },
  };
}

async function readPostgres(
  pool: pg.Pool,
  { table, columns }: ComparedTable,
  after: string | null,
): Promise<Row[]> {
  const names = Object.keys(columns);
  const where = after === null ? '' : `WHERE ${names[0]} > ${after}`;
  const { rows } = await pool.query<(string | null)[]>({
    text: `SELECT ${names.join(', ')} FROM ${table} ${where} ORDER BY ${names[0]} LIMIT ${pageRows}`,
    rowMode: 'array',
    // PostgreSQL's own text: neither int8 nor timestamptz goes through a JavaScript number or Date.
    types: { getTypeParser: () => (text: string) => text },
  });
  return canonical(rows, columns);
}

async function readD1(
  env: Environment,
  { table, columns }: ComparedTable,
  after: string | null,
): Promise<Row[]> {
  const [key] = Object.keys(columns);
  // D1 rounds integers past 2^53 unless they come as text.
  const selected = Object.entries(columns).map(([name, kind]) =>
    kind === 'integer' ? `CAST(${name} AS TEXT)` : name,
  );
  const where = after === null ? '' : `WHERE ${key} > ${after}`;
  const { rows } = await queryD1(
    env,
    `SELECT ${selected.join(', ')} FROM ${table} ${where} ORDER BY ${key} LIMIT ${pageRows}`,
  );
  return canonical(rows, columns);
}

function canonical(rows: readonly (readonly Value[])[], columns: ComparedTable['columns']): Row[] {
  const kinds = Object.values(columns);
  return rows.map((row) =>
    row.map((value, index) => (value === null ? 'NULL' : canonicalText(value, kinds[index]))),
  );
}

function canonicalText(value: string | number, kind: ColumnKind | undefined): string {
  switch (kind) {
    case 'float':
      // Both sides write a double in their own shortest form; the same double has one text in JavaScript.
      return String(Number(value));
    case 'time':
      return String(value).replace(' ', 'T').replace('+00', 'Z');
    case 'text':
      return `'${String(value)}'`;
    default:
      return String(value);
  }
}
