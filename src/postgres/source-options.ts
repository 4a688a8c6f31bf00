import type { RawBuilder } from 'kysely';
import type { PostgresConnection } from './connect.ts';

/** The columns to copy: their names, or a new name (or `true` for the same) for each. */
export type ColumnChoice<Row> =
  readonly (keyof Row & string)[] | { readonly [Name in keyof Row & string]?: string | true };

/** The rows that travel: the chosen columns under the names that they get. */
export type ChosenRow<Row, Choice> = Choice extends readonly (infer Name)[]
  ? Pick<Row, Name & keyof Row>
  : {
      [
        Name in keyof Choice & keyof Row as Choice[Name] extends true ? Name : Choice[Name] & string
      ]: Row[Name];
    };

/** Which rows to read. */
export interface PostgresTableOptions<
  Database,
  Table extends keyof Database & string,
  Choice extends ColumnChoice<Database[Table]> = ColumnChoice<Database[Table]>,
> {
  /** A table or view; `schema.table` as Kysely writes it. */
  readonly table: Table;
  /** Default: the search path decides. Where it is given, a dot in `table` is part of the name. */
  readonly schema?: string | undefined;
  /** Columns to page by: unique and never null. Default: the primary key. */
  readonly key?: readonly (keyof Database[Table] & string)[] | undefined;
  /**
   * Columns to copy: a list of names, or an object that may give them new ones: `{ id: true, name: 'full_name' }`.
   * Default: all.
   */
  readonly columns?: Choice | undefined;
  /** Copies only the rows for which this holds: Kysely's `sql` with a condition on the table's columns. */
  readonly where?: RawBuilder<unknown> | undefined;
  /** Connections of the pool that is made from a connection string. Default 5. */
  readonly maxConnections?: number | undefined;
  /** Shows PostgreSQL's own words in errors also where they may quote values of a row. Default false. */
  readonly valuesInErrors?: boolean | undefined;
}

/** The options of a {@link PostgresKeysetSource}. */
export type PostgresKeysetSourceOptions<
  Database,
  Table extends keyof Database & string,
  Choice extends ColumnChoice<Database[Table]> = ColumnChoice<Database[Table]>,
> = PostgresConnection<Database> & PostgresTableOptions<Database, Table, Choice>;
