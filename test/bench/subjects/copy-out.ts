import pg from 'pg';
import { copyOut } from '../copy-out.ts';
import type { Subject } from './subject.ts';

/** Reading alone: what PostgreSQL gives at its fastest, thrown away. */
export const readingAlone: Subject = async ({ postgres, table: { table, rows } }) => {
  const client = new pg.Client({ connectionString: postgres.connectionString });
  await client.connect();
  try {
    let read = 0;
    const started = performance.now();
    await copyOut(client, `COPY (SELECT * FROM ${table}) TO STDOUT`, () => (read += 1));
    const seconds = (performance.now() - started) / 1000;
    if (read !== rows) throw new Error(`COPY gave ${read} rows of ${rows}.`);
    return [{ line: 'copy-out', seconds }];
  } finally {
    await client.end();
  }
};
