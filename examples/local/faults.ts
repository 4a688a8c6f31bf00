import type { SentQuery } from './upstream.ts';

/** A refusal in Cloudflare's envelope. */
export interface StatusFault {
  kind: 'status';
  status: number;
  code: number;
  message: string;
  headers?: Record<string, string>;
}

/** What a test or a demo can make the API server do wrong. */
export type Fault = {
  /**
   * Whether the request is carried out in D1 all the same. The client cannot tell from the answer: this is
   * the case that a migration must survive without writing a row twice. Default: false.
   */
  commit?: boolean;
} & (
  | StatusFault
  /** An HTML page, as Cloudflare's edge sends when it cannot reach what is behind it. */
  | { kind: 'html'; status: 502 | 503 | 504 }
  /** HTTP 200 and the first half of the answer's JSON, then a properly closed connection. */
  | { kind: 'truncated' }
  /** No answer, ever; the connection stays open. */
  | { kind: 'stall' }
  /** The connection breaks off. With `commit` it does so after D1 has finished. */
  | { kind: 'reset' }
  /**
   * Waits, then goes on as if nothing had been. The request reaches D1 even when its client has given up
   * meanwhile: a zombie's write. With `commit: true` D1 runs first and only the answer is late.
   */
  | { kind: 'delay'; milliseconds: number }
);

/** What the hook learns of a request. */
export interface FaultInfo {
  /** Counts all requests with a good token, from 1. */
  readonly n: number;
  readonly method: string;
  /** Below the account, for example `/d1/database/<id>/raw`. */
  readonly path: string;
  /** 1 for the first request with this method, path and body, 2 for its first repetition, and so on. */
  readonly attempt: number;
  readonly bytes: number;
  /** The statements of the body. Parsed when asked for, so only hooks that look at them pay. */
  readonly sql: readonly string[];
  /** The same with their parameters. */
  readonly queries: readonly SentQuery[];
  /** The body as it came, to choose a request by the rows in it. */
  readonly body: string;
}

export type FaultHook = (info: FaultInfo) => Fault | undefined;

type Refusal =
  | 'internalError'
  | 'overloaded'
  | 'cpuLimit'
  | 'quota'
  | 'malformed'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'upstream'
  | 'dailyRowsUsedUp';

/** Cloudflare's error table; each row can be returned by a hook. */
export const REFUSALS: Record<Refusal, StatusFault> = {
  internalError: refusal(500, 7500, 'internal error; reference = 0123456789abcdef'),
  overloaded: refusal(429, 7429, 'D1 DB is overloaded. Requests queued for too long.'),
  cpuLimit: refusal(429, 7429, 'D1 DB exceeded its CPU time limit and was reset.'),
  quota: refusal(429, 971, 'Please wait and consider throttling your request speed', { 'retry-after': '1' }),
  malformed: refusal(400, 7400, 'The request is malformed'),
  unauthenticated: refusal(401, 10000, 'Authentication error'),
  forbidden: refusal(403, 7403, 'The given account is not valid or is not authorized to access this service'),
  notFound: refusal(404, 7404, 'The database could not be found'),
  upstream: refusal(502, 7009, 'Upstream service unavailable'),
  dailyRowsUsedUp: refusal(400, 7500, "D1 DB exceeded D1's free tier daily row write limit."),
};

type Breakage =
  | 'badGateway'
  | 'serviceUnavailable'
  | 'gatewayTimeout'
  | 'truncated'
  | 'stall'
  | 'resetBefore'
  | 'resetAfterCommit';

/** All of that, and the answers that are none: ready to be returned by a hook. */
export const FAULTS: Record<Refusal | Breakage, Fault> = {
  ...REFUSALS,
  badGateway: { kind: 'html', status: 502 },
  serviceUnavailable: { kind: 'html', status: 503 },
  gatewayTimeout: { kind: 'html', status: 504 },
  truncated: { kind: 'truncated' },
  stall: { kind: 'stall' },
  resetBefore: { kind: 'reset' },
  resetAfterCommit: { kind: 'reset', commit: true },
};

function refusal(
  status: number,
  code: number,
  message: string,
  headers?: Record<string, string>,
): StatusFault {
  return { kind: 'status', status, code, message, ...(headers === undefined ? {} : { headers }) };
}
