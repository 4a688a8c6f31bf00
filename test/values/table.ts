import type { StoredForm } from 'resumable-migrator/d1';
import { expect } from 'vitest';
import type { World } from '../support/world.ts';
import { type Random, generator, seed } from './random.ts';

/** A column of generated values, and what D1 must hold of them. */
export interface Case {
  readonly name: string;
  /** The column's type, as CREATE TABLE takes it. */
  readonly type: string;
  /** SQL of a random value; `i` is the row. Or a function whose text is read as a value of the type. */
  readonly make: string | ((random: Random) => string);
  /** Texts that are read as values of the type; NULL is always among them. */
  readonly edges: readonly string[];
  /** SQL of the text that D1 must hold for the column `v`: hexadecimal digits where it must hold bytes. */
  readonly expected?: string;
  /** What SQLite's `typeof` says. Default `text`. */
  readonly kind?: 'text' | 'integer' | 'real' | 'blob';
  readonly store?: StoredForm;
  /** Makes the column's value of a made one: an array of its elements. */
  readonly wrap?: (value: string) => string;
  /** The type of what `make` makes, where `wrap` makes something else of it. */
  readonly element?: string;
}

export const generatedRows = 10_000;

/** The stored forms of the columns that do not have the default. */
export function storeOf(cases: readonly Case[]): Record<string, StoredForm> {
  return Object.fromEntries(cases.flatMap(({ name, store }) => (store === undefined ? [] : [[name, store]])));
}

/** PostgreSQL's own output, in the settings in which the source reads. */
export const output = `format('%s', v)`;

/** Fills a table: `id`, then a column a case. Rows past the generated ones hold the edges. Returns how many there are. */
export async function fill(
  world: World,
  table: string,
  cases: readonly Case[],
  count: number = generatedRows,
): Promise<number> {
  const columns = cases.map(({ name, type }) => `"${name}" ${type}`).join(', ');
  const parameters: string[][] = [];
  const joins: string[] = [];
  const made = cases.map(({ make, wrap = (value) => value, type, element = type }, index) => {
    if (typeof make === 'string') return wrap(`(${make})::${element}`);
    const random = generator(index + 1);
    parameters.push(Array.from({ length: count }, () => make(random)));
    const place = parameters.length;
    joins.push(
      `JOIN unnest($${place}::text[]) WITH ORDINALITY AS given${place}(v, n) ON given${place}.n = i`,
    );
    return wrap(`given${place}.v::${element}`);
  });
  const last = Math.max(0, ...cases.map(({ edges }) => edges.length));
  const client = await world.pool.connect();
  try {
    await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, ${columns})`);
    await client.query(`SELECT setseed(${(seed % 1_000_000) / 1_000_000})`);
    await client.query(
      `INSERT INTO ${table} SELECT i, ${made.join(', ')} FROM generate_series(1, ${count}) AS i ${joins.join(' ')}`,
      parameters,
    );
    for (let edge = 0; edge <= last; edge += 1) {
      const values = cases.map(({ edges, type }) => {
        const text = edges[edge];
        return text === undefined ? 'NULL' : `'${text.replaceAll("'", "''")}'::${type}`;
      });
      await client.query(`INSERT INTO ${table} VALUES (${count + edge + 1}, ${values.join(', ')})`);
    }
  } finally {
    client.release(true);
  }
  return count + last + 1;
}

/** The settings in which the expected texts are written. They are not the source's concern: it has to make its own. */
export const settings = `SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 1`;

/** A value that D1 does not hold as it should. */
export interface Difference {
  readonly id: number;
  readonly column: string;
  readonly expected: string | null;
  readonly found: string | null;
}

/** Compares every value of the two tables: bytes and `typeof`, doubles by their bits. Lists up to three a column. */
export async function differences(
  world: World,
  table: string,
  cases: readonly Case[],
  rows: number,
): Promise<Difference[]> {
  const found: Difference[] = [];
  const client = await world.pool.connect();
  try {
    await client.query(settings);
    // D1 gives a result 100 columns, and each case takes two.
    for (let first = 0; first < cases.length; first += 40) {
      const part = cases.slice(first, first + 40);
      for (let from = 0; from < rows; from += 2_500) {
        const where = `WHERE id > ${from} AND id <= ${from + 2_500} ORDER BY id`;
        const [{ rows: expected }, stored] = await Promise.all([
          client.query<(string | null)[]>({
            text: `SELECT id::text AS row, ${part.map(expectedText).join(', ')} FROM ${table} ${where}`,
            rowMode: 'array',
          }),
          world.d1(`SELECT id, ${part.map(storedText).join(', ')} FROM ${table} ${where}`),
        ]);
        expect(stored.map(({ id }) => id).join()).toBe(expected.map(([id]) => id).join());
        for (const [place, row] of expected.entries()) {
          for (const [index, { name, kind = 'text' }] of part.entries()) {
            const right = row[index + 1] ?? null;
            const wanted =
              right === null ? 'null:' : `${kind}:${kind === 'real' ? bitsOf(Number(right)) : right}`;
            const held = stored[place]?.[`v${index}`];
            const text = typeof held === 'number' ? bitsOf(held) : typeof held === 'string' ? held : '';
            const seen = `${String(stored[place]?.[`t${index}`])}:${text}`;
            if (wanted === seen || found.filter(({ column }) => column === name).length === 3) continue;
            found.push({ id: Number(row[0]), column: name, expected: shown(wanted), found: shown(seen) });
          }
        }
      }
    }
  } finally {
    client.release(true);
  }
  return found;
}

/** What PostgreSQL says that D1 must hold: hexadecimal digits of a text, of an integer's digits, or of bytes. */
function expectedText({ name, expected = output, kind }: Case): string {
  const value = expected.replaceAll(/\bv\b/g, `"${name}"`);
  const text =
    kind === 'real' || kind === 'blob'
      ? `(${value})::text`
      : `encode(convert_to((${value})::text, 'UTF8'), 'hex')`;
  // Not IS NOT NULL, which is false of a composite with a null inside.
  return `CASE WHEN "${name}" IS DISTINCT FROM NULL THEN ${text} END`;
}

/** What D1 holds. A double comes as a JavaScript number, which is the same 64 bits. */
function storedText({ name, kind }: Case, index: number): string {
  const value =
    kind === 'real'
      ? `"${name}"`
      : `CASE WHEN "${name}" IS NOT NULL THEN lower(hex(CAST("${name}" AS BLOB))) END`;
  return `typeof("${name}") AS t${index}, ${value} AS v${index}`;
}

function bitsOf(double: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, double);
  return view.getBigUint64(0).toString(16);
}

function shown(value: string): string {
  const [kind = '', hex = ''] = value.split(':');
  return kind === 'text' || kind === 'integer'
    ? `${kind} ${Buffer.from(hex, 'hex').toString()} (${hex})`
    : value;
}
