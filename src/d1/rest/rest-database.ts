import { invalidOption } from '../../errors.ts';
import type { D1DatabaseLike, D1ResultLike, D1StatementLike, RemoteDatabase } from '../database.ts';
import { RowsText } from '../rows/rows-text.ts';
import type * as Client from './client.ts';
import type { RequestQuota } from './pacer.ts';

/** The options of a {@link D1RestDatabase}. */
export interface D1RestOptions {
  /** The Cloudflare account's id. */
  readonly accountId: string;
  /** The database's UUID. */
  readonly databaseId: string;
  /** A token with the permission "D1: Edit". Appears in no error and no event. */
  readonly apiToken: string;
  /** Default `https://api.cloudflare.com/client/v4`. */
  readonly baseUrl?: string | undefined;
  /** Milliseconds after which an answer is given up. Default 60,000; D1 itself stops at 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Bytes of an answer at the most; a longer one is given up. Default 32,000,000; the migrator's own are far shorter. */
  readonly maxResponseBytes?: number | undefined;
  /**
   * Requests that the API takes in a window of time; this process stays below it, and slows down earlier where answers
   * say that others use it too. Default: 1,200 in 300,000 ms, as Cloudflare documents; at another `baseUrl` only what its
   * answers tell.
   */
  readonly quota?: Partial<RequestQuota> | undefined;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
}

let client: typeof Client | undefined;

const cloudflare = 'https://api.cloudflare.com/client/v4';

/**
 * A D1 database over Cloudflare's REST API, in the shape of a Worker's binding: what takes `env.DB` takes this, Kysely
 * with `kysely-d1` included. Parameters are texts, numbers and booleans; a batch is one request.
 *
 * @example
 * ```ts
 * const database = new D1RestDatabase({ accountId, databaseId, apiToken });
 * const { results } = await database.prepare('SELECT * FROM t WHERE id = ?').bind('1').all();
 * ```
 */
export class D1RestDatabase implements D1DatabaseLike {
  /** @internal */
  readonly overRest: RemoteDatabase['overRest'] = true;
  /** Says which database this is, without credentials. */
  readonly identity: string;
  readonly #options: D1RestOptions;
  readonly #endpoint: Client.Endpoint;
  readonly #signal: AbortSignal | undefined;
  readonly #waited: ((milliseconds: number) => void) | undefined;

  /** @throws MigratorError `INVALID_OPTION` where an id, the token or the address is missing or malformed. */
  constructor(options: D1RestOptions, signal?: AbortSignal, waited?: (milliseconds: number) => void) {
    const { accountId, databaseId, apiToken, timeoutMs = 60_000, maxResponseBytes = 32_000_000 } = options;
    for (const [name, value] of Object.entries({ accountId, databaseId, apiToken })) {
      if (typeof value === 'string' && value.trim() !== '' && !/[\s\p{Cc}]/u.test(value)) continue;
      throw invalidOption(
        `${name} is missing, or holds blanks.`,
        'Pass the account id, the database id and an API token with the permission "D1: Edit".',
      );
    }
    const base = (options.baseUrl ?? cloudflare).replace(/\/+$/, '');
    if (!URL.canParse(base) || !/^https?:/.test(base)) {
      throw invalidOption(
        'baseUrl is not an http address.',
        'Leave it out for Cloudflare itself: https://api.cloudflare.com/client/v4.',
      );
    }
    for (const [name, limit] of Object.entries({ timeoutMs, maxResponseBytes })) {
      // The largest number that a timer takes; a longer one would end at once.
      if (!isCount(limit) || limit >= 2 ** 31)
        throw invalidOption(`${name} must be a whole number above 0.`, `Leave ${name} out for its default.`);
    }
    this.#options = options;
    this.#signal = signal;
    this.#waited = waited;
    this.#endpoint = {
      url: `${base}/accounts/${encodeURIComponent(accountId)}/d1/database/${encodeURIComponent(databaseId)}/raw`,
      apiToken,
      // One quota for a user, whichever database or table it is.
      user: `${base} ${apiToken}`,
      quota: quotaOf(options, base),
      timeoutMs,
      maxResponseBytes,
      fetch: options.fetch,
    };
    this.identity = `${new URL(base).host} ${accountId}/${databaseId}`;
  }

  /** The same database; its requests end with the signal. @param waited - told of milliseconds of waiting for the quota. */
  withSignal(signal: AbortSignal, waited?: (milliseconds: number) => void): D1RestDatabase {
    return new D1RestDatabase(this.#options, signal, waited);
  }

  prepare(sql: string): D1RestStatement {
    return new D1RestStatement((statement) => this.#send([statement], false), sql, []);
  }

  async batch(statements: D1StatementLike[]): Promise<D1ResultLike[]> {
    if (statements.length === 0) return [];
    const own = statements.filter((statement) => statement instanceof D1RestStatement);
    return await this.#send(own, true);
  }

  /** What sends is loaded with the first request, which asks what is there: long before anything is written. */
  async #send(statements: readonly D1RestStatement[], isBatch: boolean): Promise<D1ResultLike[]> {
    client ??= await import('./client.ts');
    return await client.sendQueries(this.#endpoint, statements, isBatch, {
      signal: this.#signal,
      waited: this.#waited,
    });
  }
}

/** A statement of a {@link D1RestDatabase}. */
export class D1RestStatement implements D1StatementLike {
  readonly sql: string;
  /** @internal */
  readonly params: readonly (string | RowsText)[];
  readonly #send: (statement: D1RestStatement) => Promise<D1ResultLike[]>;

  /** @internal */
  constructor(
    send: (statement: D1RestStatement) => Promise<D1ResultLike[]>,
    sql: string,
    params: readonly (string | RowsText)[],
  ) {
    this.#send = send;
    this.sql = sql;
    this.params = params;
  }

  /**
   * Parameters travel as text, as the API documents them: `CAST(? AS INTEGER)` where a number is meant and no column
   * says so. Null is not among them; write `NULL` into the statement.
   */
  bind(...values: unknown[]): D1RestStatement {
    const params = values.map((value) => {
      if (typeof value === 'string' || value instanceof RowsText) return value;
      if (typeof value === 'number' || typeof value === 'bigint') return String(value);
      if (typeof value === 'boolean') return value ? '1' : '0';
      throw invalidOption(
        `A parameter of type ${value === null ? 'null' : typeof value} cannot be sent over the REST API.`,
        'Pass texts, numbers or booleans, and write NULL into the statement itself.',
      );
    });
    return new D1RestStatement(this.#send, this.sql, params);
  }

  async all(): Promise<D1ResultLike> {
    const [result] = await this.#send(this);
    return result as D1ResultLike;
  }
}

function quotaOf({ quota }: D1RestOptions, base: string): RequestQuota {
  const { requests = 1_200, windowMs = 300_000 } = quota ?? {};
  if (!quota && base !== cloudflare) return { requests: Infinity, windowMs };
  if (isCount(requests) && isCount(windowMs)) return { requests, windowMs };
  throw invalidOption(
    'quota must be whole numbers above 0.',
    'quota: { requests: 1200, windowMs: 300000 } is the default. Leave it out for Cloudflare itself.',
  );
}

/** Whatever the host passed: a compiler may not have seen it. */
function isCount(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) > 0;
}
