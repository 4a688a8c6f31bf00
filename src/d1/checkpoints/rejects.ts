import { type RawBuilder, sql } from 'kysely';
import type { CallContext, Key, RejectFilter, RejectStore, StoredReject } from '../../contract/index.ts';
import type { D1Connection } from '../connection.ts';
import type * as Statements from './reject-sql.ts';

/** Its statements: most migrations set nothing aside. Where one does, `prepare` loads them before the first row comes. */
const statements = async (): Promise<typeof Statements> => await import('./reject-sql.ts');

/** Rows that were set aside, in a D1 table, one row each, for people to query. */
export class D1RejectStore implements RejectStore {
  readonly identity: string;
  readonly #table: Statements.RejectTable;

  constructor(connection: D1Connection, name: string) {
    this.identity = `D1 table ${name}`;
    this.#table = { connection, table: sql.id(name) };
  }

  async prepare(context?: CallContext): Promise<void> {
    await (await statements()).makeTable(this.#table, context);
  }

  async list(
    migration: string,
    filter: RejectFilter = {},
    context?: CallContext,
  ): Promise<readonly StoredReject[]> {
    return await (await statements()).listRows(this.#table, migration, filter, context);
  }

  async remove(migration: string, keys: readonly Key[], context?: CallContext): Promise<void> {
    await (await statements()).deleteRows(this.#table, migration, { keys }, context);
  }

  async clear(migration: string, seqs?: readonly number[], context?: CallContext): Promise<void> {
    await (await statements()).deleteRows(this.#table, migration, { seqs }, context);
  }

  /**
   * The statement that sets a batch's rows aside, under the same condition as its rows.
   *
   * @internal
   * @param json - an array of `[seq, key, code, reason, row]`.
   */
  async insert(
    migration: string,
    json: string,
    condition: RawBuilder<unknown>,
  ): Promise<RawBuilder<unknown>> {
    return (await statements()).insertRows(this.#table, migration, json, condition);
  }
}
