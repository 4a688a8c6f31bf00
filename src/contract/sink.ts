import type { Advance, CheckpointStore } from './checkpoint-store.ts';
import type { ByteRows, CallContext, ColumnDescriptor, Key, KeyRange, TextRow } from './rows.ts';
import type { Finding } from './findings.ts';
import type { RejectedRow, RejectStore } from './rejects.ts';
import type { TableSchema } from './schema.ts';

/** The rows that will come: what a sink needs to know to check its table. */
export interface RowShape {
  readonly migration: string;
  readonly columns: readonly ColumnDescriptor[];
  readonly key: readonly ColumnDescriptor[];
  /** What the source's table declares beyond, where the source knows. */
  readonly schema?: TableSchema | undefined;
  /** True: the migration has checkpoints already, so its rows may be in the table. */
  readonly planned?: boolean | undefined;
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

/**
 * Rows in the form in which the sink sends them, and rows that are set aside. Can be sent again unchanged, and may be
 * empty: then only the checkpoint moves.
 */
export interface EncodedBatch {
  /** Rows for the table. */
  readonly rows: number;
  /** Bytes that this batch occupies on its way. */
  readonly bytes: number;
  /** Gives its memory back. Called at most once, when every call that got the batch has ended well; it is not used again. */
  release?(): void;
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
  /**
   * The same for rows that came as bytes: adds those from `first` on and before `end`, as many as fit beside the others, and returns how
   * many these are. Into an empty batch it takes one at least, or throws. Left out: the engine makes texts of them.
   */
  addBytes?(rows: ByteRows, first: number, end: number): number;
  /**
   * Adds all of the rows or none of them: they come from one row of the source. They may be more than the rows asked
   * for a batch where they stand alone. False and errors as of {@link add}; no rows always fit.
   */
  addAll(rows: readonly TextRow[]): boolean;
  /**
   * Adds a row that is set aside. False: it does not fit beside the others. A row that is too large to be kept is left
   * out of it, and its reason says so. Only a sink with a {@link Sink.rejects} has this.
   */
  reject?(rejected: RejectedRow): boolean;
  /** Hands the collected rows over and starts a new batch. */
  take(): Batch;
}

/** How the rows of a batch, and of the stretch of keys that it covers, stand in the sink. */
export interface Comparison {
  /** Indexes in the batch of the rows that the sink does not have. */
  readonly missing: readonly number[];
  /** Rows that the sink has with other values, and in which columns. */
  readonly different: readonly { readonly row: number; readonly columns: readonly string[] }[];
  /**
   * Keys of the stretch that only the sink has, at most a thousand of them. Null: the sink orders keys in another way
   * than the source, so a stretch has no meaning here.
   */
  readonly extra: readonly Key[] | null;
}

/** What a target needs for `verify({ mode: 'full' })` and the repair of single rows. Rows are found by their key. */
export interface SinkVerifier<Batch extends EncodedBatch = EncodedBatch> {
  /**
   * Compares every value of a batch, and looks for further rows between the ends of `span`. Changes nothing.
   *
   * @param span - null: the batch's rows stand alone, so `extra` is empty.
   */
  compare(batch: Batch, span: KeyRange | null, context?: CallContext): Promise<Comparison>;
  /** The table's keys after `after`, in the table's own order, `limit` of them at the most. */
  keys(after: Key | null, limit: number, context?: CallContext): Promise<readonly Key[]>;
  /** Deletes the rows of these keys. Returns how many there were. */
  delete(keys: readonly Key[], context?: CallContext): Promise<number>;
}

/** How much is to come; a sink reckons what that means for it. */
export interface Workload {
  readonly rows: number;
  /** Bytes of canonical text in all, in UTF-8. */
  readonly bytes: number;
  /** Checkpoints that are to be copied. */
  readonly checkpoints: number;
  /** Those of them that are still to be added to the plan. */
  readonly newCheckpoints: number;
  /** Rows a checkpoint at the most. */
  readonly checkpointSize: number;
  /** Checkpoints that are copied at the same time. */
  readonly concurrency: number;
  /** Rows a batch at the most, where the host limits them. */
  readonly batchSize: number | undefined;
  /** Some of the rows, so that a sink can see what its own form makes of them; none where none was read. */
  readonly sample: readonly TextRow[];
}

/** What a workload means for a sink. Figures are estimates; null where the sink cannot tell. */
export interface SinkEstimate {
  /** Calls over the network, checkpoints' own included. */
  readonly requests: number | null;
  /** Milliseconds in which the sink's quota lets so many requests pass, spread evenly. A short burst may be faster. */
  readonly quotaMs: number | null;
  /** Rows as the sink counts them for its price: index entries and checkpoints count too. */
  readonly rowsWritten: number | null;
  /** What writing them costs, in US dollars. Storage is not in it. */
  readonly price: SinkPrice | null;
  /** Bytes that the rows will occupy, indexes included. */
  readonly storedBytes: number | null;
  /** Bytes that the sink has room for in all. */
  readonly maxStoredBytes: number | null;
  /** What the figures mean for the host: no room for the rows, for example. */
  readonly findings?: readonly Finding[] | undefined;
}

/** A price depends on what else was used up in the same month. */
export interface SinkPrice {
  /** Where nothing else uses what is included every month. */
  readonly least: number;
  /** Where everything included is used up already. */
  readonly most: number;
}

/** A sink's table, checked against the rows that will come. */
export interface SinkTarget<Batch extends EncodedBatch = EncodedBatch> {
  /** Says which table this is, without credentials. Enters the fingerprint. */
  readonly identity: string;
  /** Says which database, where that is known. Enters the fingerprint where the checkpoints are kept elsewhere. */
  readonly database?: string | undefined;
  /** Further settings that decide how values are stored. They enter the fingerprint. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** What the plan should tell the host. One of severity `error` keeps a run from beginning. */
  readonly findings?: readonly Finding[] | undefined;
  /** The statements that {@link create} and {@link finish} will run; none where the table is there already. */
  readonly statements?: readonly string[] | undefined;
  /** Reckons what copying so much takes. Asks nothing. */
  estimate?(workload: Workload): SinkEstimate | Promise<SinkEstimate>;
  /** `upsert`: a row that is there already is overwritten, found by its key. `insert`: rows are only added. */
  readonly mode: 'upsert' | 'insert';
  /** The largest row that the sink can take, in bytes of its values. */
  readonly maxRowBytes: number;
  /** What this target promises together with the given store; {@link commit} then moves that store's checkpoints. */
  delivery(store: CheckpointStore): Delivery;
  /** Makes the table where it is missing. Called once every check has passed, beside {@link CheckpointStore.prepare}. */
  create(context?: CallContext): Promise<void>;
  /**
   * Makes what is made after the copy: indexes. Called once every checkpoint is completed; may be called again. Left out
   * where nothing is to be made.
   */
  readonly finish?: ((context?: CallContext) => Promise<void>) | undefined;
  /** A new encoder for batches of this target. @param maxRows - rows a batch at the most; without it, what fits. */
  encoder(maxRows?: number): BatchEncoder<Batch>;
  /** Writes the rows, and those set aside, and moves the checkpoint in one transaction. */
  commit(batch: Batch, advance: Advance, context?: CallContext): Promise<CommitOutcome>;
  /** Writes the rows, and those set aside, alone: the first half of at-least-once delivery. */
  write(batch: Batch, context?: CallContext): Promise<void>;
  /** True where the table holds no row, or does not exist yet. */
  isEmpty(context?: CallContext): Promise<boolean>;
  /**
   * Counts the rows of a range, or of the whole table. Null: the sink does not order this key as the source does,
   * so a range has no meaning here.
   */
  countRows(range?: KeyRange, context?: CallContext): Promise<number | null>;
  /** Left out where rows cannot be found by their key: then `verify()` can only count. */
  readonly verifier?: SinkVerifier<Batch> | undefined;
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
   * The rows that were set aside, in the same database: a batch writes them with its rows, and where rows and
   * checkpoint move in one transaction, in that. A sink that has no place for them leaves it out.
   */
  readonly rejects?: RejectStore | undefined;
  /** False: nothing of {@link RowShape.schema} decides what is made, so a run has the source not read it. Default true. */
  readonly takesSchema?: boolean | undefined;
  /**
   * Asks what does not depend on the rows, while the source is described. Writes nothing. What it resolves with goes to {@link prepare},
   * which asks itself where it gets nothing.
   */
  ask?(context?: CallContext): Promise<unknown>;
  /**
   * Checks the table against the rows that will come. Writes nothing.
   *
   * A table that cannot take them is refused by a finding of severity `error` with a `SINK_...` code, which `run()`
   * throws as that error, so that a plan can show it beside everything else.
   *
   * @param asked - what {@link ask} has returned just before; a failure of it is for this call to tell.
   * @throws MigratorError with a `SINK_...` code where there is nothing to check.
   */
  prepare(shape: RowShape, context?: CallContext, asked?: Promise<unknown>): Promise<SinkTarget>;
  /** Ends what the sink itself opened. */
  close?(): Promise<void>;
}
