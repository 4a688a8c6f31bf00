import { type RawBuilder, sql } from 'kysely';
import type { ColumnDescriptor, RowShape } from '../../contract/index.ts';
import type { kinds } from '../rows/layout.ts';
import type { StoredForm } from './forms.ts';
import type { ValueEncoder } from './value-encoders.ts';

/** The type of a D1 column that the sink makes. */
export type ColumnType = 'INTEGER' | 'REAL' | 'TEXT' | 'BLOB';

/** How one column is sent and stored. Chosen once a column. */
export interface ColumnForm {
  readonly name: string;
  readonly columnType: ColumnType;
  /** What the source says of the column, and what the options do: undefined where they leave the default. */
  readonly column: ColumnDescriptor;
  readonly stored: StoredForm | undefined;
  /** A canonical text as JSON. */
  readonly encode: ValueEncoder;
  /** How the values travel in a batch. */
  readonly kind: keyof typeof kinds;
  /** True: the bytes of most values can travel as they are. */
  readonly asIs: boolean;
  /** What a statement makes of the JSON value of a key. A float may be a mantissa and an exponent. */
  readonly read: 'value' | 'unhex' | 'float';
  /** How a value too large for a batch's text travels: as the text that is stored, as hexadecimal digits, or not at all. */
  readonly large: 'text' | 'hex' | null;
  /** True: SQLite orders the stored values as PostgreSQL orders its own. */
  readonly ordered: boolean;
  /** True: the column of the table that is there makes numbers of texts that look like them. */
  readonly isNumber?: boolean;
}

/** The forms of the key's columns, in key order. Columns that do not travel have none. */
export function keyFormsOf({ columns, key }: RowShape, forms: readonly ColumnForm[]): ColumnForm[] {
  return key.flatMap(({ name }) => forms[columns.findIndex((column) => column.name === name)] ?? []);
}

/** A single INTEGER PRIMARY KEY is the rowid: it has no index, and no place of its own in the row. */
export function isRowId(keyForms: readonly ColumnForm[]): boolean {
  return keyForms.length === 1 && keyForms[0]?.columnType === 'INTEGER';
}

/** The names of columns, as they stand in a statement. */
export const identifiers = (columns: readonly { readonly name: string }[]): RawBuilder<unknown>[] =>
  columns.map(({ name }) => sql.id(name));
