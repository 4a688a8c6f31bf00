import type { D1DatabaseLike } from './database.ts';
import { refuseUnknown } from '../errors.ts';
import { D1RestDatabase, type D1RestOptions } from './rest/rest-database.ts';
import { D1Sink, type D1SinkOptions } from './sink.ts';

/** The row type of a table in Kysely's `Database` interface. */
export type TableRow<Database, Table extends keyof Database> = Database[Table] extends object
  ? Database[Table]
  : never;

/** The options that both sinks take, whatever the way to the database. */
const names = 'table createTable tableOptions carryOver store checkpointTable rejectTable';

/** The options of a {@link D1RestSink}. */
export interface D1RestSinkOptions<Table extends string, Column extends string = string>
  extends D1SinkOptions<Table, Column>, D1RestOptions {}

/**
 * Writes rows into a D1 table over Cloudflare's REST API.
 *
 * @typeParam Database - Kysely's interface of the target: tables and their columns. Without it, names are not checked
 * by the compiler.
 *
 * @example
 * ```ts
 * const sink = new D1RestSink<TargetDB, 'cities'>({ accountId, databaseId, apiToken, table: 'cities' });
 * ```
 */
export class D1RestSink<
  Database = Record<string, Record<string, unknown>>,
  Table extends keyof Database & string = keyof Database & string,
> extends D1Sink<TableRow<Database, Table>> {
  /** @throws MigratorError `INVALID_OPTION`; nothing is sent here. */
  constructor(options: D1RestSinkOptions<Table, keyof Database[Table] & string>) {
    refuseUnknown(
      'The sink',
      options,
      `accountId databaseId apiToken baseUrl timeoutMs maxResponseBytes quota fetch ${names}`,
    );
    super(new D1RestDatabase(options), options);
  }
}

/** The options of a {@link D1BindingSink}. */
export interface D1BindingSinkOptions<
  Table extends string,
  Column extends string = string,
> extends D1SinkOptions<Table, Column> {
  /** The Worker's binding: `env.DB`. */
  readonly database: D1DatabaseLike;
}

/**
 * Writes rows into a D1 table over a Worker's binding.
 *
 * @typeParam Database - Kysely's interface of the target: tables and their columns.
 *
 * @example
 * ```ts
 * const sink = new D1BindingSink<TargetDB, 'cities'>({ database: env.DB, table: 'cities' });
 * ```
 */
export class D1BindingSink<
  Database = Record<string, Record<string, unknown>>,
  Table extends keyof Database & string = keyof Database & string,
> extends D1Sink<TableRow<Database, Table>> {
  /** @throws MigratorError `INVALID_OPTION`; nothing is read or written here. */
  constructor(options: D1BindingSinkOptions<Table, keyof Database[Table] & string>) {
    refuseUnknown('The sink', options, `database ${names}`);
    super(options.database, options);
  }
}
