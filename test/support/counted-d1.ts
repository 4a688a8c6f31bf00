import type { D1DatabaseLike, D1ResultLike, D1StatementLike } from 'resumable-migrator/d1';

/** A D1 binding that adds up what D1 says of every statement. */
export class CountedD1 implements D1DatabaseLike {
  /** Calls of the binding: each would be a request over REST. */
  calls = 0;
  /** Statements, each one of a batch: what D1 counts as queries. */
  queries = 0;
  /** The sum of D1's own `rows_written`. */
  rowsWritten = 0;
  readonly #database: D1DatabaseLike;
  readonly #originals = new WeakMap<
    D1StatementLike,
    { readonly sql: string; readonly statement: D1StatementLike }
  >();

  constructor(database: D1DatabaseLike) {
    this.#database = database;
  }

  prepare(sql: string): D1StatementLike {
    return this.#wrap(sql, this.#database.prepare(sql));
  }

  async batch(statements: D1StatementLike[]): Promise<D1ResultLike[]> {
    const originals = statements.map((wrapped) => {
      const original = this.#originals.get(wrapped);
      if (original === undefined) throw new Error('A statement of another database.');
      return original;
    });
    await this.#ask(originals.map(({ sql }) => sql));
    const results = await this.#database.batch(originals.map(({ statement }) => statement));
    for (const result of results) this.#count(result);
    return results;
  }

  /** Bytes of the whole database, as D1 tells them. */
  async size(): Promise<number> {
    const { meta } = await this.#database.prepare('SELECT 1').all();
    return (meta as { readonly size_after: number }).size_after;
  }

  /** Called with the SQL of each call before it is made, which waits for it. */
  protected asked(_statements: readonly string[]): Promise<void> {
    return Promise.resolve();
  }

  async #ask(statements: readonly string[]): Promise<void> {
    this.calls += 1;
    this.queries += statements.length;
    await this.asked(statements);
  }

  #wrap(sql: string, statement: D1StatementLike): D1StatementLike {
    const wrapped: D1StatementLike = {
      bind: (...values) => this.#wrap(sql, statement.bind(...values)),
      all: async () => {
        await this.#ask([sql]);
        const result = await statement.all();
        this.#count(result);
        return result;
      },
    };
    this.#originals.set(wrapped, { sql, statement });
    return wrapped;
  }

  #count({ meta }: D1ResultLike): void {
    this.rowsWritten += (meta as { readonly rows_written?: number }).rows_written ?? 0;
  }
}
