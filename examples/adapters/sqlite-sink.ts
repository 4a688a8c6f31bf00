// A sink over a SQLite file. Rows and checkpoint move in one transaction, so each row is in exactly once, whatever is
// killed when; and several processes may share a file. `node:sqlite` needs Node 22.13 or later.
import type { SQLInputValue } from 'node:sqlite';
import type {
  Advance,
  BatchEncoder,
  CallContext,
  CheckpointStore,
  CommitOutcome,
  Delivery,
  EncodedBatch,
  Finding,
  KeyRange,
  RowShape,
  Sink,
  SinkTarget,
  SinkVerifier,
  TextRow,
} from 'resumable-migrator';
import { MigratorError } from 'resumable-migrator';
import { quoted, SqliteDatabase, step } from './sqlite-database.ts';
import { SqliteCheckpointStore } from './sqlite-store.ts';
import { type SqliteColumn, sqliteColumn } from './sqlite-values.ts';
import { rangeCondition, sqliteVerifier } from './sqlite-verifier.ts';

/** The options of a {@link SqliteSink}. */
export interface SqliteSinkOptions {
  readonly file: string;
  /** Made where it is missing. */
  readonly table: string;
}

/** Rows as they are stored, one entry a column. */
export interface SqliteBatch extends EncodedBatch {
  readonly values: readonly (readonly SQLInputValue[])[];
}

// SQLite's own limit is a thousand times as much; a batch is held in memory, and blocks the process while it is written.
const [maxRowBytes, maxBatchBytes, maxBatchRows] = [1_000_000, 4_000_000, 5_000];

/** Rows into a table of a SQLite file. */
export class SqliteSink<Row extends object = Record<string, unknown>> implements Sink<Row> {
  declare readonly rowType?: Row;
  readonly checkpoints: SqliteCheckpointStore;
  readonly #database: SqliteDatabase;
  readonly #table: string;

  constructor({ file, table }: SqliteSinkOptions) {
    this.#database = new SqliteDatabase(file);
    this.#table = table;
    this.checkpoints = new SqliteCheckpointStore(this.#database);
  }

  prepare(shape: RowShape, context?: CallContext): Promise<SinkTarget> {
    return step(context, () => new SqliteTarget(this.#database, this.#table, shape, this.checkpoints));
  }

  close(): Promise<void> {
    this.#database.close();
    return Promise.resolve();
  }
}

interface DeclaredColumn {
  readonly name: string;
  readonly type: string;
  readonly pk: number;
}

class SqliteTarget implements SinkTarget<SqliteBatch> {
  readonly identity: string;
  readonly mode: 'upsert' | 'insert';
  readonly maxRowBytes: number = maxRowBytes;
  readonly findings: readonly Finding[];
  readonly statements: readonly string[];
  readonly verifier: SinkVerifier<SqliteBatch> | undefined;
  readonly #database: SqliteDatabase;
  readonly #store: SqliteCheckpointStore;
  readonly #table: string;
  readonly #sql: string;
  readonly #columns: readonly SqliteColumn[];
  readonly #key: readonly SqliteColumn[];

  constructor(database: SqliteDatabase, table: string, shape: RowShape, store: SqliteCheckpointStore) {
    this.#database = database;
    this.#store = store;
    this.#table = table;
    this.#sql = quoted(table);
    this.#columns = shape.columns.map(sqliteColumn);
    this.#key = shape.key.map(sqliteColumn);
    this.identity = `sqlite ${database.file} ${table}`;
    const declared = database.rows(
      'SELECT name, type, pk FROM pragma_table_info(?)',
      table,
    ) as unknown as DeclaredColumn[];
    this.statements = declared.length === 0 ? [this.#createStatement(shape)] : [];
    this.findings = declared.length === 0 ? [] : findingsOf(this.#columns, declared);
    const names = (columns: readonly { readonly name: string }[]): string =>
      columns
        .map(({ name }) => name)
        .toSorted()
        .join('\0');
    const primary = declared.length === 0 ? this.#key : declared.filter(({ pk }) => pk > 0);
    this.mode = this.#key.length > 0 && names(primary) === names(this.#key) ? 'upsert' : 'insert';
    if (this.mode === 'upsert' && this.#key.every(({ text }) => text !== null))
      this.verifier = sqliteVerifier(database, this.#sql, this.#columns, this.#key);
  }

  delivery(store: CheckpointStore): Delivery {
    const together = store instanceof SqliteCheckpointStore && store.database === this.#database;
    return together ? 'exactly-once' : 'at-least-once';
  }

  create(context?: CallContext): Promise<void> {
    return step(context, () => {
      for (const statement of this.statements)
        this.#database.transaction(() => this.#database.run(statement));
    });
  }

  encoder(maxRows?: number): BatchEncoder<SqliteBatch> {
    return new SqliteEncoder(this.#columns, Math.min(maxRows ?? maxBatchRows, maxBatchRows));
  }

  commit(batch: SqliteBatch, advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    return step(context, () =>
      this.#database.transaction(() => {
        // First the checkpoint: where it does not stand as expected, no row may be written.
        const outcome = this.#store.advanceNow(advance);
        if (outcome === 'committed') this.#put(batch);
        return outcome;
      }),
    );
  }

  write(batch: SqliteBatch, context?: CallContext): Promise<void> {
    return step(context, () => this.#database.transaction(() => this.#put(batch)));
  }

  async isEmpty(context?: CallContext): Promise<boolean> {
    return (await this.#count('LIMIT 1', [], context)) === 0;
  }

  async countRows(range?: KeyRange, context?: CallContext): Promise<number | null> {
    if (!range) return await this.#count('', [], context);
    const { condition, values } = rangeCondition(this.#key, range);
    return this.#key.every(({ ordered }) => ordered)
      ? await this.#count(`WHERE ${condition}`, values, context)
      : null;
  }

  #count(rest: string, values: readonly SQLInputValue[], context?: CallContext): Promise<number> {
    return step(context, () => {
      if (this.#database.rows('SELECT 1 FROM pragma_table_info(?)', this.#table).length === 0) return 0;
      const sql = `SELECT count(*) AS n FROM (SELECT 1 FROM ${this.#sql} ${rest})`;
      return Number(this.#database.rows(sql, ...values)[0]?.['n']);
    });
  }

  #put(batch: SqliteBatch): void {
    const columns = this.#columns.map(({ sql }) => sql);
    const key = this.#key.map(({ sql }) => sql);
    const others = columns.filter((column) => !key.includes(column));
    const update = others.map((column) => `${column} = excluded.${column}`).join(', ');
    const conflict = `ON CONFLICT (${key.join(', ')}) DO ${update === '' ? 'NOTHING' : `UPDATE SET ${update}`}`;
    this.#database.run(
      `INSERT INTO ${this.#sql} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
       ${this.mode === 'upsert' ? conflict : ''}`,
      batch.values,
    );
  }

  #createStatement({ columns, key }: RowShape): string {
    const keys = key.map(({ name }) => name);
    const lines = columns.map(({ name, nullable }, index) => {
      const { sql, type } = this.#columns[index] as SqliteColumn;
      return `${sql} ${type}${nullable && !keys.includes(name) ? '' : ' NOT NULL'}`;
    });
    if (keys.length > 0) lines.push(`PRIMARY KEY (${this.#key.map(({ sql }) => sql).join(', ')})`);
    return `CREATE TABLE IF NOT EXISTS ${this.#sql} (\n  ${lines.join(',\n  ')}\n) STRICT`;
  }
}

/** A table that was there before: it needs each column, of a type that leaves the values as they are. */
function findingsOf(columns: readonly SqliteColumn[], declared: readonly DeclaredColumn[]): Finding[] {
  return columns.flatMap(({ name, type }): Finding[] => {
    const found = declared.find((other) => other.name === name);
    if (found?.type.toUpperCase() === type) return [];
    const help = `Add the column ${name} ${type}, or let the sink make the table.`;
    const finding = { severity: 'error', column: name, help } as const;
    return found
      ? [
          {
            ...finding,
            code: 'SQLITE_COLUMN_TYPE',
            message: `${name} is ${found.type}, and has to be ${type}.`,
          },
        ]
      : [{ ...finding, code: 'SINK_COLUMN_MISSING', message: `The table has no column ${name}.` }];
  });
}

class SqliteEncoder implements BatchEncoder<SqliteBatch> {
  readonly #columns: readonly SqliteColumn[];
  readonly #maxRows: number;
  #values: SQLInputValue[][] = [];
  #bytes = 0;

  constructor(columns: readonly SqliteColumn[], maxRows: number) {
    this.#columns = columns;
    this.#maxRows = maxRows;
  }

  get rows(): number {
    return this.#values.length;
  }

  add(row: TextRow): boolean {
    return this.addAll([row]);
  }

  addAll(rows: readonly TextRow[]): boolean {
    const sizes = rows.map((row) => row.reduce((sum, value) => sum + Buffer.byteLength(value ?? ''), 0));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (Math.max(0, ...sizes) > maxRowBytes || bytes > maxBatchBytes)
      throw new MigratorError('ROW_TOO_LARGE', 'A row is larger than a batch may be.', {
        help: 'Shorten the row at the source, or leave its large column out.',
      });
    // All values first: a refused one must leave nothing of its row behind.
    const values = rows.map((row) =>
      this.#columns.map(({ encode }, index) => encodeOrNull(encode, row[index])),
    );
    const isFull = this.rows + rows.length > this.#maxRows || this.#bytes + bytes > maxBatchBytes;
    if (this.rows > 0 && rows.length > 0 && isFull) return false;
    this.#values.push(...values);
    this.#bytes += bytes;
    return true;
  }

  take(): SqliteBatch {
    const batch = { rows: this.rows, bytes: this.#bytes, values: this.#values };
    this.#values = [];
    this.#bytes = 0;
    return batch;
  }
}

function encodeOrNull(encode: SqliteColumn['encode'], text: string | null | undefined): SQLInputValue {
  return text === null || text === undefined ? null : encode(text);
}
