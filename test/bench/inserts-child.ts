/** A process that copies the first rows of a table the plain way: INSERT statements with bound parameters, one a request. */
import pg from 'pg';
import { jobOfChild } from './child-process.ts';
import { Poster } from './post.ts';
import { sendAll } from './replay.ts';
import { type BenchTable, sourceRows } from './tables.ts';

/** What the process is to do. */
export interface InsertsJob {
  readonly table: Pick<BenchTable, 'table' | 'columns'>;
  readonly rows: number;
  /** Parameters of a statement at the most. */
  readonly parameters: number;
  readonly inFlight: number;
}

const { table, rows, parameters, inFlight } = jobOfChild() as InsertsJob;
const stored = Object.values(table.columns);
const rowsAStatement = Math.max(1, Math.floor(parameters / stored.length));
// Neither JSON nor the API has bytes.
const placeholders = `(${stored.map((one) => (one === 'bytes' ? 'unhex(?)' : '?')).join(', ')})`;

const client = new pg.Client({ connectionString: process.env['DATABASE_URL'] });
await client.connect();
using poster = new Poster(process.env);
let requests = 0;
const started = performance.now();
for await (const page of sourceRows(client, table, rows)) {
  const statements: (string | null)[][][] = [];
  for (let at = 0; at < page.length; at += rowsAStatement)
    statements.push(page.slice(at, at + rowsAStatement));
  requests += statements.length;
  await sendAll(
    statements.map((statement) => [statement]),
    inFlight,
    async (statement) => {
      const sql = `INSERT INTO ${table.table} VALUES ${statement.map(() => placeholders).join(', ')}`;
      await poster.post(Buffer.from(JSON.stringify({ sql, params: statement.flat() })));
    },
  );
}
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, requests }));
await client.end();
