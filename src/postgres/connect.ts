import type { Kysely } from 'kysely';
import { MigratorError } from '../errors.ts';
import { type PgPoolLike, type PgTransactions, PoolTransactions } from './client.ts';
import { KyselyTransactions } from './kysely-transactions.ts';

/** How to reach the database: one of the three. */
export type PostgresConnection<Database> =
  | { readonly pool: PgPoolLike; readonly connectionString?: never; readonly db?: never }
  | { readonly connectionString: string; readonly pool?: never; readonly db?: never }
  | { readonly db: Kysely<Database>; readonly pool?: never; readonly connectionString?: never };

/** Opens nothing yet: a pool of our own is made at the first query. */
export function connect<Database>(
  options: PostgresConnection<Database> & {
    readonly maxConnections?: number | undefined;
    readonly valuesInErrors?: boolean | undefined;
  },
): PgTransactions {
  const { pool, connectionString, db, valuesInErrors = false } = options;
  if (pool) return new PoolTransactions({ pool }, valuesInErrors);
  if (db) return new KyselyTransactions(db, valuesInErrors);
  if (typeof connectionString === 'string') {
    const maxConnections = options.maxConnections ?? 5;
    return new PoolTransactions({ connectionString, maxConnections }, valuesInErrors);
  }
  throw new MigratorError('INVALID_OPTION', 'The source has no connection.', {
    help: 'Pass `pool` (a pg.Pool), `db` (a Kysely instance) or `connectionString`.',
  });
}
