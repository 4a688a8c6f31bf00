import { MigratorError, Redactor } from '../../errors.ts';
import type { D1ResultLike, D1StatementLike, RemoteDatabase } from '../database.ts';
import { type Envelope, parseEnvelope } from './envelope.ts';
import { fromRest } from '../errors.ts';
import { pacerFor, type RequestPacer, type RequestQuota, type Ticket } from './pacer.ts';
import { BodyTooLarge, readBody } from './response-body.ts';

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
export class D1RestDatabase implements RemoteDatabase {
  /** @internal */
  readonly overRest = true;
  /** Says which database this is, without credentials. */
  readonly identity: string;
  readonly #options: D1RestOptions;
  readonly #url: string;
  readonly #redact: Redactor;
  readonly #signal: AbortSignal | undefined;
  readonly #pacer: RequestPacer;

  /** @throws MigratorError `INVALID_OPTION` where an id, the token or the address is missing or malformed. */
  constructor(options: D1RestOptions, signal?: AbortSignal) {
    for (const name of ['accountId', 'databaseId', 'apiToken'] as const) {
      const value: unknown = options[name];
      if (typeof value === 'string' && value.trim() !== '' && !/[\s\p{Cc}]/u.test(value)) continue;
      throw new MigratorError('INVALID_OPTION', `${name} is missing, or holds blanks.`, {
        help: 'Pass the account id, the database id and an API token with the permission "D1: Edit".',
      });
    }
    const base = (options.baseUrl ?? cloudflare).replace(/\/+$/, '');
    if (!URL.canParse(base) || !/^https?:/.test(base)) {
      throw new MigratorError('INVALID_OPTION', 'baseUrl is not an http address.', {
        help: 'Leave it out for Cloudflare itself: https://api.cloudflare.com/client/v4.',
      });
    }
    checkLimits(options);
    this.#options = options;
    this.#url = `${base}/accounts/${encodeURIComponent(options.accountId)}/d1/database/${encodeURIComponent(options.databaseId)}/raw`;
    this.#redact = new Redactor([options.apiToken]);
    this.#signal = signal;
    // One quota for a user, whichever database or table it is.
    this.#pacer = pacerFor(`${base} ${options.apiToken}`, quotaOf(options, base));
    this.identity = `${new URL(base).host} ${options.accountId}/${options.databaseId}`;
  }

  /** The same database; its requests end with the signal. */
  withSignal(signal: AbortSignal): D1RestDatabase {
    return new D1RestDatabase(this.#options, signal);
  }

  prepare(sql: string): D1RestStatement {
    return new D1RestStatement((statement) => this.#send([statement], false), sql, []);
  }

  async batch(statements: D1StatementLike[]): Promise<D1ResultLike[]> {
    if (statements.length === 0) return [];
    const own = statements.filter((statement) => statement instanceof D1RestStatement);
    return await this.#send(own, true);
  }

  async #send(statements: readonly D1RestStatement[], batch: boolean): Promise<D1ResultLike[]> {
    const queries = statements.map(({ sql, params }) => ({ sql, params }));
    const body = JSON.stringify(batch ? { batch: queries } : queries[0]);
    const { response, text } = await this.#post(body);
    const envelope = parseEnvelope(text);
    if (!response.ok || envelope?.success !== true) throw this.#failure(response, envelope, text);
    const { results } = envelope;
    if (results?.length !== statements.length) {
      const found = results === null ? 'results of another form' : `${results.length} results`;
      throw misunderstood(`${found} for ${statements.length} statements`);
    }
    return [...results];
  }

  async #post(body: string): Promise<{ response: Response; text: string }> {
    const ticket = await this.#admitted();
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? 60_000);
    const signal = this.#signal ? AbortSignal.any([this.#signal, timeout]) : timeout;
    let headers: Headers | undefined;
    try {
      const response = await (this.#options.fetch ?? fetch)(this.#url, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#options.apiToken}`, 'content-type': 'application/json' },
        body,
        signal,
        // The token and the rows go to no other address, whoever asks for it.
        redirect: 'manual',
      });
      ({ headers } = response);
      return { response, text: await readBody(response, this.#options.maxResponseBytes ?? 32_000_000) };
    } catch (error) {
      if (this.#signal?.aborted) throw this.#signal.reason;
      if (error instanceof BodyTooLarge) throw misunderstood('the answer is longer than maxResponseBytes');
      throw this.#unreachable(error, timeout.aborted);
    } finally {
      this.#pacer.answered(ticket, headers);
    }
  }

  /** Waits until the quota has room for one more request. */
  async #admitted(): Promise<Ticket> {
    for (;;) {
      this.#signal?.throwIfAborted();
      const admitted = this.#pacer.admit();
      if (typeof admitted !== 'number') return admitted;
      await pause(admitted, this.#signal);
    }
  }

  #unreachable(error: unknown, timedOut: boolean): MigratorError {
    const code = connectionCode(error);
    const what = timedOut ? 'no answer in time' : (code ?? 'the connection broke');
    return new MigratorError('SINK_UNREACHABLE', `D1 API at ${new URL(this.#url).host}: ${what}.`, {
      help: 'Check the network and CLOUDFLARE_API_BASE_URL. The migrator tries again; what was written stays written.',
      retryable: true,
      // Where no connection was made, nothing can have been written.
      ambiguous: !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'].includes(code ?? ''),
      cause: this.#redact.cause(error),
    });
  }

  #failure(response: Response, envelope: Envelope | null, text: string): MigratorError {
    if (response.ok && envelope === null) return misunderstood('the answer is not JSON, or not all of it');
    const first = envelope?.error;
    const error = fromRest({
      status: response.status,
      headers: response.headers,
      code: first?.code ?? (envelope ? 0 : null),
      message: this.#redact.text(first?.message ?? (envelope ? 'the API reports a failure' : brief(text))),
    });
    if (error.code !== 'SINK_RATE_LIMITED') return error;
    return error.with({ retryAfterMs: this.#pacer.refused(error.retryAfterMs) });
  }
}

/** A statement of a {@link D1RestDatabase}. */
export class D1RestStatement implements D1StatementLike {
  readonly sql: string;
  readonly params: readonly string[];
  readonly #send: (statement: D1RestStatement) => Promise<D1ResultLike[]>;

  constructor(
    send: (statement: D1RestStatement) => Promise<D1ResultLike[]>,
    sql: string,
    params: readonly string[],
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
      if (typeof value === 'string') return value;
      if (typeof value === 'number' || typeof value === 'bigint') return String(value);
      if (typeof value === 'boolean') return value ? '1' : '0';
      throw new MigratorError(
        'INVALID_OPTION',
        `A parameter of type ${value === null ? 'null' : typeof value} cannot be sent over the REST API.`,
        {
          help: 'Pass texts, numbers or booleans, and write NULL into the statement itself.',
        },
      );
    });
    return new D1RestStatement(this.#send, this.sql, params);
  }

  async all(): Promise<D1ResultLike> {
    const [result] = await this.#send(this);
    return result as D1ResultLike;
  }
}

/** An answer that cannot be understood says nothing of what was written: the checkpoint has to be asked. */
function misunderstood(what: string): MigratorError {
  return new MigratorError('SINK_PROTOCOL', `D1 API: ${what}.`, {
    help: 'The migrator reads what was written and tries again. If it stays, check CLOUDFLARE_API_BASE_URL.',
    retryable: true,
    ambiguous: true,
  });
}

/** Waits, or ends with the signal without a word: whoever asked looks at the signal next. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end, { once: true });
  });
}

function checkLimits(options: D1RestOptions): void {
  for (const name of ['timeoutMs', 'maxResponseBytes'] as const) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    // The largest number that a timer takes; a longer one would end at once.
    if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 2 ** 31) continue;
    throw new MigratorError('INVALID_OPTION', `${name} must be a whole number above 0.`, {
      help: `Leave ${name} out for its default.`,
    });
  }
}

function quotaOf({ quota }: D1RestOptions, base: string): RequestQuota {
  const { requests = 1_200, windowMs = 300_000 } = quota ?? {};
  if (!quota && base !== cloudflare) return { requests: Infinity, windowMs };
  if (Number.isInteger(requests) && requests > 0 && Number.isInteger(windowMs) && windowMs > 0) {
    return { requests, windowMs };
  }
  throw new MigratorError('INVALID_OPTION', 'quota must be whole numbers above 0.', {
    help: 'quota: { requests: 1200, windowMs: 300000 } is the default. Leave it out for Cloudflare itself.',
  });
}

/** The system's code below a failed fetch: `ECONNREFUSED`, `ENOTFOUND`... */
function connectionCode(error: unknown): string | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return null;
}

/** A few words of a body that is not the API's own: an HTML page is named, not quoted. */
function brief(text: string): string {
  const start = text.trimStart().slice(0, 100);
  if (start === '') return 'an empty answer';
  return start.startsWith('<') ? 'an HTML page' : "an answer that is not the API's";
}
