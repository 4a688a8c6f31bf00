import type { CallContext, MigrationEvents } from '../contract/index.ts';
import { isMigratorError, type MigratorError } from '../errors.ts';

/** How failed calls are tried again: exponential backoff with full jitter. */
export interface RetryPolicy {
  /** Tries after the first. Default 3. */
  readonly retries: number;
  /** The first delay is a random part of this. Milliseconds, default 500. */
  readonly baseMs: number;
  /** The longest delay by backoff; the other side may ask for more. Milliseconds, default 30,000. */
  readonly maxMs: number;
}

/** Waits, or rejects with the signal's reason. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The delay before try number `attempt` (1 is the first retry), unless the error asks for a longer one. */
export function retryDelay(
  policy: RetryPolicy,
  attempt: number,
  error: MigratorError,
  random: number,
): number {
  const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1));
  return Math.max(Math.round(ceiling * random), error.retryAfterMs ?? 0);
}

/** Waits in a row that the other side may ask for: of five minutes each, most of a day. */
const mostWaits = 200;

/** Counts the tries of one call. What only says when to come again is no failure. */
export class Tries {
  #failures = 0;
  #waits = 0;
  readonly #policy: RetryPolicy;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  /** The number of the next retry, from 1. */
  get next(): number {
    return Math.max(1, this.#failures);
  }

  /** Counts a failure. False: it was the last try. */
  allow(error: MigratorError): boolean {
    if (error.retryable && !error.ambiguous && error.retryAfterMs !== undefined) {
      this.#waits += 1;
      return this.#waits <= mostWaits;
    }
    this.#failures += 1;
    return this.#failures <= this.#policy.retries;
  }
}

/** What {@link withRetries} tells of a failure that it will try again. */
export interface RetryNotice {
  readonly operation: string;
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: MigratorError;
}

/** The event that tells of it. */
export function retryEvent(
  migration: string,
  { operation, attempt, delayMs, error: { code, message } }: RetryNotice,
): MigrationEvents['retry'] {
  return { migration, operation, attempt, delayMs, code, message };
}

/**
 * Calls `operation` until it succeeds, fails for good, or has been tried often enough.
 *
 * The call itself is given `context.signal`; waiting ends with it as well, and where `notify` throws.
 */
export async function withRetries<T>(
  name: string,
  operation: () => Promise<T>,
  policy: RetryPolicy,
  context: CallContext,
  notify: (notice: RetryNotice) => void,
): Promise<T> {
  const tries = new Tries(policy);
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      if (!isMigratorError(error) || !error.retryable || !tries.allow(error)) throw error;
      const attempt = tries.next;
      const delayMs = retryDelay(policy, attempt, error, Math.random());
      notify({ operation: name, attempt, delayMs, error });
      await sleep(delayMs, context.signal);
    }
  }
}

/** Host code may never answer: rejects with the signal's reason where that comes first. */
export async function orStopped<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return await new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal?.reason as Error);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    void answer.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort));
  });
}
