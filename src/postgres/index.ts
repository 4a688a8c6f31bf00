/**
 * PostgreSQL as a source, read along its key.
 *
 * @module
 */
export type { PgClientLike, PgPoolLike, PgQuery } from './client.ts';
export type { PostgresConnection } from './connect.ts';
export { PostgresKeysetSource } from './source.ts';
export type {
  ChosenRow,
  ColumnChoice,
  PostgresKeysetSourceOptions,
  PostgresTableOptions,
} from './source-options.ts';
