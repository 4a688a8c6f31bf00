/**
 * What a column holds, whatever its database calls it, and the one text that each value has in transit. A sink chooses
 * its stored form by this.
 *
 * - `integer`: digits with an optional minus sign, any size up to 64 bits
 * - `float`: a double or single in the shortest digits that give it back; also `NaN`, `Infinity`, `-Infinity`, `-0`
 * - `decimal`: exact decimal digits of any length; also `NaN`, `Infinity`, `-Infinity`
 * - `boolean`: `true` or `false`
 * - `bytes`: lower-case hexadecimal digits, two a byte, without a prefix
 * - `uuid`: lower case, with hyphens
 * - `date`, `timestamp`, `timestamptz`: ISO 8601 (`2026-01-02T03:04:05.123456`), as many digits of a second as it has,
 *   up to six; `timestamptz` in UTC with a final `Z`. Years outside 0000 to 9999 are expanded and signed, and counted
 *   astronomically: `+12345-01-01`, `-0043-03-15` (44 BC). Also `infinity` and `-infinity`
 * - `time`, `timetz`: ISO 8601 (`03:04:05.5`); `timetz` with its offset (`03:04:05+05:30`)
 * - `interval`: ISO 8601 (`P1Y2M3DT4H5M6.5S`, each part with its own sign); also `infinity` and `-infinity`
 * - `json`: JSON text
 * - `array`: JSON text of an array of any depth. Integers and finite floats are JSON numbers, booleans `true` and
 *   `false`, everything else strings in canonical text. An array whose indexes do not start at 1 is an object:
 *   `{"lower":[0],"values":[7,8]}`, one lower bound a dimension
 * - `text`: any text
 * - `other`: the source's own text of a type that it does not know
 */
export type LogicalType =
  | 'integer'
  | 'float'
  | 'decimal'
  | 'boolean'
  | 'bytes'
  | 'uuid'
  | 'date'
  | 'time'
  | 'timetz'
  | 'timestamp'
  | 'timestamptz'
  | 'interval'
  | 'json'
  | 'array'
  | 'text'
  | 'other';

/** One column of the rows that travel from source to sink. */
export interface ColumnDescriptor {
  readonly name: string;
  readonly type: LogicalType;
  /** The source's own name of the type, for messages: `int8`, `character varying(20)`. */
  readonly nativeType: string;
  /** False where the source promises that no null occurs. */
  readonly nullable: boolean;
}

/** A row in transit: canonical text or null, one entry a column, in the order of the descriptors. */
export type TextRow = readonly (string | null)[];

/**
 * Rows in transit as the bytes in which they came: the same canonical text, in UTF-8. A source hands over one object again and
 * again, and bytes in memory that it uses again, so that nothing is made for a row: what is wanted of them is read, or copied, before
 * the call returns.
 *
 * What is known of the value of a row's column, both counted from 0, stands at `row * columns + column`.
 */
export interface ByteRows {
  /** How many they are: one at least. The lists may be longer. */
  readonly rows: number;
  /** Columns of a row: those that travel, and others behind them where the key has some. */
  readonly columns: number;
  readonly source: Uint8Array;
  /**
   * Where each value begins in {@link source}; -1: it is null; any other negative number: it does not stand there, and {@link text}
   * has it. Of these, -3: it is a decimal number, in {@link digits} and {@link places} as well.
   */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Texts from here on are of ASCII alone, which JSON takes as it is, and no space ends them: nobody needs to look. Left out: nothing is known. */
  readonly plainFrom?: number | undefined;
  /** True: all texts are known to be UTF-8, as a server has checked them. Left out: a sink has to look, which takes longer. */
  readonly isUtf8?: boolean | undefined;
  /** The digits of each decimal number as a whole number of up to 15, with its sign, and never a negative zero. */
  readonly digits: Float64Array;
  /** How many of them stand behind the point. The last may be zeros, which the canonical text is without. */
  readonly places: Uint8Array;
  /** A value in canonical text, wherever it stands. */
  text(row: number, column: number): string | null;
}

/** The values of the key columns, in canonical text and in key order. Never null. */
export type Key = readonly string[];

/** Where a range begins: at `key`, or just after it. */
export interface KeyBound {
  readonly key: Key;
  readonly inclusive: boolean;
}

/** A stretch of the key space. The upper end is always inclusive. */
export interface KeyRange {
  /** Null: unbounded below. */
  readonly lower: KeyBound | null;
  readonly upper: Key;
}

/** What every call of an adapter is given besides its arguments. */
export interface CallContext {
  /** Ends the call early. An adapter rejects with the signal's reason as soon as it can. */
  readonly signal?: AbortSignal | undefined;
  /** Told of milliseconds in which the call only waited for its turn, for a quota's sake: they do not make it slow. */
  readonly waited?: ((milliseconds: number) => void) | undefined;
}
