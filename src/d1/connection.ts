import { type CompiledQuery, Kysely, type RawBuilder } from 'kysely';
import { D1Dialect, type D1DialectConfig } from 'kysely-d1';
import type { CallContext } from '../contract/index.ts';
import type { D1DatabaseLike, D1ResultLike } from './database.ts';
import { fromBinding } from './errors.ts';
import { D1RestDatabase } from './rest/rest-database.ts';

/** A query ready to be sent: its statement and its parameters, each a string or a {@link JsonText}. */
export type Query = Pick<CompiledQuery, 'sql' | 'parameters'>;

/** A row as D1 hands it over. */
export type Row = Record<string, unknown>;

/**
 * One D1 database, by binding or over REST. Queries are Kysely's; errors come out classified. Every parameter is a
 * text: over the binding a JavaScript number would arrive as REAL, and the API takes texts.
 */
export class D1Connection {
  readonly database: D1DatabaseLike;
  readonly #kysely: Kysely<Record<string, Row>>;

  constructor(database: D1DatabaseLike) {
    this.database = database;
    this.#kysely = kyselyOn(database);
  }

  /** Says which database this is where that is known: over REST. */
  get identity(): string | undefined {
    return this.database instanceof D1RestDatabase ? this.database.identity : undefined;
  }

  /** True where both certainly mean one database. */
  sameDatabase(other: D1Connection): boolean {
    return (
      this.database === other.database || (this.identity !== undefined && this.identity === other.identity)
    );
  }

  compile(query: RawBuilder<unknown>): Query {
    return query.compile(this.#kysely);
  }

  /** Runs one statement and returns its rows. */
  async rows(query: RawBuilder<unknown>, context?: CallContext): Promise<Row[]> {
    return (await this.#run(query, context)).rows;
  }

  /** Runs one statement and returns the number of rows that it changed. */
  async changes(query: RawBuilder<unknown>, context?: CallContext): Promise<number> {
    return Number((await this.#run(query, context)).numAffectedRows ?? 0);
  }

  /** Runs statements in one request: one transaction, where the endpoint keeps that promise. */
  async batch(queries: readonly Query[], context?: CallContext): Promise<D1ResultLike[]> {
    return await guarded(context, async () => {
      const database = this.#withSignal(context);
      const statements = queries.map((query) =>
        database.prepare(query.sql).bind(...parametersFor(database, query)),
      );
      return await database.batch(statements);
    });
  }

  async #run(
    query: RawBuilder<unknown>,
    context?: CallContext,
  ): Promise<{ readonly rows: Row[]; readonly numAffectedRows?: bigint | undefined }> {
    return await guarded(context, async () => {
      const database = this.#withSignal(context);
      const kysely = database === this.database ? this.#kysely : kyselyOn(database);
      const compiled = query.compile(kysely);
      const result = await kysely.executeQuery({
        ...compiled,
        parameters: parametersFor(database, compiled),
      });
      return { rows: result.rows as Row[], numAffectedRows: result.numAffectedRows };
    });
  }

  #withSignal(context?: CallContext): D1DatabaseLike {
    const { database } = this;
    return context?.signal && database instanceof D1RestDatabase
      ? database.withSignal(context.signal, context.waited)
      : database;
  }
}

/** A binding takes strings; over REST the request is written from the bytes of a {@link JsonText}. */
function parametersFor(database: D1DatabaseLike, { parameters }: Query): readonly unknown[] {
  return database instanceof D1RestDatabase ? parameters : parameters.map(String);
}

function kyselyOn(database: D1DatabaseLike): Kysely<Record<string, Row>> {
  // kysely-d1 is typed by the Workers runtime, and uses prepare, bind and all of it.
  return new Kysely({
    dialect: new D1Dialect({ database: database as unknown as D1DialectConfig['database'] }),
  });
}

/** Ends waiting with the signal, and classifies what a binding throws. A binding's call itself cannot be ended. */
async function guarded<T>(context: CallContext | undefined, call: () => Promise<T>): Promise<T> {
  const signal = context?.signal;
  signal?.throwIfAborted();
  try {
    if (!signal) return await call();
    let onAbort: () => void = () => undefined;
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    const called = call();
    called.catch(() => undefined); // whoever stopped waiting does not hear of it any more
    try {
      return await Promise.race([called, aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  } catch (error) {
    throw signal?.aborted && error === signal.reason ? error : fromBinding(error);
  }
}
