/**
 * PostgreSQL as a source, read along its key.
 *
 * @module
 */
export type { PgClientLike, PgPoolLike, PgQuery } from './client.ts';
export type { PostgresConnection } from './connect.ts';
export {
  type ChosenRow,
  type ColumnChoice,
  PostgresKeysetSource,
  type PostgresKeysetSourceOptions,
  type PostgresTableOptions,
} from './source.ts';
