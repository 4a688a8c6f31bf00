import type {
  CheckpointStore,
  OnlyColumns,
  ResultRow,
  RowSchema,
  RowTransform,
  Sink,
  Source,
} from '../contract/index.ts';
import type { TuningOptions } from './options.ts';

/** A compile error that names the columns of the source which the sink table does not have. */
export type ColumnsFit<SourceRow extends object, SinkRow extends object> = string extends keyof SourceRow
  ? unknown
  : string extends keyof SinkRow
    ? unknown
    : [Exclude<keyof SourceRow, keyof SinkRow>] extends [never]
      ? unknown
      : { readonly 'the sink table lacks columns of the source': Exclude<keyof SourceRow, keyof SinkRow> };

/**
 * The options of a {@link ResumableMigrator}.
 *
 * @typeParam Result - what `transform.map` gives; inferred.
 */
export type ResumableMigratorOptions<
  SourceRow extends object,
  SinkRow extends object,
  Result extends ResultRow<SinkRow> = ResultRow<SinkRow>,
> = TuningOptions & {
  readonly source: Source<SourceRow>;
  /** Where checkpoints are kept. Default: the sink's own store, in the sink's database. */
  readonly checkpoints?: CheckpointStore | undefined;
  /**
   * A schema of any library that speaks Standard Schema (Zod, Valibot, ArkType...). It checks each row after
   * `transform.map`, or as the source has it where there is no transform; what it gives out replaces the row.
   */
  readonly validate?: RowSchema<ResultRow<SinkRow>> | undefined;
} & (
    | {
        readonly sink: Sink<SinkRow>;
        /** Makes other rows of the source's, skips some, or makes several of one. */
        readonly transform: RowTransform<SourceRow, SinkRow, Result> &
          OnlyColumns<Result, SourceRow, SinkRow>;
      }
    // The last: the compiler explains by it what fits neither.
    | { readonly sink: Sink<SinkRow> & ColumnsFit<SourceRow, SinkRow>; readonly transform?: undefined }
  );
