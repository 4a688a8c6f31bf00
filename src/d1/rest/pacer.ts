import { MigratorError } from '../../errors.ts';

/** How many requests the API takes: for Cloudflare 1,200 in five minutes, for all of a user's tokens together. */
export interface RequestQuota {
  /** Default 1,200. */
  readonly requests: number;
  /** Milliseconds, default 300,000. */
  readonly windowMs: number;
}

/** Waits of up to so many milliseconds are kept here; a longer one is told of by an error, so that the host may do else. */
const longestQuietMs = 2_000;

/** With less than this part of the quota left, requests are spread over the rest of the window. */
const reserve = 0.2;

/** The part of a window by which its end is taken to be later, at the most a second. */
const margin = 0.1;

/** A request that was admitted: its number, and when it went out. */
export interface Ticket {
  readonly number: number;
  readonly at: number;
}

/**
 * Keeps the requests of this process below the API's quota. It counts them, and believes answers that say that less is left: processes
 * that share a quota slow down together. A migration that fits into the quota is never slowed down.
 */
export class RequestPacer {
  #quota: RequestQuota;
  #windowEnd = -Infinity;
  #left = 0;
  #sent = 0;
  readonly #inFlight = new Set<number>();
  /** When this window was first heard of: answers to what was sent before tell of an older one. */
  #windowKnownAt = -Infinity;
  #blockedUntil = -Infinity;
  #lastSent = -Infinity;
  readonly #now: () => number;

  /** @param now - milliseconds that never go back. */
  constructor(quota: RequestQuota, now: () => number = () => performance.now()) {
    this.#quota = quota;
    this.#now = now;
  }

  /**
   * A ticket where a request may be sent now: it counts as sent. Else the milliseconds to wait before asking again.
   *
   * @throws MigratorError `SINK_RATE_LIMITED` where that is longer than one waits without a word.
   */
  admit(): Ticket | number {
    const waitMs = Math.ceil(this.#delay());
    if (waitMs > longestQuietMs) {
      throw new MigratorError(
        'SINK_RATE_LIMITED',
        `D1 API: no request was sent, for the quota of ${this.#quota.requests} requests in ${Math.round(this.#quota.windowMs / 1000)} s is used up.`,
        {
          help: 'The migrator goes on when the window ends. The quota counts for all tokens of a user, the dashboard included; larger batches need fewer requests.',
          retryable: true,
          retryAfterMs: waitMs,
        },
      );
    }
    if (waitMs > 0) return waitMs;
    this.#left -= 1;
    this.#sent += 1;
    this.#inFlight.add(this.#sent);
    this.#lastSent = this.#now();
    return { number: this.#sent, at: this.#lastSent };
  }

  /** Learns from an answer. @param headers - undefined: there was none. */
  answered({ number, at }: Ticket, headers: Headers | undefined): void {
    this.#inFlight.delete(number);
    const policy = headers?.get('ratelimit-policy') ?? '';
    const [requests, seconds] = [field(policy, 'q'), field(policy, 'w')];
    if (requests !== null && seconds !== null && requests > 0) {
      this.#quota = { requests, windowMs: seconds * 1000 };
    }
    const state = headers?.get('ratelimit') ?? '';
    const [left, reset] = [field(state, 'r'), field(state, 't')];
    if (left === null || reset === null) return;
    const end = this.#endAfter(reset * 1000);
    // The API counted when the request arrived: what was sent later, and what may have arrived later, is not in there.
    const earlier = [...this.#inFlight].filter((other) => other < number).length;
    const known = Math.max(0, left - (this.#sent - number) - earlier);
    // Seconds are rounded: only what goes beyond that is another window.
    const isNewer = at >= this.#windowKnownAt && (end > this.#windowEnd + 1_100 || known > this.#left);
    if (isNewer) this.#windowKnownAt = this.#now();
    // A slow answer tells of a window that is over.
    else if (at < this.#windowKnownAt) return;
    this.#left = isNewer ? known : Math.min(this.#left, known);
    this.#windowEnd = isNewer ? end : Math.min(this.#windowEnd, end);
  }

  /**
   * The API refused a request for the quota's sake, and would refuse every other. Returns for how many milliseconds none is sent: what the
   * answer said, else a tenth of the window.
   */
  refused(retryAfterMs: number | undefined): number {
    const waitMs = retryAfterMs ?? this.#quota.windowMs / 10;
    this.#blockedUntil = Math.max(this.#blockedUntil, this.#now() + waitMs);
    return waitMs;
  }

  /** When a window is over for certain: the API's seconds are rounded, and its window begins when a request arrives there. */
  #endAfter(milliseconds: number): number {
    return this.#now() + milliseconds + Math.min(1_000, this.#quota.windowMs * margin);
  }

  #delay(): number {
    const now = this.#now();
    if (now < this.#blockedUntil) return this.#blockedUntil - now;
    if (now >= this.#windowEnd) {
      this.#windowEnd = this.#endAfter(this.#quota.windowMs);
      this.#windowKnownAt = now;
      this.#left = this.#quota.requests - this.#inFlight.size;
    }
    if (this.#left <= 0) return this.#windowEnd - now;
    if (this.#left > this.#quota.requests * reserve) return 0;
    return Math.max(0, this.#lastSent + (this.#windowEnd - now) / this.#left - now);
  }
}

const pacers = new Map<string, RequestPacer>();

/** The pacer of everything in this process that shares a quota. */
export function pacerFor(user: string, quota: RequestQuota): RequestPacer {
  const key = JSON.stringify([user, quota.requests, quota.windowMs]);
  const pacer = pacers.get(key) ?? new RequestPacer(quota);
  pacers.set(key, pacer);
  return pacer;
}

/** The number of a field such as `r=50` in a structured header. */
function field(header: string, name: string): number | null {
  const digits = new RegExp(`(?:^|[;,\\s])${name}=(\\d+)`).exec(header)?.[1];
  return digits === undefined ? null : Number(digits);
}
