import type {
  Advance,
  BatchEncoder,
  CallContext,
  CheckpointStore,
  CommitOutcome,
  Delivery,
  EncodedBatch,
  Key,
  KeyRange,
  RejectedRow,
  RowShape,
  Sink,
  SinkTarget,
  SinkVerifier,
  TextRow,
} from '../contract/index.ts';
import { groupTooLarge, MigratorError, rowTooLarge } from '../errors.ts';
import { MemoryCheckpointStore } from './checkpoint-store.ts';
import { answer, compareKeys, inRange, type MemoryDatabase, type MemoryTable } from './database.ts';
import { MemoryRejectStore } from './rejects.ts';

/** The options of a {@link MemorySink}. */
export interface MemorySinkOptions {
  readonly database: MemoryDatabase;
  readonly table: string;
  /** The largest row in characters. Default 1,000,000. */
  readonly maxRowBytes?: number | undefined;
  /** Rows a batch at the most, whatever the migrator asks for. Default 1,000. */
  readonly maxBatchRows?: number | undefined;
  /** False: rows and checkpoint are written one after the other. Default true. */
  readonly atomic?: boolean | undefined;
}

interface MemoryBatch extends EncodedBatch {
  readonly values: readonly TextRow[];
  readonly rejects: readonly RejectedRow[];
}

/** Rows into a table of a {@link MemoryDatabase}. */
export class MemorySink<Row extends object = Record<string, unknown>> implements Sink<Row> {
  declare readonly rowType?: Row;
  readonly checkpoints: MemoryCheckpointStore;
  readonly rejects: MemoryRejectStore;
  readonly #options: MemorySinkOptions;

  constructor(options: MemorySinkOptions) {
    this.#options = options;
    this.checkpoints = new MemoryCheckpointStore({ database: options.database });
    this.rejects = new MemoryRejectStore(options.database);
  }

  prepare(shape: RowShape, context?: CallContext): Promise<SinkTarget> {
    return answer(context, () => {
      const { database, table: name } = this.#options;
      const table = database.tables.get(name);
      const refusal = (code: 'SINK_TABLE_NOT_FOUND' | 'SINK_COLUMN_MISSING', message: string, help: string) =>
        new MigratorError(code, message, { migration: shape.migration, help });
      if (!table)
        throw refusal('SINK_TABLE_NOT_FOUND', `There is no table ${name}.`, 'Create it with createTable().');
      const missing = shape.columns
        .filter((column) => !table.columns.includes(column.name))
        .map(({ name: c }) => c);
      if (missing.length > 0) {
        throw refusal(
          'SINK_COLUMN_MISSING',
          `${name} lacks ${missing.join(', ')}.`,
          'Add these columns to the table.',
        );
      }
      return new MemoryTarget(this.#options, table, shape, this);
    });
  }
}

class MemoryTarget implements SinkTarget<MemoryBatch> {
  readonly identity: string;
  readonly mode: 'upsert' | 'insert';
  readonly maxRowBytes: number;
  readonly verifier: SinkVerifier<MemoryBatch> | undefined;
  readonly #options: MemorySinkOptions;
  readonly #table: MemoryTable;
  readonly #shape: RowShape;
  readonly #sink: MemorySink<object>;

  constructor(options: MemorySinkOptions, table: MemoryTable, shape: RowShape, sink: MemorySink<object>) {
    this.identity = `memory ${options.table}`;
    this.mode = table.key.length > 0 ? 'upsert' : 'insert';
    this.maxRowBytes = options.maxRowBytes ?? 1_000_000;
    this.#options = options;
    this.#table = table;
    this.#shape = shape;
    this.#sink = sink;
    this.verifier = this.mode === 'upsert' ? this.#makeVerifier() : undefined;
  }

  delivery(store: CheckpointStore): Delivery {
    const together = store instanceof MemoryCheckpointStore && store.database === this.#options.database;
    return together && this.#options.atomic !== false ? 'exactly-once' : 'at-least-once';
  }

  create(context?: CallContext): Promise<void> {
    return answer(context, () => undefined);
  }

  encoder(maxRows?: number): BatchEncoder<MemoryBatch> {
    return new MemoryEncoder(
      Math.min(maxRows ?? Infinity, this.#options.maxBatchRows ?? 1_000),
      this.maxRowBytes,
    );
  }

  commit(batch: MemoryBatch, advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    return answer(context, () => {
      const outcome = this.#sink.checkpoints.advanceNow(advance);
      if (outcome === 'committed') this.#put(batch);
      return outcome;
    });
  }

  write(batch: MemoryBatch, context?: CallContext): Promise<void> {
    return answer(context, () => this.#put(batch));
  }

  isEmpty(context?: CallContext): Promise<boolean> {
    return answer(context, () => this.#table.rows.size === 0);
  }

  countRows(range?: KeyRange, context?: CallContext): Promise<number> {
    return answer(context, () => {
      const indexes = this.#shape.key.map((column) => this.#table.columns.indexOf(column.name));
      const rows = [...this.#table.rows.values()];
      return (
        range
          ? rows.filter((row) =>
              inRange(
                indexes.map((i) => row[i] as string),
                range,
              ),
            )
          : rows
      ).length;
    });
  }

  #makeVerifier(): SinkVerifier<MemoryBatch> {
    const { columns, rows } = this.#table;
    const indexes = this.#shape.key.map(({ name }) => columns.indexOf(name));
    const stored = (): [Key, TextRow][] =>
      [...rows.values()].map((row) => [indexes.map((i) => row[i] as string), row]);
    const places = this.#shape.key.map(({ name }) =>
      this.#shape.columns.findIndex((column) => column.name === name),
    );
    const keyOf = (row: TextRow): Key => places.map((place) => row[place] as string);
    const found = (key: Key): TextRow | undefined =>
      stored().find(([other]) => compareKeys(other, key) === 0)?.[1];
    return {
      compare: (batch, span, context) => {
        context?.signal?.throwIfAborted();
        const pairs = batch.values.map((value, row) => ({ row, value, inSink: found(keyOf(value)) }));
        const different = pairs.flatMap(({ row, value, inSink }) => {
          const names = this.#shape.columns
            .filter(
              ({ name }, index) =>
                inSink && (inSink[columns.indexOf(name)] ?? null) !== (value[index] ?? null),
            )
            .map(({ name }) => name);
          return names.length > 0 ? [{ row, columns: names }] : [];
        });
        const keys = batch.values.map(keyOf);
        const extra = stored().filter(
          ([key]) => span && inRange(key, span) && !keys.some((other) => compareKeys(other, key) === 0),
        );
        return Promise.resolve({
          missing: pairs.filter(({ inSink }) => !inSink).map(({ row }) => row),
          different,
          extra: extra.map(([key]) => key),
        });
      },
      keys: (after, limit) => {
        const keys = stored().map(([key]) => key);
        const rest = keys.filter((key) => after === null || compareKeys(key, after) > 0);
        return Promise.resolve(rest.toSorted(compareKeys).slice(0, limit));
      },
      delete: (keys) => {
        let deleted = 0;
        for (const [identity, row] of rows) {
          const key = indexes.map((i) => row[i] as string);
          if (keys.some((other) => compareKeys(other, key) === 0) && rows.delete(identity)) deleted += 1;
        }
        return Promise.resolve(deleted);
      },
    };
  }

  #put(batch: MemoryBatch): void {
    const { columns, key, rows } = this.#table;
    const positions = columns.map((name) => this.#shape.columns.findIndex((column) => column.name === name));
    for (const value of batch.values) {
      const row = positions.map((position) => value[position] ?? null);
      const identity = key.map((name) => row[columns.indexOf(name)]);
      // Without a key every row gets a name of its own, whatever was deleted before.
      rows.set(key.length > 0 ? JSON.stringify(identity) : crypto.randomUUID(), row);
    }
    this.#sink.rejects.putNow(this.#shape.migration, batch.rejects);
  }
}

class MemoryEncoder implements BatchEncoder<MemoryBatch> {
  #values: TextRow[] = [];
  #rejects: RejectedRow[] = [];
  #bytes = 0;
  readonly #maxRows: number;
  readonly #maxRowBytes: number;

  constructor(maxRows: number, maxRowBytes: number) {
    this.#maxRows = maxRows;
    this.#maxRowBytes = maxRowBytes;
  }

  get rows(): number {
    return this.#values.length;
  }

  add(row: TextRow): boolean {
    return this.addAll([row]);
  }

  addAll(rows: readonly TextRow[]): boolean {
    if (this.#values.length > 0 && this.#values.length + rows.length > this.#maxRows) return false;
    const bytes = rows.flat().reduce((sum, value) => sum + (value?.length ?? 0), 0);
    if (bytes > this.#maxRowBytes) {
      throw rows.length === 1 ? rowTooLarge(this.#maxRowBytes) : groupTooLarge(this.#maxRowBytes);
    }
    this.#values.push(...rows);
    this.#bytes += bytes;
    return true;
  }

  reject(rejected: RejectedRow): boolean {
    this.#rejects.push(rejected);
    return true;
  }

  take(): MemoryBatch {
    const batch = {
      rows: this.#values.length,
      bytes: this.#bytes,
      values: this.#values,
      rejects: this.#rejects,
    };
    this.#values = [];
    this.#rejects = [];
    this.#bytes = 0;
    return batch;
  }
}
