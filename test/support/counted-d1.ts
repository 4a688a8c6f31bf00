import type { D1DatabaseLike, D1ResultLike, D1StatementLike } from 'resumable-migrator/d1';

/** A D1 binding that adds up what D1 says of every statement. */
export class CountedD1 implements D1DatabaseLike {
  /** Calls of the binding: each would be a request over REST. */
  calls = 0;
  /** The sum of D1's own `rows_written`. */
  rowsWritten = 0;
  readonly #database: D1DatabaseLike;
  readonly #originals = new WeakMap<D1StatementLike, D1StatementLike>();

  constructor(database: D1DatabaseLike) {
    this.#database = database;
  }

  prepare(sql: string): D1StatementLike {
    return this.#wrap(this.#database.prepare(sql));
  }

  async batch(statements: D1StatementLike[]): Promise<D1ResultLike[]> {
    this.calls += 1;
    const results = await this.#database.batch(
      statements.map((statement) => this.#originals.get(statement) ?? statement),
    );
    for (const result of results) this.#count(result);
    return results;
  }

  /** Bytes of the whole database, as D1 tells them. */
  async size(): Promise<number> {
    const { meta } = await this.#database.prepare('SELECT 1').all();
    return (meta as { readonly size_after: number }).size_after;
  }

  #wrap(statement: D1StatementLike): D1StatementLike {
    const wrapped: D1StatementLike = {
      bind: (...values) => this.#wrap(statement.bind(...values)),
      all: async () => {
        this.calls += 1;
        const result = await statement.all();
        this.#count(result);
        return result;
      },
    };
    this.#originals.set(wrapped, statement);
    return wrapped;
  }

  #count({ meta }: D1ResultLike): void {
    this.rowsWritten += (meta as { readonly rows_written?: number }).rows_written ?? 0;
  }
}
