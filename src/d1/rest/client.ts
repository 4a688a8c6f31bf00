import type { CallContext } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import { Redactor } from '../../redactor.ts';
import type { D1ResultLike } from '../database.ts';
import { type Envelope, parseEnvelope } from './envelope.ts';
import { fromRest } from '../errors.ts';
import { pacerFor, type RequestPacer, type RequestQuota, type Ticket } from './pacer.ts';
import { requestBody, type SentQuery } from './request-body.ts';
import { BodyTooLarge, readBody } from './response-body.ts';

/** Where requests go, and how. */
export interface Endpoint {
  readonly url: string;
  readonly apiToken: string;
  /** Whoever has the same name shares the quota. */
  readonly user: string;
  readonly quota: RequestQuota;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  /** Undefined: the global one. */
  readonly fetch: typeof fetch | undefined;
}

/** Sends statements in one request; where they are a batch, as one. Its failures are classified, without the token. */
export async function sendQueries(
  endpoint: Endpoint,
  queries: readonly SentQuery[],
  isBatch: boolean,
  context: CallContext,
): Promise<D1ResultLike[]> {
  const pacer = pacerFor(endpoint.user, endpoint.quota);
  const body = requestBody(queries, isBatch);
  const { response, text } = await post(endpoint, pacer, body, context);
  const envelope = parseEnvelope(text);
  if (!response.ok || envelope?.success !== true) throw failure(endpoint, pacer, response, envelope, text);
  const { results } = envelope;
  if (results?.length !== queries.length) {
    const found = results === null ? 'results of another form' : `${results.length} results`;
    throw misunderstood(`${found} for ${queries.length} statements`);
  }
  return [...results];
}

async function post(
  endpoint: Endpoint,
  pacer: RequestPacer,
  body: string | Uint8Array<ArrayBuffer>,
  context: CallContext,
): Promise<{ response: Response; text: string }> {
  const ticket = await admitted(pacer, context);
  const { signal } = context;
  // Ended with the answer: a signal with a time of its own, or one made of several, would keep what hangs on it for longer.
  const ended = new AbortController();
  const end = (): void => ended.abort(signal?.reason);
  const timer = setTimeout(end, endpoint.timeoutMs);
  signal?.addEventListener('abort', end);
  let headers: Headers | undefined;
  try {
    const response = await (endpoint.fetch ?? fetch)(endpoint.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${endpoint.apiToken}`, 'content-type': 'application/json' },
      body,
      signal: ended.signal,
      // The token and the rows go to no other address, whoever asks for it.
      redirect: 'manual',
    });
    ({ headers } = response);
    return { response, text: await readBody(response, endpoint.maxResponseBytes) };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof BodyTooLarge) throw misunderstood('the answer is longer than maxResponseBytes');
    throw unreachable(endpoint, error, ended.signal.aborted);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
    pacer.answered(ticket, headers);
  }
}

/** Waits until the quota has room for one more request. */
async function admitted(pacer: RequestPacer, { signal, waited }: CallContext): Promise<Ticket> {
  for (;;) {
    signal?.throwIfAborted();
    const ticket = pacer.admit();
    if (typeof ticket !== 'number') return ticket;
    const started = performance.now();
    await pause(ticket, signal);
    waited?.(performance.now() - started);
  }
}

function unreachable({ url, apiToken }: Endpoint, error: unknown, timedOut: boolean): MigratorError {
  const code = connectionCode(error);
  const what = timedOut ? 'no answer in time' : (code ?? 'the connection broke');
  return new MigratorError('SINK_UNREACHABLE', `D1 API at ${new URL(url).host}: ${what}.`, {
    help: 'Check the network and CLOUDFLARE_API_BASE_URL. The migrator tries again; what was written stays written.',
    retryable: true,
    // Where no connection was made, nothing can have been written.
    ambiguous: !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'].includes(code ?? ''),
    cause: new Redactor([apiToken]).cause(error),
  });
}

function failure(
  { apiToken }: Endpoint,
  pacer: RequestPacer,
  response: Response,
  envelope: Envelope | null,
  text: string,
): MigratorError {
  if (response.ok && envelope === null) return misunderstood('the answer is not JSON, or not all of it');
  const first = envelope?.error;
  const said = first?.message ?? (envelope ? 'the API reports a failure' : brief(text));
  const error = fromRest({
    status: response.status,
    headers: response.headers,
    code: first?.code ?? (envelope ? 0 : null),
    message: new Redactor([apiToken]).text(said),
  });
  if (error.code !== 'SINK_RATE_LIMITED') return error;
  return error.with({ retryAfterMs: pacer.refused(error.retryAfterMs) });
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
