import type { RowShape, SourceDescription, TextRow } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import { type ValueEncoder, valueEncoders } from './encode-values.ts';
import { type RowOutcome, RowRefusal } from './refusal.ts';
import type { CheckedTransform } from './transform-options.ts';

/** What decides how results are encoded. */
export interface ResultParts {
  readonly description: SourceDescription;
  readonly shape: RowShape;
  readonly transform: CheckedTransform | null;
  /** True: the sink finds rows by their key, so no two rows of a group may have the same. */
  readonly upsert: boolean;
}

interface ResultColumn {
  readonly name: string;
  readonly nullable: boolean;
  readonly encoder: ValueEncoder;
  /** Its index in a row of the source; -1 where the source has no such column, or another type. */
  readonly source: number;
  /** True: a value can be changed in place, and be the same object still. */
  readonly mutable: boolean;
}

/** Turns rows of the result back into canonical text, exactly or not at all. */
export class ResultEncoder {
  readonly #columns: readonly ResultColumn[];
  readonly #known: ReadonlySet<string>;
  /** Names that a row may have beside its columns: what the transform declares as left out. */
  readonly #dropped: ReadonlySet<string>;
  readonly #code: 'TRANSFORM_FAILED' | 'ROW_INVALID';
  /** For each key column of the result its index; empty where the key does not travel. */
  readonly #keyIndexes: readonly number[];
  /** The same in a row of the source; null where the sink has a key of its own. */
  readonly #sourceKeyIndexes: readonly number[] | null;
  readonly #upsert: boolean;

  constructor({ description, shape, transform, upsert }: ResultParts, keepsKey: boolean) {
    this.#columns = shape.columns.map((column) => ({
      name: column.name,
      nullable: column.nullable,
      encoder: valueEncoders[column.type],
      source: description.columns.indexOf(column),
      mutable: column.type === 'bytes',
    }));
    this.#known = new Set(shape.columns.map(({ name }) => name));
    this.#dropped = new Set(transform === null ? [] : transform.columns.keys());
    this.#code = transform === null ? 'ROW_INVALID' : 'TRANSFORM_FAILED';
    const indexes = shape.key.map(({ name }) => shape.columns.findIndex((column) => column.name === name));
    this.#keyIndexes = indexes.includes(-1) ? [] : indexes;
    this.#sourceKeyIndexes = keepsKey ? description.keyIndexes : null;
    this.#upsert = upsert;
  }

  /** True for a column of the result. */
  has(name: string): boolean {
    return this.#known.has(name);
  }

  /**
   * @param values - the source row's values as they were decoded: one that comes back unchanged keeps its text.
   * @param source - the source row.
   */
  encode(results: readonly object[], values: readonly unknown[], source: TextRow): RowOutcome {
    const rows: TextRow[] = [];
    for (const result of results) {
      const row = this.#row(result as Readonly<Record<string, unknown>>, values, source);
      if (row instanceof RowRefusal) return row;
      rows.push(row);
    }
    return this.#keyProblem(rows, source) ?? rows;
  }

  #row(
    result: Readonly<Record<string, unknown>>,
    values: readonly unknown[],
    source: TextRow,
  ): TextRow | RowRefusal {
    const row: (string | null)[] = [];
    for (const column of this.#columns) {
      const value = result[column.name];
      if (value === undefined) {
        return this.#refusal(`A row of the result has no ${column.name}`, missingHelp, column.name);
      }
      const from = column.source;
      if (from >= 0 && !column.mutable && Object.is(value, values[from])) {
        row.push(source[from] ?? null);
      } else if (value === null) {
        if (!column.nullable)
          return this.#refusal(`${column.name} is null, which it cannot be`, valueHelp, column.name);
        row.push(null);
      } else {
        const text = column.encoder.encode(value);
        if (text === null) {
          const what = `The value of ${column.name} is not ${column.encoder.expects}`;
          return this.#refusal(what, valueHelp, column.name);
        }
        row.push(text);
      }
    }
    for (const name in result) {
      if (this.#known.has(name) || this.#dropped.has(name) || result[name] === undefined) continue;
      return this.#refusal(`A row of the result has ${name}, which is no column of it`, unknownHelp, name);
    }
    return row;
  }

  #keyProblem(rows: readonly TextRow[], source: TextRow): RowRefusal | null {
    if (this.#keyIndexes.length === 0) return null;
    const keys = new Set<string>();
    for (const row of rows) {
      const key = this.#keyIndexes.map((index) => row[index] ?? null);
      if (this.#sourceKeyIndexes?.some((index, place) => source[index] !== key[place])) {
        return this.#refusal('The transform changes the key of the row', keyHelp);
      }
      if (key.includes(null)) return this.#refusal('The key of a row of the result is null', keyHelp);
      if (this.#upsert) keys.add(JSON.stringify(key));
    }
    if (!this.#upsert || keys.size === rows.length) return null;
    return this.#refusal('Two rows of the result, made of one row, have the same key', keyHelp);
  }

  #refusal(what: string, help: string, column?: string): RowRefusal {
    return new RowRefusal(new MigratorError(this.#code, `${what}.`, { help, column }));
  }
}

const missingHelp =
  'A row needs a property for each column of the result, null where it has no value. A schema may take out what it does not name: let it keep the rest (Zod: looseObject), or declare columns that are to be left out as false in transform.columns.';
const unknownHelp = 'Declare new columns, and their types, in transform.columns.';
const valueHelp = 'Correct the transform, or declare another type in transform.columns.';
const keyHelp = 'Declare with transform.key by which columns a row is found in the sink.';
