/**
 * What a column holds, whatever its database calls it. A sink chooses its stored form by this.
 *
 * - `integer`: digits with an optional minus sign, any size up to 64 bits
 * - `float`: a double or single; `NaN`, `Infinity` and `-Infinity` are possible texts
 * - `decimal`: exact decimal digits of any length
 * - `boolean`: `true` or `false`
 * - `bytes`: lower-case hexadecimal digits, two a byte, without a prefix
 * - `uuid`: lower case, with hyphens
 * - `date`, `time`, `timestamp`, `timestamptz`: ISO 8601; `timestamptz` in UTC with a final `Z`
 * - `json`: JSON text
 * - `text`: any text
 * - `other`: the source's own text of a type that has no row here
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
  | 'timestamp'
  | 'timestamptz'
  | 'json'
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
}
