import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHANGES_HEADER } from './envelope.ts';
import { REFUSALS, type Fault, type FaultHook } from './faults.ts';
import { createQuota, type Quota, type QuotaOptions } from './quota.ts';
import { addHeaders, failure, faultAnswer, queriesOf, send, truncated } from './upstream.ts';
import type { Answer, ApiRequest, SentQuery } from './upstream.ts';

export interface CloudflareApiOptions {
  /** Where the inner Worker answers: `LocalD1.workerUrl`. */
  workerUrl: string;
  accountId: string;
  apiToken: string;
  /** Longest time a request may take, 30 s as Cloudflare documents. */
  timeoutMs?: number;
  /** Enforces the request quota; off by default. */
  quota?: QuotaOptions;
  /** Waits so long before each answer, as a distant data centre would. */
  roundTripMs?: number;
  /** The rate of the line that all requests share: one request's upload begins where the one before it ends. */
  bandwidthBitsPerSecond?: number;
  faults?: FaultHook;
}

export interface ApiStatistics {
  requests: number;
  bytesIn: number;
  /** Answers by HTTP status; those that never left the server are not among them. */
  statuses: Record<number, number>;
  faults: number;
  /** Largest number of requests that were open at once. */
  mostAtOnce: number;
  /**
   * Rows that D1 itself says INSERT statements changed, by table, whether the client saw the answer or not.
   * More than the table holds means that rows were written twice.
   */
  rowsChanged: Record<string, number>;
}

export interface CloudflareApi extends AsyncDisposable {
  /** Takes the place of `https://api.cloudflare.com/client/v4`. */
  readonly baseUrl: string;
  statistics(): ApiStatistics;
  resetStatistics(): void;
  setFaults(faults: FaultHook | undefined): void;
  /** A fresh quota window, or none at all. */
  setQuota(quota: QuotaOptions | undefined): void;
  setRoundTrip(milliseconds: number): void;
  stop(): Promise<void>;
}

const PREFIX = '/client/v4';
const STALL = Symbol('no answer');
const RESET = Symbol('broken connection');

/** Starts an HTTP server that speaks Cloudflare's API, limits and failures included, before a local D1. */
export async function startCloudflareApi(options: CloudflareApiOptions): Promise<CloudflareApi> {
  const { accountId, apiToken, timeoutMs = 30_000, bandwidthBitsPerSecond } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const worker = new URL(options.workerUrl);
  let faults = options.faults;
  let quota: Quota | undefined = options.quota && createQuota(options.quota);
  let roundTripMs = options.roundTripMs ?? 0;
  let statistics = emptyStatistics();
  let attempts = new Map<string, number>();
  let open = 0;
  let n = 0;
  let lineFreeAt = 0;

  /** Waits until a body would have come over the line. */
  async function upload(bytes: number): Promise<void> {
    if (bandwidthBitsPerSecond === undefined) return;
    const now = performance.now();
    lineFreeAt = Math.max(lineFreeAt, now) + (bytes * 8_000) / bandwidthBitsPerSecond;
    await sleep(lineFreeAt - now);
  }

  /** The real thing: D1 carries the request out. */
  async function forward(request: ApiRequest): Promise<Answer> {
    const answer = await send(agent, worker, request);
    const changes = answer.headers[CHANGES_HEADER];
    if (changes !== undefined) {
      delete answer.headers[CHANGES_HEADER];
      const byTable = JSON.parse(decodeURIComponent(changes)) as Record<string, number>;
      for (const [table, count] of Object.entries(byTable)) {
        statistics.rowsChanged[table] = (statistics.rowsChanged[table] ?? 0) + count;
      }
    }
    return answer;
  }

  function forwardInTime(request: ApiRequest): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const message = 'D1 DB storage operation exceeded timeout which caused object to be reset.';
      const timer = setTimeout(() => resolve(failure(500, 7500, message)), timeoutMs);
      forward(request)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }

  function chooseFault({ method, url, chunks, bytes }: ApiRequest): Fault | undefined {
    n++;
    if (faults === undefined) return undefined;
    const hash = createHash('sha1').update(`${method} ${url}\n`);
    for (const chunk of chunks) hash.update(chunk);
    const key = hash.digest('base64');
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    const path = url.slice(`${PREFIX}/accounts/${accountId}`.length);
    let queries: readonly SentQuery[] | undefined;
    const sentQueries = (): readonly SentQuery[] => (queries ??= queriesOf(chunks));
    const fault = faults({
      n,
      method,
      path,
      attempt,
      bytes,
      get sql() {
        return sentQueries().map(({ sql }) => sql);
      },
      get queries() {
        return sentQueries();
      },
      get body() {
        return Buffer.concat(chunks).toString();
      },
    });
    if (fault !== undefined) statistics.faults++;
    return fault;
  }

  async function serve(incoming: IncomingMessage): Promise<Answer | typeof STALL | typeof RESET> {
    const request = await receive(incoming);
    statistics.bytesIn += request.bytes;

    const refusal = authorise(incoming.headers, request.url);
    if (refusal !== undefined) return refusal;
    const counted = quota?.count();
    if (counted?.refused === true) return addHeaders(faultAnswer(REFUSALS.quota), counted.headers);

    const fault = chooseFault(request);
    await upload(request.bytes);
    if (roundTripMs > 0) await sleep(roundTripMs);
    if (fault === undefined) return addHeaders(await forwardInTime(request), counted?.headers);

    if (fault.kind === 'delay' && fault.commit !== true) await sleep(fault.milliseconds);
    const reachesD1 = fault.commit === true || fault.kind === 'delay' || fault.kind === 'truncated';
    const real = reachesD1 ? await forwardInTime(request) : failure(500, 7500, 'not carried out');
    switch (fault.kind) {
      case 'stall':
        return STALL;
      case 'reset':
        return RESET;
      case 'truncated':
        return truncated(real);
      case 'delay':
        if (fault.commit === true) await sleep(fault.milliseconds);
        return addHeaders(real, counted?.headers);
      default:
        return addHeaders(faultAnswer(fault), counted?.headers);
    }
  }

  function authorise(headers: IncomingHttpHeaders, url: string): Answer | undefined {
    const [scheme, token, ...rest] = (headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() !== 'bearer' || token === undefined || rest.length > 0) {
      return failure(400, 6003, 'Invalid request headers');
    }
    if (token !== apiToken) return faultAnswer(REFUSALS.unauthenticated);
    const account = /^\/client\/v4\/accounts\/([^/?]+)/.exec(url)?.[1];
    if (account === undefined) return failure(404, 7000, 'No route for that URI');
    return account === accountId ? undefined : faultAnswer(REFUSALS.forbidden);
  }

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    statistics.requests++;
    statistics.mostAtOnce = Math.max(statistics.mostAtOnce, ++open);
    try {
      const result = await serve(incoming);
      if (result === STALL) return;
      if (result === RESET) {
        incoming.socket.resetAndDestroy();
        return;
      }
      if (outgoing.destroyed) return; // the client has given up
      statistics.statuses[result.status] = (statistics.statuses[result.status] ?? 0) + 1;
      outgoing.writeHead(result.status, {
        ...result.headers,
        'content-length': Buffer.byteLength(result.body),
      });
      outgoing.end(result.body);
    } catch {
      // The client hung up while sending, or workerd is being restarted: an API behind an edge that broke.
      if (!outgoing.headersSent && !outgoing.destroyed) {
        const { status, headers, body } = faultAnswer({ kind: 'html', status: 502 });
        statistics.statuses[status] = (statistics.statuses[status] ?? 0) + 1;
        outgoing.writeHead(status, headers).end(body);
      }
    } finally {
      open--;
    }
  }

  const server = createServer((incoming, outgoing) => void handle(incoming, outgoing));
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The API server has no port.');

  const api: CloudflareApi = {
    baseUrl: `http://127.0.0.1:${address.port}${PREFIX}`,
    statistics: () => structuredClone(statistics),
    resetStatistics() {
      statistics = emptyStatistics();
    },
    setFaults(hook) {
      faults = hook;
      attempts = new Map();
      n = 0;
    },
    setQuota(next) {
      quota = next && createQuota(next);
    },
    setRoundTrip(milliseconds) {
      roundTripMs = milliseconds;
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
    [Symbol.asyncDispose]: () => api.stop(),
  };
  return api;
}

function emptyStatistics(): ApiStatistics {
  return { requests: 0, bytesIn: 0, statuses: {}, faults: 0, mostAtOnce: 0, rowsChanged: {} };
}

async function receive(incoming: IncomingMessage): Promise<ApiRequest> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
  }
  return { method: incoming.method ?? 'GET', url: incoming.url ?? '/', chunks, bytes };
}
