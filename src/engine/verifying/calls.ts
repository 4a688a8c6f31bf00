import type { CallContext, Key, TextRow } from '../../contract/index.ts';
import type { Emit } from '../copying/scheduler.ts';
import type { EngineOptions } from '../options.ts';
import { retryEvent, type RetryNotice, withRetries } from '../retry.ts';
import type { RunControl } from '../run-control.ts';

/** What a comparison or a repair asks of both sides. Each call can be repeated, so each is tried again as in a run. */
export class Calls {
  /** Known once both sides are prepared. */
  migration: string;
  readonly context: CallContext;
  readonly #options: EngineOptions;
  readonly emit: Emit;
  readonly #control: RunControl | null;

  /** @param control - whose budget bounds waits as well; null: the signal alone does. */
  constructor(
    options: EngineOptions,
    signal: AbortSignal | undefined,
    emit: Emit,
    control: RunControl | null = null,
  ) {
    this.migration = options.name ?? '';
    this.context = { signal };
    this.#options = options;
    this.emit = emit;
    this.#control = control;
  }

  async retrying<T>(operation: string, call: (context: CallContext) => Promise<T>): Promise<T> {
    const { context } = this;
    return await withRetries(operation, () => call(context), this.#options.retry, context, this.retried);
  }

  /** Rows of the source, by their keys. */
  readonly readRows = (keys: readonly Key[]): Promise<readonly TextRow[]> =>
    this.retrying(
      'read rows again',
      async (context) => (await this.#options.source.readRows?.(keys, context)) ?? [],
    );

  readonly retried = (notice: RetryNotice): void => {
    const { error, delayMs } = notice;
    this.emit('retry', retryEvent(this.migration, notice));
    const told = error.retryAfterMs !== undefined && !error.ambiguous;
    if (told && this.#control?.admitDelay(delayMs) === false) throw this.#control.stop.reason;
  };
}
