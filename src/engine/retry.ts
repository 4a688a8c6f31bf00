import type { CallContext } from '../contract/index.ts';
import { isMigratorError, type MigratorError } from '../errors.ts';

/** How failed calls are tried again: exponential backoff with full jitter. */
export interface RetryPolicy {
  /** Tries after the first. Default 3. */
  readonly retries: number;
  /** The first delay is a random part of this. Milliseconds, default 500. */
  readonly baseMs: number;
  /** No delay by backoff is longer than this; what the other side asks for can be. Milliseconds, default 30,000. */
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

/** What {@link withRetries} tells of a failure that it will try again. */
export interface RetryNotice {
  readonly operation: string;
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: MigratorError;
}

/**
 * Calls `operation` until it succeeds, fails for good, or has been tried often enough.
 *
 * The call itself is given `context.signal`; waiting ends with it as well.
 */
export async function withRetries<T>(
  name: string,
  operation: () => Promise<T>,
  policy: RetryPolicy,
  context: CallContext,
  notify: (notice: RetryNotice) => void,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await operation();
    } catch (error) {
      if (!isMigratorError(error) || !error.retryable || attempt > policy.retries) throw error;
      const delayMs = retryDelay(policy, attempt, error, Math.random());
      notify({ operation: name, attempt, delayMs, error });
      await sleep(delayMs, context.signal);
    }
  }
}
