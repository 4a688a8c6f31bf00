/**
 * PostgreSQL as a source, read along its key.
 *
 * @module
 */
export type { PgClientLike, PgPoolLike, PgQuery } from './client.ts';
export {
  type ChosenRow,
  type ColumnChoice,
  type PostgresConnection,
  PostgresKeysetSource,
  type PostgresKeysetSourceOptions,
  type PostgresTableOptions,
} from './source.ts';
