import type { PgClientLike, PgPoolLike } from 'resumable-migrator/postgres';

/** What everything rejects with once the process is dead. Not a MigratorError: nobody tries again. */
class WireCut extends Error {
  override readonly name: string = 'WireCut';
}

/**
 * The wires of one process: every query to PostgreSQL and every request to the API goes through here, is counted, and the
 * process can die after the nth of them has taken effect, before it hears of it. (Before the first: `after: 0`.)
 */
export class Wires {
  #count = 0;
  readonly #after: number;

  constructor(after: number = Infinity) {
    this.#after = after;
  }

  /** Queries and requests that left the process. */
  get count(): number {
    return this.#count;
  }

  get dead(): boolean {
    return this.#count >= this.#after;
  }

  async send<T>(call: () => Promise<T>): Promise<T> {
    if (this.dead) throw new WireCut('The process is dead.');
    this.#count += 1;
    const outcome = await call().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if (this.dead) throw new WireCut(`The process died after ${this.#after} queries and requests.`);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  readonly fetch: typeof fetch = (...args) => this.send(async () => await fetch(...args));

  /** The same pool, over these wires. */
  pool(pool: PgPoolLike): PgPoolLike {
    return {
      connect: async () => {
        const client: PgClientLike = await pool.connect();
        return {
          query: (config) => this.send(async () => await client.query(config)),
          // What the dead leave open, their server closes.
          release: (destroy) => client.release(destroy === true || this.dead),
        };
      },
    };
  }
}
