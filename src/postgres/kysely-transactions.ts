import { type Kysely, sql } from 'kysely';
import type { CallContext } from '../contract/index.ts';
import { Redactor } from '../redactor.ts';
import {
  handOver,
  ignore,
  type PgQueryRunner,
  type PgStreamRunner,
  type PgTransactions,
  untilAborted,
} from './client.ts';
import { type ErrorManners, fromDriver } from './errors.ts';
import { settings } from './session.ts';

/** Over the host's own Kysely instance, whatever its driver. */
export class KyselyTransactions<Database> implements PgTransactions {
  readonly rawText: boolean = false;
  readonly #db: Kysely<Database>;
  readonly #manners: ErrorManners;

  constructor(db: Kysely<Database>, values: boolean = false) {
    // Plugins change names and values.
    this.#db = db.withoutPlugins();
    this.#manners = { redact: new Redactor([]), values };
  }

  async run<T>(
    work: (query: PgQueryRunner, stream: PgStreamRunner) => Promise<T>,
    context?: CallContext,
  ): Promise<T> {
    try {
      context?.signal?.throwIfAborted();
      const transaction = this.#db
        .transaction()
        .setIsolationLevel('read committed')
        .setAccessMode('read only')
        .execute(async (db) => {
          await sql.raw(settings).execute(db);
          const query: PgQueryRunner = async (asked) => {
            const { rows } = await asked.execute(db);
            return rows.map((row) => Object.values(row as Record<string, string | null>));
          };
          const result = await work(query, async (asked, taker) => handOver(await query(asked), taker));
          context?.signal?.throwIfAborted();
          return result;
        });
      // A query that runs, or waits for a lock, ends by itself.
      return await untilAborted(transaction, context, ignore);
    } catch (error) {
      throw context?.signal?.aborted ? context.signal.reason : fromDriver(error, this.#manners);
    }
  }

  async close(): Promise<void> {}
}
