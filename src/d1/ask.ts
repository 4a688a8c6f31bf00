import { sql } from 'kysely';
import type { CallContext } from '../contract/index.ts';
import type { D1Connection, Row } from './connection.ts';
import { isReserved } from './schema/names.ts';
import { type TableDescription, tableOf, tableQueries } from './schema/table.ts';
import { type FloatReading, floatReadingOf, floatsQuery } from './values/floats.ts';

/** What is to be known of a database before rows are written, whatever the rows are. */
export interface Answers {
  /** The table; null where there is none. */
  readonly present: TableDescription | null;
  /** True: the statements of a batch are one transaction. */
  readonly atomic: boolean;
  readonly reading: FloatReading;
}

/**
 * Asks in one request, and writes nothing. That batches are transactions is what a binding promises. An HTTP endpoint is asked: the
 * pragma `defer_foreign_keys` lasts for one transaction, so the second statement sees what the first one set only where
 * both are in the same.
 */
export async function askDatabase(
  connection: D1Connection,
  table: string,
  context?: CallContext,
): Promise<Answers> {
  const { overRest } = connection;
  const queries = [
    floatsQuery(),
    ...(overRest ? [sql`PRAGMA defer_foreign_keys = on`, sql`PRAGMA defer_foreign_keys`] : []),
    ...(isReserved(table) ? [] : tableQueries(table)),
  ];
  const results = await connection.batch(queries, context);
  const [floats = [], ...rest] = results.map(({ results: rows }) => rows as Row[]);
  const [seen] = overRest ? (rest.splice(0, 2)[1] ?? []) : [];
  return {
    present: tableOf(...rest),
    atomic: !overRest || Number(seen?.['defer_foreign_keys']) === 1,
    reading: floatReadingOf(floats),
  };
}
