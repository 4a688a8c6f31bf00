import type { TextRow } from '../../contract/index.ts';
import type { MigratorError } from '../../errors.ts';

/** A row that cannot be copied, and why. */
export class RowRefusal {
  /** Without its key, and without any value of the row. */
  readonly error: MigratorError;
  /** The reason in full: it may hold values. */
  readonly reason: string;

  constructor(error: MigratorError, reason: string = `${error.summary} ${error.help}`) {
    this.error = error;
    const short = reason.length > 2_000 ? `${reason.slice(0, 1_997)}...` : reason;
    // Half a surrogate pair, or a NUL, would not be stored as it is.
    this.reason = short.toWellFormed().replaceAll('\0', '\uFFFD');
  }
}

/** What became of a row of the source: rows for the sink (none: it was skipped), or a refusal. */
export type RowOutcome = readonly TextRow[] | RowRefusal;
