import type { CallContext, Key } from './rows.ts';

/** A row of the source that is not in the sink, and why. */
export interface RejectedRow {
  /** The `seq` of its checkpoint. */
  readonly seq: number;
  /** Its key in the source. */
  readonly key: Key;
  /** A code of errors: `TRANSFORM_FAILED`, `ROW_INVALID`, `VALUE_REFUSED`, `ROW_TOO_LARGE`. */
  readonly code: string;
  /** The reason in full: it may hold values of the row. */
  readonly reason: string;
  /** The row as the source has it, in canonical text; null where it is too large to be kept. */
  readonly row: Readonly<Record<string, string | null>> | null;
}

/** A rejected row as it is stored. */
export interface StoredReject extends RejectedRow {
  /** The store's own id of it; later ones are higher. */
  readonly id: number;
  /** When it was set aside, by the store's clock: ISO 8601 in UTC, to the second or finer. */
  readonly createdAt: string;
}

/** Which rejected rows to list. */
export interface RejectFilter {
  /** Only those after this one. Default 0. */
  readonly afterId?: number | undefined;
  /** Default 100. */
  readonly limit?: number | undefined;
}

/**
 * Rows that were set aside, in the sink's database: a batch writes them beside its rows, a row at most once by
 * migration and key. Where nothing was prepared yet, nothing is listed and there is nothing to clear.
 */
export interface RejectStore {
  /** Where the rejected rows are, for messages. */
  readonly identity: string;
  /** Makes the table. Called before the first batch, and only where rows are to be set aside. */
  prepare(context?: CallContext): Promise<void>;
  /** Rejected rows in the order of their ids; none where there is no table yet. */
  list(migration: string, filter?: RejectFilter, context?: CallContext): Promise<readonly StoredReject[]>;
  /** Forgets single rows: they are in the sink by now. */
  remove(migration: string, keys: readonly Key[], context?: CallContext): Promise<void>;
  /** Forgets the rows of these checkpoints, or all of the migration. Does nothing where there is no table yet. */
  clear(migration: string, seqs?: readonly number[], context?: CallContext): Promise<void>;
}
