import type { CallContext, RejectStore, RowShape, Sink, SinkTarget } from '../contract/index.ts';
import { invalidOption } from '../errors.ts';
import type { Answers } from './ask.ts';
import type { CarryOver } from './schema/carry-options.ts';
import { D1CheckpointStore } from './checkpoints/checkpoint-store.ts';
import { D1Connection } from './connection.ts';
import type { D1DatabaseLike } from './database.ts';
import { D1RejectStore } from './checkpoints/rejects.ts';
import type { TableOptions } from './schema/table.ts';
import type { D1Target } from './target.ts';
import type { StoreOptions } from './values/forms.ts';

/** Options of both D1 sinks, besides where the database is. */
export interface D1SinkOptions<Table extends string, Column extends string = string> {
  readonly table: Table;
  /**
   * - `if-missing`: makes the table where there is none, by the source's columns and key
   * - `never`: takes the table as it is, and refuses where there is none
   * - `replace`: where a new plan is made, drops the table with all its rows and makes it anew; a run that goes on
   *   never does. Needs batches that are transactions, and the checkpoints in the same database
   *
   * Default `if-missing`.
   */
  readonly createTable?: 'if-missing' | 'never' | 'replace' | undefined;
  /** What a table that the sink makes is beside its columns and its key. */
  readonly tableOptions?: TableOptions | undefined;
  /**
   * What D1 gets of what the source's table declares beside columns, NOT NULL and primary key: `'all'` of it, or the
   * parts that are named. `plan()` lists what is left out, and shows the statements. Default: nothing.
   */
  readonly carryOver?: 'all' | CarryOver | undefined;
  /**
   * How single columns are stored, where the default of their type is not wanted: `{ price: { scaled: 2 }, at:
   * 'epoch-ms' }`. The defaults stand in `docs/types.md`. Enters the fingerprint of the plan.
   */
  readonly store?: StoreOptions<Column> | undefined;
  /** The name of the table that holds the checkpoints. Default `migration_checkpoints`. */
  readonly checkpointTable?: string | undefined;
  /** The name of the table for rows that are set aside, made where `onReject` asks for it. Default `migration_rejects`. */
  readonly rejectTable?: string | undefined;
}

/** What both D1 sinks have in common: everything but the way to the database. */
export class D1Sink<Row extends object> implements Sink<Row> {
  declare readonly rowType?: Row;
  readonly checkpoints: D1CheckpointStore;
  readonly rejects: RejectStore;
  readonly takesSchema: boolean;
  readonly #rejects: D1RejectStore;
  readonly #connection: D1Connection;
  readonly #options: D1SinkOptions<string>;

  constructor(database: D1DatabaseLike, options: D1SinkOptions<string>) {
    if (typeof options.table !== 'string' || options.table === '') {
      throw invalidOption('The sink has no table.', 'Pass the name of the D1 table.');
    }
    const { checkpointTable = 'migration_checkpoints', rejectTable = 'migration_rejects' } = options;
    refuseSameTable(options.table, 'the checkpoints', checkpointTable, 'checkpointTable');
    refuseSameTable(options.table, 'rejected rows', rejectTable, 'rejectTable');
    refuseSameTable(rejectTable, 'the checkpoints', checkpointTable, 'checkpointTable');
    this.#connection = new D1Connection(database);
    this.#options = options;
    this.takesSchema = options.carryOver !== undefined;
    this.checkpoints = new D1CheckpointStore({ database, table: options.checkpointTable });
    this.#rejects = new D1RejectStore(this.#connection, rejectTable);
    this.rejects = this.#rejects;
  }

  async ask(context?: CallContext): Promise<unknown> {
    const { askDatabase } = await import('./decide.ts');
    // What the answer is for is loaded meanwhile.
    const [answers] = await Promise.all([
      askDatabase(this.#connection, this.#options.table, context),
      import('./target.ts'),
    ]);
    if (answers.present === null) await import('./schema/ddl.ts');
    return answers;
  }

  async prepare(shape: RowShape, context?: CallContext, asked?: Promise<unknown>): Promise<SinkTarget> {
    return await this.#prepare(shape, context, asked as Promise<Answers> | undefined);
  }

  /** What is asked and decided before a copy is loaded for it, and so is what encodes and writes: no row comes before. */
  async #prepare(shape: RowShape, context?: CallContext, asked?: Promise<Answers>): Promise<D1Target> {
    const [{ decideTarget }, target] = await Promise.all([import('./decide.ts'), import('./target.ts')]);
    return new target.D1Target({
      ...(await decideTarget(this.#connection, this.#options, shape, context, asked)),
      again: (later) => this.#prepare({ ...shape, planned: true }, later),
      rejects: this.#rejects,
    });
  }
}

/** SQLite compares names of tables without regard to case. */
function refuseSameTable(table: string, what: string, other: string, option: string): void {
  if (table.toLowerCase() !== other.toLowerCase()) return;
  throw invalidOption(
    `${table} is the table of ${what}.`,
    `Copy into a table of another name, or choose another ${option}.`,
  );
}
