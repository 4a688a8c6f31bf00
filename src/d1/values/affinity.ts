import type { RowShape } from '../../contract/index.ts';
import type { StoreOptions } from './forms.ts';
import type { TableDescription } from '../schema/table.ts';
import type { ColumnForm } from './types.ts';

/** What SQLite makes of the values of a column, by its declared type (SQLite documentation, "Datatypes", 3.1). */
export type Affinity = 'INTEGER' | 'TEXT' | 'BLOB' | 'REAL' | 'NUMERIC';

/** What SQLite takes a declared type, in capital letters, for. */
export function affinityOf(declared: string): Affinity {
  if (declared.includes('INT')) return 'INTEGER';
  if (/CHAR|CLOB|TEXT/.test(declared)) return 'TEXT';
  if (declared === '' || declared.includes('BLOB')) return 'BLOB';
  return /REAL|FLOA|DOUB/.test(declared) ? 'REAL' : 'NUMERIC';
}

/** What SQLite makes of the values of a column of a table; null where the table has no such column. */
export function affinityIn(table: TableDescription, { name }: { readonly name: string }): Affinity | null {
  const column = table.columns.find((one) => one.name.toLowerCase() === name.toLowerCase());
  return column ? affinityOf(column.type) : null;
}

/** True where a column makes numbers of texts that look like them. */
export function isNumeric(affinity: Affinity | null): boolean {
  return affinity !== null && affinity !== 'TEXT' && affinity !== 'BLOB';
}

/** The forms as the columns of a table that exists take them. */
export function formsIn(table: TableDescription | null, forms: readonly ColumnForm[]): readonly ColumnForm[] {
  if (!table) return forms;
  return forms.map((form) => {
    const affinity = affinityIn(table, form);
    return {
      ...form,
      // Integers that a column makes texts of are in the order of their digits.
      ordered: form.ordered && (form.columnType !== 'INTEGER' || affinity !== 'TEXT'),
      isNumber: form.columnType === 'TEXT' && isNumeric(affinity),
    };
  });
}

/**
 * The stored forms for a table that exists: a double that went into a column of texts as a number would keep 15 digits,
 * so it goes there as its text.
 */
export function fitToTable(
  shape: RowShape,
  table: TableDescription | null,
  store: StoreOptions,
): StoreOptions {
  if (!table) return store;
  const texts = shape.columns.filter(
    (column) =>
      column.type === 'float' && affinityIn(table, column) === 'TEXT' && !Object.hasOwn(store, column.name),
  );
  return texts.length === 0
    ? store
    : { ...store, ...Object.fromEntries(texts.map(({ name }) => [name, 'text'])) };
}
