import type { EpochUnit } from './epochs.ts';

/** An exact decimal as an INTEGER: the value times ten to the power of `scaled`. 12.34 with `scaled: 2` is 1234. */
export interface ScaledForm {
  /** Digits after the point, 0 to 18. A value with more of them, or too large for 64 bits, is refused. */
  readonly scaled: number;
}

/** A moment as an INTEGER that may lose what is smaller than its unit. */
export interface RoundedEpochForm {
  readonly epoch: EpochUnit;
  /** What is smaller than the unit is cut off, towards the past. */
  readonly rounding: 'floor';
}

/** What becomes of the floats that a REAL column does not hold as they are. What is left out is refused. */
export interface FloatForm {
  /** SQLite has no NaN: `null`, or the text `NaN` in the REAL column. Default `refuse`. */
  readonly nan?: 'refuse' | 'null' | 'text' | undefined;
  /**
   * SQLite stores infinities (`real`), but D1's answers show them as null. `text`: `Infinity` or `-Infinity` in the
   * REAL column. Default `refuse`.
   */
  readonly infinity?: 'refuse' | 'null' | 'text' | 'real' | undefined;
  /** SQLite stores -0 as 0 (`zero`). Default `refuse`. */
  readonly negativeZero?: 'refuse' | 'zero' | undefined;
}

/**
 * How a column is stored, where the default is not wanted. Which of them a column can have depends on its type:
 *
 * - `text`, any column: its canonical text, exact. For floats, NaN, infinities and -0 included
 * - `real`, decimals: the nearest double
 * - {@link ScaledForm}, decimals: an exact INTEGER
 * - `blob`, uuid: its 16 bytes
 * - `hex`, bytes: lower-case hexadecimal digits
 * - `epoch-s`, `epoch-ms`, `epoch-us`, dates and timestamps: INTEGER since 1970 in UTC; a value that is not whole in
 *   this unit, or infinite, is refused
 * - {@link RoundedEpochForm}, dates and timestamps: the same, rounded down
 * - {@link FloatForm}, floats: what becomes of NaN, infinities and -0
 */
export type StoredForm =
  | 'text'
  | 'real'
  | 'blob'
  | 'hex'
  | 'epoch-s'
  | 'epoch-ms'
  | 'epoch-us'
  | ScaledForm
  | RoundedEpochForm
  | FloatForm;

/** A stored form for each column that should not have the default. */
export type StoreOptions<Column extends string = string> = {
  readonly [Name in Column]?: StoredForm | undefined;
};
