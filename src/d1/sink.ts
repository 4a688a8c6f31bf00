import type { CallContext, RowShape, Sink, SinkTarget } from '../contract/index.ts';
import { MigratorError } from '../errors.ts';
import { findingsOf, fitToTable } from './affinity.ts';
import { isAtomic } from './atomicity.ts';
import { D1CheckpointStore } from './checkpoint-store.ts';
import { D1Connection } from './connection.ts';
import type { D1DatabaseLike } from './database.ts';
import { indexesOfNew } from './estimate.ts';
import { readsFloats } from './floats.ts';
import { describeTable, isUnique, problemsOf } from './table.ts';
import { D1Target } from './target.ts';
import type { StoreOptions } from './forms.ts';
import { formsOf, storeSettings } from './types.ts';

/** Options of both D1 sinks, besides where the database is. */
export interface D1SinkOptions<Table extends string, Column extends string = string> {
  readonly table: Table;
  /** `if-missing`: makes the table where there is none, by the source's columns and key. Default `if-missing`. */
  readonly createTable?: 'if-missing' | 'never' | undefined;
  /**
   * How single columns are stored, where the default of their type is not wanted: `{ price: { scaled: 2 }, at:
   * 'epoch-ms' }`. The defaults stand in `docs/types.md`. Enters the fingerprint of the plan.
   */
  readonly store?: StoreOptions<Column> | undefined;
  /** The name of the table that holds the checkpoints. Default `migration_checkpoints`. */
  readonly checkpointTable?: string | undefined;
}

/** What both D1 sinks have in common: everything but the way to the database. */
export class D1Sink<Row extends object> implements Sink<Row> {
  declare readonly rowType?: Row;
  readonly checkpoints: D1CheckpointStore;
  readonly #connection: D1Connection;
  readonly #options: D1SinkOptions<string>;

  constructor(database: D1DatabaseLike, options: D1SinkOptions<string>) {
    if (typeof options.table !== 'string' || options.table === '') {
      throw new MigratorError('INVALID_OPTION', 'The sink has no table.', {
        help: 'Pass the name of the D1 table.',
      });
    }
    if (options.table.toLowerCase() === (options.checkpointTable ?? 'migration_checkpoints').toLowerCase()) {
      throw new MigratorError('INVALID_OPTION', `${options.table} is the table of the checkpoints.`, {
        help: 'Copy into a table of another name, or choose another checkpointTable.',
      });
    }
    this.#connection = new D1Connection(database);
    this.#options = options;
    this.checkpoints = new D1CheckpointStore({ database, table: options.checkpointTable });
  }

  async prepare(shape: RowShape, context?: CallContext): Promise<SinkTarget> {
    const { table, createTable = 'if-missing', store = {} } = this.#options;
    // Once before anything is asked: an option that cannot work needs no endpoint to be refused.
    const hasFloats = formsOf(shape, store, 'all').some(({ columnType }) => columnType === 'REAL');
    const description = await describeTable(this.#connection, table, context);
    if (!description && createTable === 'never') {
      throw new MigratorError('SINK_TABLE_NOT_FOUND', `D1 has no table ${table}.`, {
        migration: shape.migration,
        help: "Create it, or let the sink make it: createTable: 'if-missing'.",
      });
    }
    const keyTravels = shape.key.every(({ name }) => shape.columns.some((column) => column.name === name));
    const [atomic, reading] = await Promise.all([
      isAtomic(this.#connection, context),
      hasFloats ? readsFloats(this.#connection, context) : ('all' as const),
    ]);
    const forms = formsOf(shape, fitToTable(shape, description, store), reading);
    return new D1Target({
      connection: this.#connection,
      table,
      shape,
      forms,
      findings: [
        ...(description ? problemsOf(table, description, shape) : []),
        ...findingsOf(shape, description, forms),
      ],
      settings: storeSettings(store, shape),
      missing: description === null,
      indexes: description?.indexes ?? indexesOfNew(shape, forms),
      upsert: keyTravels && (description === null || isUnique(description, shape.key)),
      atomic,
    });
  }
}
