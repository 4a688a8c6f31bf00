import { Response, type Request } from 'miniflare';
import type { Count } from './counting.ts';

/** Limits of an invocation, as Cloudflare documents them. */
export const PAID_QUERIES = 1_000;
export const FREE_QUERIES = 50;

/** What one invocation did. */
export interface InvocationCount {
  readonly handler: string;
  /** Calls of the binding: each is a subrequest. */
  calls: number;
  /** Statements; each one of a batch counts. */
  queries: number;
  /** Connections to PostgreSQL. */
  connections: number;
  /** False: it was killed, or still runs. */
  ended: boolean;
}

/** The test's half of `counting.ts`: give `service` to the Worker as its service binding `COUNTS`. */
export class Counts {
  readonly #invocations = new Map<string, InvocationCount>();
  #watch: ((count: Count) => unknown) | undefined;

  readonly service = async (request: Request): Promise<Response> => {
    const count = (await request.json()) as Count;
    this.#add(count);
    await this.#watch?.(count);
    return new Response(null, { status: 204 });
  };

  /** Calls `watcher` before each thing that counts happens, which waits for what it returns. */
  watch(watcher: ((count: Count) => unknown) | undefined): void {
    this.#watch = watcher;
  }

  /** Resolves when something is about to happen for which `wanted` holds; it never does happen, so kill the Worker then. */
  async stopBefore(wanted: (count: Count) => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.watch(async (count) => {
        if (!wanted(count)) return;
        resolve();
        await new Promise(() => {});
      });
    });
    this.watch(undefined);
  }

  /** Those of one handler, or all, in the order in which they began. */
  invocations(handler?: string): InvocationCount[] {
    const all = [...this.#invocations.values()];
    return handler === undefined ? all : all.filter((one) => one.handler === handler);
  }

  #add({ invocation, handler, what, statements }: Count): void {
    const count = this.#invocations.get(invocation) ?? {
      handler,
      calls: 0,
      queries: 0,
      connections: 0,
      ended: false,
    };
    this.#invocations.set(invocation, count);
    if (what === 'connect') count.connections += 1;
    if (what === 'end') count.ended = true;
    if (what !== 'query') return;
    count.calls += 1;
    count.queries += statements.length;
  }
}
