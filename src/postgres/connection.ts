import type { Kysely } from 'kysely';
import { MigratorError } from '../errors.ts';
import { KyselyTransactions, type PgPoolLike, type PgTransactions, PoolTransactions } from './client.ts';

/** How to reach the database: one of the three. */
export type PostgresConnection<Database> =
  | { readonly pool: PgPoolLike; readonly connectionString?: never; readonly db?: never }
  | { readonly connectionString: string; readonly pool?: never; readonly db?: never }
  | { readonly db: Kysely<Database>; readonly pool?: never; readonly connectionString?: never };

/** Transactions over what the options give. */
export function connect<Database>(
  options: PostgresConnection<Database> & { readonly maxConnections?: number | undefined },
): PgTransactions {
  const { pool, connectionString, db } = options;
  if (pool) return new PoolTransactions({ pool });
  if (db) return new KyselyTransactions(db);
  if (typeof connectionString === 'string') {
    return new PoolTransactions({ connectionString, maxConnections: options.maxConnections ?? 5 });
  }
  throw new MigratorError('INVALID_OPTION', 'The source has no connection.', {
    help: 'Pass `pool` (a pg.Pool), `db` (a Kysely instance) or `connectionString`.',
  });
}
