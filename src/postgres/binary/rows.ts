import { MigratorError } from '../../errors.ts';

/** Rows some of whose values are in the server's own form, as of {@link ByteRows}. */
export interface BinaryRows {
  readonly rows: number;
  readonly columns: number;
  /** What the values stand in, with {@link longestText} of room for each behind them. */
  readonly view: DataView;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Not 0: every row has so many bytes, and no null. The values of the first begin at {@link firsts}, those of each next one so much further. */
  readonly stride: number;
  readonly firsts: Int32Array;
  readonly digits: Float64Array;
  readonly places: Uint8Array;
  /** Where the next text is written. */
  free: number;
}

/**
 * Makes canonical texts, or the digits of decimal numbers, out of PostgreSQL's own form of values, as the type's send function gives it:
 * most significant byte first.
 */
export interface BinaryReader {
  /** Bytes of a value. */
  readonly bytes: number;
  /** Values that were read, and those of them that cost as much as they would have cost the server. */
  readonly values?: number;
  readonly slow?: number;
  /** Replaces the values of a column. */
  read(rows: BinaryRows, column: number): void;
}

/** `+294276-12-31T23:59:59.999999Z` is the longest, with 30 bytes. */
export const longestText = 32;

/** Where a value begins, or a negative number for null. */
export function valueAt({ starts, ends }: BinaryRows, place: number, bytes: number): number {
  const start = starts[place] as number;
  const found = (ends[place] as number) - start;
  if (start >= 0 && found !== bytes) throw unknownForm(found, bytes);
  return start;
}

/** An error for a value that has not the bytes of its form. */
export function unknownForm(found: number, expected: number): MigratorError {
  return new MigratorError(
    'SOURCE_FAILED',
    `The server sent a value of ${found} bytes for one of ${expected}.`,
    {
      help: 'What answers here does not speak the protocol as PostgreSQL does. Connect to the server itself, or pass a Kysely instance: then every value is read as a text.',
    },
  );
}
