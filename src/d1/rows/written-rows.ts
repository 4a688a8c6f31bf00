import type { Layout } from './layout.ts';
import type { RowsText } from './rows-text.ts';

/** What became of a row: `again`, a field was too narrow, and is wide enough now. */
export type Outcome = 'taken' | 'again' | 'full';

/** What a writer hands over. */
export interface WrittenRows {
  readonly rows: number;
  /** Bytes of the text, without escapes. */
  readonly bytes: number;
  readonly text: RowsText;
  readonly layout: Layout;
  /** Columns that have a null, or may have. */
  readonly nulls: Uint8Array;
  /**
   * For each column of fields: 0 where digits, or the characters of a text, fill every one that is no null; `notWhole` where digits may be
   * no whole number.
   */
  readonly uneven: Uint8Array;
  /** Where the array of the rows' beginnings stands in the text, from 1 on; null: the rows are of one length. */
  readonly listAt: number | null;
  /** Gives the memory back, once nobody reads the text any more. */
  readonly release: () => void;
}
