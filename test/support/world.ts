import type pg from 'pg';
import { ResumableMigrator, type TuningOptions } from 'resumable-migrator';
import { D1BindingSink, D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource, type PostgresTableOptions } from 'resumable-migrator/postgres';
import { type LocalStack, type LocalStackOptions, startLocalStack } from '../../examples/local/stack.ts';
import { poolOf } from './pool.ts';

type AnyTables = Record<string, Record<string, unknown>>;
type SourceOptions = Omit<PostgresTableOptions<AnyTables, string>, 'table'>;

/** Real PostgreSQL, real D1, and Cloudflare's API before it; with what most tests do to them. */
export class World implements AsyncDisposable {
  readonly stack: LocalStack;
  readonly pool: pg.Pool;
  readonly #d1: Awaited<ReturnType<LocalStack['d1']['database']>>;

  private constructor(stack: LocalStack, d1: Awaited<ReturnType<LocalStack['d1']['database']>>) {
    this.stack = stack;
    this.#d1 = d1;
    this.pool = poolOf({ connectionString: stack.env.DATABASE_URL });
  }

  static async start(options?: LocalStackOptions): Promise<World> {
    const stack = await startLocalStack(options);
    return new World(stack, await stack.d1.database());
  }

  /** A sink over the binding instead of REST. */
  binding(
    table: string,
    options: Partial<ConstructorParameters<typeof D1BindingSink>[0]> = {},
  ): D1BindingSink {
    return new D1BindingSink({ database: this.#d1, table, ...options });
  }

  async postgres(...statements: string[]): Promise<void> {
    for (const statement of statements) await this.pool.query(statement);
  }

  async d1(statement: string): Promise<Record<string, unknown>[]> {
    return (await this.#d1.prepare(statement).all()).results;
  }

  source(table: string, options: SourceOptions = {}): PostgresKeysetSource {
    return new PostgresKeysetSource({ pool: this.pool, table, ...options });
  }

  rest(table: string, options: Partial<ConstructorParameters<typeof D1RestSink>[0]> = {}): D1RestSink {
    const { env } = this.stack;
    return new D1RestSink({
      accountId: env.CLOUDFLARE_ACCOUNT_ID,
      databaseId: env.D1_DATABASE_ID,
      apiToken: env.CLOUDFLARE_API_TOKEN,
      baseUrl: env.CLOUDFLARE_API_BASE_URL,
      table,
      ...options,
    });
  }

  migrator(
    table: string,
    options: TuningOptions & { readonly source?: SourceOptions } = {},
  ): ResumableMigrator {
    const { source, ...tuning } = options;
    return new ResumableMigrator({ source: this.source(table, source), sink: this.rest(table), ...tuning });
  }

  /** Every row of a source table as PostgreSQL's own texts, in the order of the given columns. */
  async sourceRows(table: string, order: string): Promise<(string | null)[][]> {
    const types = { getTypeParser: () => (value: string) => value };
    const query = { text: `SELECT * FROM ${table} ORDER BY ${order}`, rowMode: 'array' as const, types };
    return (await this.pool.query<(string | null)[]>(query)).rows;
  }

  /** Every row of a D1 table, each value cast to text, so that no integer is rounded on its way here. */
  async sinkRows(table: string, order: string): Promise<(string | null)[][]> {
    const columns = await this.d1(`SELECT name FROM pragma_table_info('${table}')`);
    const list = columns.map(({ name }, index) => `CAST("${String(name)}" AS TEXT) AS c${index}`).join(', ');
    const rows = await this.d1(`SELECT ${list} FROM "${table}" ORDER BY ${order}`);
    return rows.map((row) => Object.values(row) as (string | null)[]);
  }

  /** Everything that D1 holds, to show that nothing changed. */
  async d1Contents(): Promise<unknown> {
    const tables = await this.d1(
      `SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name NOT LIKE '!_cf!_%' ESCAPE '!' ORDER BY name`,
    );
    const contents: unknown[] = [];
    for (const { name, sql } of tables) {
      const isTable = String(sql).startsWith('CREATE TABLE');
      contents.push({ name, sql, rows: isTable ? await this.d1(`SELECT * FROM "${String(name)}"`) : [] });
    }
    return contents;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.end();
    await this.stack.stop();
  }
}
