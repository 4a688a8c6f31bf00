import type { D1DatabaseLike, D1ResultLike, D1StatementLike } from 'resumable-migrator/d1';
import { CountedD1 } from '../support/counted-d1.ts';

/** What a Worker tells the test of one of its invocations, each time that D1 has committed something. */
export interface Report {
  readonly invocation: string;
  readonly table: string;
  /** Which try of its work it is: of the message that a queue handed out, or of a step in this run of a workflow. */
  readonly attempt: number;
  /** Queries sent to D1 so far, by this invocation; each statement of a batch is one. */
  readonly queries: number;
  readonly rowsWritten: number;
  /** Messages that it sent to the queue. */
  readonly sent: number;
}

/** What the test binds beside what the example has. */
export interface Observed {
  readonly DB: D1DatabaseLike;
  readonly OBSERVER: { fetch(url: string, init: { method: 'POST'; body: string }): Promise<unknown> };
}

/** A role to which PostgreSQL gives no connection, for the time being: the limit of its connections is zero. */
export const BUSY_ROLE = 'busy';

/** The address that a try gets. The first one for this table finds PostgreSQL busy. */
export function addressFor(
  { connectionString }: { readonly connectionString: string },
  { table, attempt }: Pick<Report, 'table' | 'attempt'>,
): { readonly connectionString: string } {
  const address = new URL(connectionString);
  if (table === 'camera_locations' && attempt === 1) address.username = BUSY_ROLE;
  return { connectionString: address.href };
}

/** Counts an invocation's queries, and waits for the test between a commit and its answer. */
export class ObservedD1 extends CountedD1 {
  readonly #env: Observed;
  readonly #table: string;
  readonly #invocation = crypto.randomUUID();
  attempt = 1;
  sent = 0;

  constructor(env: Observed, table: string) {
    super(env.DB);
    this.#env = env;
    this.#table = table;
  }

  override async batch(statements: D1StatementLike[]): Promise<D1ResultLike[]> {
    const results = await super.batch(statements);
    await this.report();
    return results;
  }

  async report(): Promise<void> {
    const report: Report = {
      invocation: this.#invocation,
      table: this.#table,
      attempt: this.attempt,
      queries: this.queries,
      rowsWritten: this.rowsWritten,
      sent: this.sent,
    };
    await this.#env.OBSERVER.fetch('http://observer/', { method: 'POST', body: JSON.stringify(report) });
  }
}
