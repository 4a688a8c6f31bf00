import type { ColumnDescriptor, Finding, RowShape } from '../../contract/index.ts';
import type { StoreOptions } from './forms.ts';
import type { TableDescription } from '../schema/table.ts';
import type { ColumnForm } from './types.ts';

/** What SQLite makes of the values of a column, by its declared type (SQLite documentation, "Datatypes", 3.1). */
type Affinity = 'INTEGER' | 'TEXT' | 'BLOB' | 'REAL' | 'NUMERIC';

/** What SQLite takes a declared type, in capital letters, for. */
export function affinityOf(declared: string): Affinity {
  if (declared.includes('INT')) return 'INTEGER';
  if (/CHAR|CLOB|TEXT/.test(declared)) return 'TEXT';
  if (declared === '' || declared.includes('BLOB')) return 'BLOB';
  return /REAL|FLOA|DOUB/.test(declared) ? 'REAL' : 'NUMERIC';
}

function affinityIn(table: TableDescription, { name }: { readonly name: string }): Affinity | null {
  const column = table.columns.find((one) => one.name.toLowerCase() === name.toLowerCase());
  return column ? affinityOf(column.type) : null;
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

/** Types whose texts can look like numbers. */
const numberLike: ReadonlySet<ColumnDescriptor['type']> = new Set(['decimal', 'text', 'json', 'other']);

/** What the types of an existing table would change, and which types are taken as their text because none knows them. */
export function findingsOf(
  shape: RowShape,
  table: TableDescription | null,
  forms: readonly ColumnForm[],
): Finding[] {
  return shape.columns.flatMap((column, index): Finding[] => {
    const found: Finding[] = [];
    const affinity = table && affinityIn(table, column);
    const problem = affinity ? lossOf(column, forms[index]?.columnType, affinity) : null;
    if (problem) {
      const help =
        'Give the column of the D1 table the type that docs/types.md names, or choose another form with `store`.';
      found.push({ code: 'COLUMN_TYPE', severity: 'warning', column: column.name, message: problem, help });
    }
    if (column.type === 'other') {
      const message = `${column.nativeType} has no form of its own and is stored as its text.`;
      found.push({
        code: 'TYPE_UNKNOWN',
        severity: 'info',
        column: column.name,
        message,
        help: 'Nothing is lost; check that its readers expect the text.',
      });
    }
    return found;
  });
}

function lossOf(
  { type }: ColumnDescriptor,
  stored: ColumnForm['columnType'] | undefined,
  affinity: Affinity,
): string | null {
  const numeric = affinity === 'INTEGER' || affinity === 'REAL' || affinity === 'NUMERIC';
  if (stored === 'TEXT' && numeric && numberLike.has(type)) {
    return 'The D1 column makes numbers of texts that look like them: 12.50 becomes 12.5, 007 becomes 7, and long digits are rounded.';
  }
  if (stored === 'REAL' && affinity === 'TEXT')
    return 'The D1 column makes texts of floats, and keeps 15 of their digits.';
  if (stored === 'INTEGER' && affinity === 'REAL' && type === 'integer') {
    return 'The D1 column makes floats of integers: past 2^53 they are rounded.';
  }
  return null;
}
