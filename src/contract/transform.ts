import type { LogicalType } from './rows.ts';

/**
 * A row as `transform.map` and `validate` see it. What a value arrives as goes by its column:
 *
 * - `smallint`, `integer`, `oid`: number; `bigint` and other integers: bigint
 * - floats: number, `NaN`, the infinities and -0 as well
 * - booleans: boolean; bytes: `Uint8Array`
 * - everything else: its canonical text ({@link LogicalType}), so decimals keep every digit, a timestamp its
 *   microseconds, and JSON and arrays are JSON text
 *
 * The types are read from Kysely's interface: a column whose insert type takes a bigint (as kysely-codegen writes
 * `Int8`) is a bigint, a `Date`, an object or an array is its text.
 */
export type DecodedRow<Row extends object> = {
  readonly [Column in keyof Row]-?: DecodedValue<Row[Column]>;
};

/** The type that a value of a column arrives as. */
export type DecodedValue<Type> = unknown extends Type
  ? unknown
  : Type extends { readonly __select__: infer Selected; readonly __insert__: infer Insert }
    ? [Extract<Insert, bigint>] extends [never]
      ? DecodedValue<Selected>
      : bigint | Extract<Selected, null>
    : Type extends string | number | bigint | boolean | null
      ? Type
      : Type extends Uint8Array
        ? Uint8Array
        : Type extends undefined
          ? null
          : string;

/**
 * A row for the sink. Columns that the sink's interface lets be null, or gives a default (`Generated`), may be missing
 * for the compiler; the copy asks for every column of the result all the same.
 */
export type ResultRow<Row extends object> = {
  readonly [Column in Exclude<keyof Row, OptionalColumn<Row>>]: ResultValue<Row[Column]>;
} & {
  readonly [Column in OptionalColumn<Row>]?: ResultValue<Row[Column]>;
};

/** The columns of the sink's interface that may be null or have a default. */
export type OptionalColumn<Row extends object> = {
  [Column in keyof Row]-?: unknown extends Row[Column]
    ? Column
    : [
          Extract<
            Row[Column] extends infer Type
              ? Type extends { readonly __insert__: infer Insert }
                ? Insert
                : Type
              : never,
            null | undefined
          >,
        ] extends [never]
      ? never
      : Column;
}[keyof Row];

/**
 * The type that a column of the sink takes. A number of SQLite's may be an integer of 64 bits, a boolean or a moment; a
 * text may be a moment.
 */
export type ResultValue<Type> = unknown extends Type
  ? unknown
  : Type extends { readonly __select__: unknown; readonly __insert__: infer Insert }
    ? ResultValue<Insert>
    : Type extends number
      ? Type | bigint | boolean | Date
      : Type extends bigint
        ? bigint | number
        : Type extends string
          ? Type | Date
          : Type extends Date
            ? Date | string
            : Type extends Uint8Array | ArrayBuffer
              ? Uint8Array
              : Type extends boolean | null
                ? Type
                : Type extends undefined
                  ? never
                  : Type | string;

/** A compile error that names properties which are columns of neither side. */
export type OnlyColumns<
  Result,
  SourceRow extends object,
  SinkRow extends object,
> = string extends keyof SinkRow
  ? unknown
  : [Result extends unknown ? Exclude<keyof Result, keyof SourceRow | keyof SinkRow> : never] extends [
        infer Unknown,
      ]
    ? [Unknown] extends [never]
      ? unknown
      : { readonly 'the sink table has no such column': Unknown }
    : never;

/** A column of the result that the source does not have, or has with another type. */
export interface ResultColumn {
  readonly type: LogicalType;
  /** True: it may be null. Default false. */
  readonly nullable?: boolean | undefined;
}

/** Rows into other rows on their way: see {@link RowTransform.map}. */
export interface RowTransform<
  SourceRow extends object = Record<string, unknown>,
  SinkRow extends object = Record<string, unknown>,
  Result extends ResultRow<SinkRow> = ResultRow<SinkRow>,
> {
  /**
   * Names what `map` does. It enters the fingerprint of the plan: half a table by one version and half by another is
   * refused as `PLAN_MISMATCH`.
   */
  readonly version: string;
  /**
   * The columns of the result that the source has not, or has with another type: `{ speed_kmh: 'float', tags: { type:
   * 'json', nullable: true } }`. `false` leaves a column of the source out. All others stay as they are.
   */
  readonly columns?:
    | { readonly [Column in (keyof SourceRow | keyof SinkRow) & string]?: LogicalType | ResultColumn | false }
    | undefined;
  /**
   * The sink's key, where it is not the source's own, unchanged; unique over all rows of the result. An empty list: no
   * key, rows are only added.
   */
  readonly key?: readonly (keyof SinkRow & string)[] | undefined;
  /**
   * Makes of a row of the source a row for the sink, none (null), or several. Called without waiting, so it may not be
   * async; it may be called again for the same row, and must then give the same.
   */
  readonly map: (row: DecodedRow<SourceRow>) => Result | null | readonly Result[];
}

/**
 * Any schema of a library that speaks Standard Schema v1 (Zod, Valibot, ArkType and others): https://standardschema.dev.
 * The little of it that is needed here.
 */
export interface RowSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    /** The value as the schema makes it, or what is wrong with it. */
    readonly validate: (value: unknown) => RowSchemaResult<Output> | Promise<RowSchemaResult<Output>>;
  };
}

/** What validating a row gave. */
export type RowSchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly RowSchemaIssue[] };

/** One thing that is wrong with a row. */
export interface RowSchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
