import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from 'kysely';
import type { CallContext } from '../contract/index.ts';
import { MigratorError } from '../errors.ts';
import { Redactor } from '../redactor.ts';
import { parameterText } from './bind-message.ts';
import { type ErrorManners, fromDriver } from './errors.ts';
import { type RowQuery, RowStream, type RowTaker, takesBytes, takesRowStreams } from './row-stream.ts';
import { settings } from './session.ts';

/** The little of a `pg.Pool` that is used: any pool of this shape serves. */
export interface PgPoolLike {
  /** Hands over a connection. */
  connect(): Promise<PgClientLike>;
  /** Tells of a connection before it is handed over, which a promise does too late to hear it break. */
  on?(event: 'acquire', listener: (client: PgClientLike) => void): unknown;
  /** Removes a listener of {@link on}. */
  off?(event: 'acquire', listener: (client: PgClientLike) => void): unknown;
}

/** The little of a `pg.PoolClient` that is used. */
export interface PgClientLike {
  /** Runs one query. */
  query(config: PgQuery): Promise<{ rows: unknown[][] }>;
  /** Gives the connection back to the pool, or ends it. */
  release(destroy?: boolean): void;
  /** A connection that breaks between two queries says so by an event that, unheard, would end the process. */
  on?(event: 'error', listener: (error: Error) => void): unknown;
  /** Removes a listener of {@link on}. */
  off?(event: 'error', listener: (error: Error) => void): unknown;
}

/** A query that asks for rows as arrays of the server's own texts. */
export interface PgQuery {
  text: string;
  values: unknown[];
  rowMode: 'array';
  types: {
    /** The parser for every column: none of them changes the text. */
    getTypeParser(): (value: string) => string;
  };
}

/** A row as texts, in the order of the selected columns. */
type PgRow = (string | null)[];

/** Runs one query inside the transaction. */
export type PgQueryRunner = (query: RawBuilder<unknown>) => Promise<PgRow[]>;

/**
 * Runs one query inside the transaction, and hands its rows over as they arrive; as one portion, where the driver keeps them.
 *
 * @param bytesQuery - what is asked instead where rows are taken as bytes.
 */
export type PgStreamRunner = (
  query: RawBuilder<unknown>,
  taker: RowTaker,
  bytesQuery?: RawBuilder<unknown>,
) => Promise<void>;

/**
 * In a stricter level the snapshot of a transaction may be older than its lock on the table, and a table that was rewritten or truncated in
 * between reads as empty.
 */
const beginning = `BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY; ${settings}`;

const keepText = { getTypeParser: () => (value: string) => value };

/** Compiles queries for PostgreSQL without a connection. */
const compiler = new Kysely<Record<string, never>>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** Compiles a fragment: its text and parameters. */
export function compile(query: RawBuilder<unknown>): CompiledQuery {
  return query.compile(compiler);
}

/** A way to run read-only transactions. */
export interface PgTransactions {
  /** False: values come as the host's driver parses them, so every column is selected as text. */
  readonly rawText: boolean;
  run<T>(
    work: (query: PgQueryRunner, stream: PgStreamRunner) => Promise<T>,
    context?: CallContext,
  ): Promise<T>;
  close(): Promise<void>;
}

export const ignore = (): void => undefined;

/**
 * Takes connections of a pool. A server that shuts down may send its farewell in the packet of its last answer: after the pool has let go
 * of the connection, and before `connect()` is heard. Its `error` event would end the process.
 */
class Acquiring {
  readonly #pool: PgPoolLike;
  /** Calls of {@link acquire} under way: one listener serves all of them. */
  #waiting = 0;

  constructor(pool: PgPoolLike) {
    this.#pool = pool;
  }

  async acquire(): Promise<PgClientLike> {
    if (this.#waiting === 0) this.#pool.on?.('acquire', onAcquire);
    this.#waiting += 1;
    try {
      return await this.#pool.connect();
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#pool.off?.('acquire', onAcquire);
    }
  }
}

function onAcquire(client: PgClientLike): void {
  client.on?.('error', ignore);
  setTimeout(() => client.off?.('error', ignore), 0);
}

/** Over a pool that the host passed in, or one that is made from a connection string at the first query. */
export class PoolTransactions implements PgTransactions {
  readonly rawText: boolean = true;
  readonly #open: () => Promise<Acquiring>;
  readonly #manners: ErrorManners;
  #pool: Promise<Acquiring> | null = null;
  #close: (() => Promise<void>) | null = null;

  constructor(
    from:
      { readonly pool: PgPoolLike } | { readonly connectionString: string; readonly maxConnections: number },
    values: boolean = false,
  ) {
    if ('pool' in from) {
      this.#open = () => Promise.resolve(new Acquiring(from.pool));
      this.#manners = { redact: new Redactor([]), values };
      return;
    }
    const { connectionString, maxConnections } = from;
    this.#manners = { redact: new Redactor(secretsOf(connectionString)), values };
    this.#open = async () => {
      const { Pool } = await import('pg').catch((cause: unknown) => {
        throw new MigratorError(
          'INVALID_OPTION',
          '`connectionString` needs the package pg, which cannot be loaded.',
          {
            help: 'Install it: npm install pg. Or pass `db`, a Kysely instance with another driver.',
            cause,
          },
        );
      });
      const { socketsFor } = await import('./sockets.ts');
      const stream = socketsFor(connectionString);
      const pool = new Pool({
        connectionString,
        max: maxConnections,
        connectionTimeoutMillis: 15_000,
        ...(stream && { stream }),
      });
      // A connection that breaks while idle is replaced at the next query; without a listener it would end the process.
      pool.on('error', ignore);
      this.#close = () => pool.end();
      return new Acquiring(pool);
    };
  }

  async run<T>(
    work: (query: PgQueryRunner, stream: PgStreamRunner) => Promise<T>,
    context?: CallContext,
  ): Promise<T> {
    try {
      context?.signal?.throwIfAborted();
      this.#pool ??= this.#open();
      const pool = await this.#pool;
      const client = await untilAborted(pool.acquire(), context, (late) => late.release());
      return await this.#transaction(client, work, context);
    } catch (error) {
      throw context?.signal?.aborted ? context.signal.reason : fromDriver(error, this.#manners);
    }
  }

  async close(): Promise<void> {
    await this.#pool?.catch(() => undefined);
    const close = this.#close;
    this.#close = null;
    this.#pool = null;
    await close?.();
  }

  async #transaction<T>(
    client: PgClientLike,
    work: (query: PgQueryRunner, stream: PgStreamRunner) => Promise<T>,
    context?: CallContext,
  ): Promise<T> {
    const signal = context?.signal;
    let released = false;
    // One that breaks between two queries: the next fails for the same reason.
    const onError = (): void => undefined;
    client.on?.('error', onError);
    const release = (destroy: boolean): void => {
      if (released) return;
      released = true;
      client.release(destroy);
      // A connection that is thrown away may still say that it broke.
      if (!destroy) client.off?.('error', onError);
    };
    // Only the end of the connection ends a query that runs.
    const onAbort = (): void => release(true);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await client.query(plain(beginning));
      const query: PgQueryRunner = async (asked) => {
        const { sql: text, parameters } = compile(asked);
        const { rows } = await client.query({
          text,
          values: parameters.map(parameterText),
          rowMode: 'array',
          types: keepText,
        });
        return rows as PgRow[];
      };
      const streams = takesRowStreams(client);
      const result = await work(query, async (asked, taker, bytesQuery) => {
        if (!streams) return handOver(await query(asked), taker);
        const isBytes = taker.bytes !== undefined && takesBytes(client);
        const stream = new RowStream(rowQuery((isBytes && bytesQuery) || asked), taker);
        void client.query(stream as unknown as PgQuery);
        await stream.done;
      });
      await client.query(plain('COMMIT'));
      release(false);
      return result;
    } catch (error) {
      if (!released)
        await client.query(plain('ROLLBACK')).then(
          () => release(false),
          () => release(true),
        );
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** Waits no longer than the signal allows; what comes later is not lost. */
export async function untilAborted<T>(
  promise: Promise<T>,
  context: CallContext | undefined,
  late: (value: T) => void,
): Promise<T> {
  const signal = context?.signal;
  if (!signal) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    const value = await Promise.race([promise, aborted]);
    // It came at the same time.
    signal.throwIfAborted();
    return value;
  } catch (error) {
    promise.then(late, ignore);
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

export function handOver(rows: readonly PgRow[], taker: RowTaker): void {
  for (const row of rows) {
    const other = row.find((value) => value !== null && typeof value !== 'string');
    if (other !== undefined)
      throw new MigratorError(
        'INVALID_OPTION',
        `The pool gives a value as ${typeof other}, and not as text.`,
        {
          help: "Its driver does not keep to a query's `types`: use pg's own Pool, or pass `connectionString`.",
        },
      );
    taker.row(row);
  }
}

function rowQuery(asked: RawBuilder<unknown>): RowQuery {
  const { sql: text, parameters } = compile(asked);
  return { text, values: parameters.map(parameterText) };
}

function plain(text: string): PgQuery {
  return { text, values: [], rowMode: 'array', types: keepText };
}

/** The password of a connection string, as it stands there and as it is meant. */
function secretsOf(connectionString: string): string[] {
  if (!/^postgres(ql)?:\/\//.test(connectionString) || !URL.canParse(connectionString)) {
    throw new MigratorError('INVALID_OPTION', 'The connection string is not a PostgreSQL address.', {
      help: 'It has the form postgresql://user:password@host:5432/database; characters like @ or / in the password are percent-encoded.',
    });
  }
  const { password } = new URL(connectionString);
  try {
    return [connectionString, password, decodeURIComponent(password)];
  } catch {
    return [connectionString, password];
  }
}
