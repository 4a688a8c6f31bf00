import type { CallContext, RejectStore, RowShape, Sink, SinkTarget } from '../contract/index.ts';
import { invalidOption, MigratorError } from '../errors.ts';
import { isAtomic } from './atomicity.ts';
import { type CarryOver, partsOf } from './schema/carry-options.ts';
import { D1CheckpointStore } from './checkpoints/checkpoint-store.ts';
import { D1Connection } from './connection.ts';
import type { D1DatabaseLike } from './database.ts';
import type { Ddl, DdlParts } from './schema/ddl.ts';
import { isReserved } from './schema/names.ts';
import { D1RejectStore } from './checkpoints/rejects.ts';
import { describeTable, isUnique, primaryKeyOf, type TableOptions } from './schema/table.ts';
import { D1Target } from './target.ts';
import type { StoreOptions } from './values/forms.ts';
import { formsOf, keyFormsOf, keysAreKnown, storeSettings } from './values/types.ts';

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
    this.checkpoints = new D1CheckpointStore({ database, table: options.checkpointTable });
    this.#rejects = new D1RejectStore(this.#connection, rejectTable);
    this.rejects = this.#rejects;
  }

  async prepare(shape: RowShape, context?: CallContext): Promise<SinkTarget> {
    return await this.#prepare(shape, context);
  }

  async #prepare(shape: RowShape, context?: CallContext): Promise<D1Target> {
    const { table, createTable = 'if-missing', store = {}, tableOptions = {} } = this.#options;
    const connection = this.#connection;
    // Once before anything is asked: an option that cannot work needs no endpoint to be refused.
    const hasFloats = (await formsOf(shape, store, 'all')).some(({ columnType }) => columnType === 'REAL');
    if (tableOptions.strict || tableOptions.withoutRowid)
      (await import('./schema/ddl.ts')).checkTableOptions(tableOptions, shape, store);
    const present = isReserved(table) ? null : await describeTable(connection, table, context);
    if (!present && createTable === 'never') {
      throw new MigratorError('SINK_TABLE_NOT_FOUND', `D1 has no table ${table}.`, {
        migration: shape.migration,
        help: "Create it, or let the sink make it: createTable: 'if-missing'.",
      });
    }
    const replaces = present !== null && createTable === 'replace' && shape.planned !== true;
    const description = replaces ? null : present;
    const isNew = description === null;
    const floats = hasFloats ? await import('./values/floats.ts') : null;
    const [atomic, reading] = await Promise.all([
      isAtomic(connection, context),
      floats?.readsFloats(connection, context) ?? ('all' as const),
    ]);
    const fitted = isNew
      ? store
      : (await import('./values/affinity.ts')).fitToTable(shape, description, store);
    const forms = await formsOf(shape, fitted, reading);
    const wanted = partsOf(this.#options.carryOver);
    const { tableFindings } = await import('./schema/table-findings.ts');
    return new D1Target({
      connection,
      table,
      shape,
      forms,
      findings: tableFindings(table, shape, description, forms),
      settings: await storeSettings(store, shape),
      ddl: await this.#ddl(
        { connection, table, shape, forms, wanted, options: tableOptions, isNew, replaces },
        context,
      ),
      again: (later) => this.#prepare({ ...shape, planned: true }, later),
      ownIndexes: description?.indexes ?? 0,
      upsert: primaryKeyOf(shape).length > 0 && (isNew || isUnique(description, shape.key)),
      keysAreKnown: await keysAreKnown(keyFormsOf(shape, forms)),
      atomic,
      rejects: this.#rejects,
    });
  }

  /** A table that is there, and gets nothing of the source's schema, needs no statements. */
  async #ddl(parts: DdlParts, context?: CallContext): Promise<Ddl> {
    if (parts.isNew || Object.values(parts.wanted).some(Boolean))
      return await (await import('./schema/ddl.ts')).ddlOf(parts, context);
    return { drop: null, create: null, indexes: 0, before: [], after: [], findings: [] };
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
