import type { BatchEncoder, Key, RejectedRow, SourceDescription, TextRow } from '../../contract/index.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import { keyOf } from '../paging.ts';
import { type RowOutcome, RowRefusal } from '../rows/refusal.ts';

/** What filling batches needs. */
export interface FillerParts {
  readonly description: SourceDescription;
  readonly encoder: BatchEncoder;
  /** The `seq` of the checkpoint of a row. */
  readonly seqOf: (key: Key) => number;
  /** False: the first row that cannot be copied is thrown. */
  readonly setAside: boolean;
}

/** What of the source a batch deals with. */
export interface Filled {
  readonly rows: number;
  readonly rejects: readonly RejectedRow[];
  /** The last of these rows. */
  readonly last: TextRow;
}

/** Puts what a pipeline made of rows into batches: all that comes from one row of the source into the same one. */
export class BatchFiller {
  readonly #parts: FillerParts;
  #rows = 0;
  #rejects: RejectedRow[] = [];
  #last: TextRow = [];

  constructor(parts: FillerParts) {
    this.#parts = parts;
  }

  /** Rows of the source that the batch deals with so far. */
  get rows(): number {
    return this.#rows;
  }

  /**
   * False: it does not fit; take the batch first, then put the row again.
   *
   * @throws MigratorError with the row's key, where rows are not set aside.
   */
  put(row: TextRow, outcome: RowOutcome): boolean {
    const refusal = outcome instanceof RowRefusal ? outcome : this.#add(row, outcome);
    if (refusal === false) return false;
    if (refusal !== null && !this.#reject(row, refusal)) return false;
    this.#rows += 1;
    this.#last = row;
    return true;
  }

  /** Begins a new batch. */
  take(): Filled {
    const filled = { rows: this.#rows, rejects: this.#rejects, last: this.#last };
    this.#rows = 0;
    this.#rejects = [];
    return filled;
  }

  /** Null: it is in. False: it does not fit. */
  #add(row: TextRow, rows: readonly TextRow[]): RowRefusal | false | null {
    try {
      return this.#parts.encoder.addAll(rows) ? null : false;
    } catch (error) {
      if (isRowError(error)) return new RowRefusal(error);
      throw isMigratorError(error) ? error.with({ key: this.#keyOf(row) }) : error;
    }
  }

  #reject(row: TextRow, { error, reason }: RowRefusal): boolean {
    const { seqOf, setAside, encoder, description } = this.#parts;
    const key = this.#keyOf(row);
    if (!setAside) throw error.with({ key });
    const values = Object.fromEntries(
      description.columns.map(({ name }, index) => [name, row[index] ?? null]),
    );
    const rejected: RejectedRow = { seq: seqOf(key), key, code: error.code, reason, row: values };
    if (!encoder.reject) {
      throw new MigratorError('INTERNAL', 'The encoder of the sink takes no rows that are set aside.', {
        help: 'A sink with `rejects` has encoders with `reject()`.',
      });
    }
    if (!encoder.reject(rejected)) return false;
    this.#rejects.push(rejected);
    return true;
  }

  #keyOf(row: TextRow): Key {
    return keyOf(this.#parts.description, row);
  }
}

/** True for an error that is about this row alone. */
export function isRowError(error: unknown): error is MigratorError {
  return isMigratorError(error) && (error.code === 'VALUE_REFUSED' || error.code === 'ROW_TOO_LARGE');
}
