import type { Advance, CheckpointStore } from './checkpoint-store.ts';
import type { CallContext, ColumnDescriptor, KeyRange, TextRow } from './rows.ts';

/** The rows that will come: what a sink needs to know to check its table. */
export interface RowShape {
  readonly migration: string;
  readonly columns: readonly ColumnDescriptor[];
  readonly key: readonly ColumnDescriptor[];
}

/**
 * What a sink promises for the rows of a batch.
 *
 * - `exactly-once`: rows and checkpoint move in one transaction ({@link SinkTarget.commit}).
 * - `at-least-once`: rows first, then the checkpoint. A batch can arrive again, so rows must be upserts.
 */
export type Delivery = 'exactly-once' | 'at-least-once';

/**
 * - `committed`: rows and checkpoint are in.
 * - `stale`: the checkpoint did not stand where the caller thought, and nothing was written.
 */
export type CommitOutcome = 'committed' | 'stale';

/** Rows in the form in which the sink sends them. Can be sent again unchanged. */
export interface EncodedBatch {
  readonly rows: number;
  /** Bytes that this batch occupies on its way. */
  readonly bytes: number;
}

/** Collects rows into batches that the sink can take. One encoder serves one checkpoint at a time. */
export interface BatchEncoder<Batch extends EncodedBatch = EncodedBatch> {
  /** Rows collected since the last {@link take}. */
  readonly rows: number;
  /**
   * Adds a row. False: it does not fit beside the others; `take()` first, then add it again.
   *
   * @throws MigratorError `ROW_TOO_LARGE` where it would not fit alone either, `VALUE_REFUSED` where the sink has
   * no form for a value. The engine adds the row's key to the error.
   */
  add(row: TextRow): boolean;
  /** Hands the collected rows over and starts a new batch. */
  take(): Batch;
}

/** A sink's table, checked against the rows that will come. */
export interface SinkTarget<Batch extends EncodedBatch = EncodedBatch> {
  /** Says which table this is, without credentials. Enters the fingerprint. */
  readonly identity: string;
  /** Says which database, where that is known. Enters the fingerprint where the checkpoints are kept elsewhere. */
  readonly database?: string | undefined;
  /** `upsert`: a row that is there already is overwritten, found by its key. `insert`: rows are only added. */
  readonly mode: 'upsert' | 'insert';
  /** The largest row that the sink can take, in bytes of its values. */
  readonly maxRowBytes: number;
  /** What this target promises together with the given store; {@link commit} then moves that store's checkpoints. */
  delivery(store: CheckpointStore): Delivery;
  /** Makes the table where it is missing. Called once every check has passed. */
  create(context?: CallContext): Promise<void>;
  /** @param maxRows - rows a batch at the most; without it, what fits. */
  encoder(maxRows?: number): BatchEncoder<Batch>;
  /** Writes the rows and moves the checkpoint in one transaction. */
  commit(batch: Batch, advance: Advance, context?: CallContext): Promise<CommitOutcome>;
  /** Writes the rows alone: the first half of at-least-once delivery. */
  write(batch: Batch, context?: CallContext): Promise<void>;
  /** True where the table holds no row, or does not exist yet. */
  isEmpty(context?: CallContext): Promise<boolean>;
  /**
   * Counts the rows of a range, or of the whole table. Null: the sink does not order this key as the source does,
   * so a range has no meaning here.
   */
  countRows(range?: KeyRange, context?: CallContext): Promise<number | null>;
}

/**
 * Where rows go.
 *
 * @typeParam Row - an object type whose properties are the columns of the table; used by the compiler alone.
 */
export interface Sink<Row extends object = Record<string, unknown>> {
  /** Never set; ties the row type to the value. */
  readonly rowType?: Row;
  /** The checkpoint store in the same database: what a migrator uses unless the host gives another. */
  readonly checkpoints: CheckpointStore;
  /**
   * Checks the table against the rows that will come. Writes nothing.
   *
   * @throws MigratorError with a `SINK_...` code where the table cannot take them.
   */
  prepare(shape: RowShape, context?: CallContext): Promise<SinkTarget>;
  /** Ends what the sink itself opened. */
  close?(): Promise<void>;
}
