import { Response, type Request } from 'miniflare';
import type { Budget } from 'resumable-migrator';
import type { Count } from './counting.ts';

/** Limits of an invocation, as Cloudflare documents them. */
export const PAID_QUERIES = 1_000;
export const FREE_QUERIES = 50;

/** The free plan's budget that the examples recommend. */
export const FREE_BUDGET = { milliseconds: 10_000, batches: 5 };

/**
 * The most queries that a budget leads to where nothing has to be tried again: 20 for beginning and end; for a batch its
 * two statements, and where it is alone in its checkpoint two more; two each two seconds while others hold what is left.
 */
export function mostQueries({ batches = Infinity, milliseconds = Infinity }: Budget): number {
  return 20 + 4 * batches + Math.ceil(milliseconds / 1_000);
}

/** What one invocation did. */
export interface InvocationCount {
  readonly handler: string;
  /** Calls of the binding: each is a subrequest. */
  calls: number;
  /** Statements; each one of a batch counts. */
  queries: number;
  /** Batches of rows. */
  batches: number;
  /** Connections to PostgreSQL. */
  connections: number;
  /** False: it was killed, or still runs. */
  ended: boolean;
}

/** The test's half of `counting.ts`: give `service` to the Worker as its service binding `COUNTS`. */
export class Counts {
  readonly #invocations = new Map<string, InvocationCount>();
  /** What it returns is waited for before the thing happens. */
  #watch: ((count: Count) => Promise<never> | undefined) | undefined;

  readonly service = async (request: Request): Promise<Response> => {
    const count = (await request.json()) as Count;
    this.#add(count);
    await this.#watch?.(count);
    return new Response(null, { status: 204 });
  };

  /** Resolves when the `nth` thing for which `wanted` holds is about to happen; it does happen. */
  async reach(wanted: (count: Count) => boolean, nth: number): Promise<void> {
    await this.#reached(wanted, nth, () => undefined);
  }

  /**
   * Resolves in the middle of an invocation, which never goes on: the Worker is to be killed now. `before`: the `nth`
   * thing for which `wanted` holds does not happen any more. `during`: it does, and is what the kill interrupts.
   */
  async stop(where: 'before' | 'during', wanted: (count: Count) => boolean, nth: number): Promise<void> {
    const forever = new Promise<never>(() => {});
    await this.#reached(wanted, nth, ({ invocation }) => {
      this.#watch = (count) => (count.invocation === invocation ? forever : undefined);
      return where === 'before' ? forever : undefined;
    });
  }

  async #reached(
    wanted: (count: Count) => boolean,
    nth: number,
    then: (count: Count) => Promise<never> | undefined,
  ): Promise<void> {
    let left = nth;
    await new Promise<void>((resolve) => {
      this.#watch = (count) => {
        if (!wanted(count) || --left > 0) return undefined;
        this.#watch = undefined;
        resolve();
        return then(count);
      };
    });
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
      batches: 0,
      connections: 0,
      ended: false,
    };
    this.#invocations.set(invocation, count);
    if (what === 'connect') count.connections += 1;
    if (what === 'end') count.ended = true;
    if (what !== 'query') return;
    count.calls += 1;
    count.queries += statements.length;
    // Rows and checkpoint are written together.
    if (statements.length > 1 && statements[0]?.startsWith('INSERT INTO')) count.batches += 1;
  }
}

/** A batch of rows for this table. */
export function isWrite(table: string): (count: Count) => boolean {
  return ({ statements }) => statements.some((sql) => sql.startsWith(`INSERT INTO "${table}"`));
}
