import { type CompiledQuery, Kysely, type RawBuilder } from 'kysely';
import { D1Dialect, type D1DialectConfig } from 'kysely-d1';
import type { CallContext } from '../contract/index.ts';
import { invalidOption } from '../errors.ts';
import type * as Errors from './errors.ts';
import { type D1DatabaseLike, type D1ResultLike, type D1StatementLike, isRemote } from './database.ts';

/** A row as D1 hands it over. */
export type Row = Record<string, unknown>;

/** What explains D1's errors, once something was asked. */
let errors: typeof Errors | undefined;

/** Writes queries as D1 reads them. They are sent here, in batches and with signals, so the dialect has no database. */
const kysely = new Kysely<Record<string, Row>>({
  dialect: new D1Dialect({ database: undefined as unknown as D1DialectConfig['database'] }),
});

/**
 * One D1 database, by binding or over REST. Queries are Kysely's; errors come out classified. Every parameter is a
 * text: over the binding a JavaScript number would arrive as REAL, and the API takes texts.
 */
export class D1Connection {
  readonly database: D1DatabaseLike;

  /** @throws MigratorError `INVALID_OPTION` where it is no database, as a binding is that the Worker does not have. */
  constructor(database: D1DatabaseLike) {
    if (typeof (database as D1DatabaseLike | undefined)?.prepare !== 'function') {
      throw invalidOption(
        '`database` is missing, or is no D1 database.',
        "Pass the Worker's binding, `env.DB`, by the name that it has in wrangler.jsonc.",
      );
    }
    this.database = database;
  }

  /** True where every call is a request of the REST API. */
  get overRest(): boolean {
    return isRemote(this.database);
  }

  /** Says which database this is where that is known: over REST. */
  get identity(): string | undefined {
    return isRemote(this.database) ? this.database.identity : undefined;
  }

  /** True where both certainly mean one database. */
  sameDatabase(other: D1Connection): boolean {
    return (
      this.database === other.database || (this.identity !== undefined && this.identity === other.identity)
    );
  }

  /** Runs one statement and returns its rows. */
  async rows(query: RawBuilder<unknown>, context?: CallContext): Promise<Row[]> {
    return (await this.#run(query, context)).results as Row[];
  }

  /** Runs one statement and returns the number of rows that it changed. */
  async changes(query: RawBuilder<unknown>, context?: CallContext): Promise<number> {
    return (await this.#run(query, context)).meta.changes ?? 0;
  }

  /** Runs statements in one request: one transaction, where the endpoint keeps that promise. */
  async batch(queries: readonly RawBuilder<unknown>[], context?: CallContext): Promise<D1ResultLike[]> {
    return await this.#guarded(context, (database) =>
      database.batch(queries.map((query) => prepared(database, query))),
    );
  }

  async #run(query: RawBuilder<unknown>, context?: CallContext): Promise<D1ResultLike> {
    return await this.#guarded(context, (database) => prepared(database, query).all());
  }

  /** Ends waiting with the signal, and classifies what a binding throws. A binding's call itself cannot be ended. */
  async #guarded<T>(
    context: CallContext | undefined,
    call: (database: D1DatabaseLike) => Promise<T>,
  ): Promise<T> {
    const { database } = this;
    const signal = context?.signal;
    // With the first question, long before anything is written: nothing is loaded once rows are copied.
    errors ??= await import('./errors.ts');
    signal?.throwIfAborted();
    try {
      if (!signal) return await call(database);
      let onAbort: () => void = () => undefined;
      const aborted = new Promise<never>((_resolve, reject) => {
        onAbort = () => reject(signal.reason as Error);
        signal.addEventListener('abort', onAbort, { once: true });
      });
      try {
        const called = call(isRemote(database) ? database.withSignal(signal, context.waited) : database);
        called.catch(() => undefined); // whoever stopped waiting does not hear of it any more
        return await Promise.race([called, aborted]);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    } catch (error) {
      if (signal?.aborted && error === signal.reason) throw error;
      throw errors.fromBinding(error);
    }
  }
}

/** The statement that a query is in SQLite, and its parameters, each a string or a {@link RowsText}. */
export function compiled(query: RawBuilder<unknown>): CompiledQuery {
  return query.compile(kysely);
}

function prepared(database: D1DatabaseLike, query: RawBuilder<unknown>): D1StatementLike {
  const { sql, parameters } = compiled(query);
  // In one piece: a binding makes JSON of the statement and its parameters, in more than twice the time where V8 keeps one of them in the
  // pieces that it was put together from.
  const statement = database.prepare(JSON.parse(JSON.stringify(sql)) as string);
  // A binding takes strings; over REST the request is written from the bytes of a RowsText.
  return statement.bind(...(isRemote(database) ? parameters : parameters.map(String)));
}
