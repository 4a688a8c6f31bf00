/**
 * - `error`: a run would be refused, or fail
 * - `warning`: values could change, or something of the source's table gets lost
 * - `info`: nothing of the rows is lost
 */
export type Severity = 'error' | 'warning' | 'info';

/** Something that the host should know before it copies. */
export interface Finding {
  /** What kind of finding it is, in capital letters: the codes of errors, or one of an adapter's own. */
  readonly code: string;
  readonly severity: Severity;
  /** The column that it is about; null where it is about the whole table. */
  readonly column: string | null;
  readonly message: string;
  /** What to do about it. */
  readonly help: string;
}
