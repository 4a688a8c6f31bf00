import type { ColumnDescriptor, Finding, RowShape } from '../../contract/index.ts';
import { type Affinity, affinityIn, isNumeric } from '../values/affinity.ts';
import type { ColumnForm } from '../values/types.ts';
import { isReserved } from './names.ts';
import { primaryKeyOf, sameName, type TableColumn, type TableDescription, uniquesOf } from './table.ts';

/** Columns of a table at the most (Cloudflare's documentation, D1 limits). */
const maxColumns = 100;

/** What the plan should say of the rows' table; null: it has still to be made. */
export function tableFindings(
  table: string,
  shape: RowShape,
  description: TableDescription | null,
  forms: readonly ColumnForm[],
): Finding[] {
  return [
    ...nameFindings(table, shape),
    ...(description ? problemsOf(table, description, shape) : []),
    ...typeFindings(shape, description, forms),
  ];
}

/** What keeps a table of these columns from being made, or its rows from being written. */
function nameFindings(table: string, { columns }: RowShape): Finding[] {
  const findings: Finding[] = [];
  const refuse = (code: string, column: string | null, message: string, help: string): void => {
    findings.push({ code, severity: 'error', column, message, help });
  };
  if (isReserved(table)) {
    refuse(
      'NAME_REFUSED',
      null,
      `D1 takes no table of the name ${table}: names that begin with _cf_ or sqlite_ are its own.`,
      'Give the sink another `table`.',
    );
  }
  // SQLite's names differ without regard to ASCII case.
  const byName = Map.groupBy(columns, ({ name }) =>
    name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()),
  );
  for (const twins of byName.values()) {
    const [first, second] = twins;
    if (!first || !second) continue;
    refuse(
      'NAMES_COLLIDE',
      second.name,
      `D1 takes ${twins.map(({ name }) => name).join(' and ')} for one column: case makes no difference in its names.`,
      'Rename one of them with the `columns` option of the source.',
    );
  }
  if (columns.length > maxColumns) {
    refuse(
      'TOO_MANY_COLUMNS',
      null,
      `D1 takes ${maxColumns} columns a table, and ${columns.length} would come.`,
      'Choose fewer with the `columns` option of the source, or copy the table in two parts with the same key.',
    );
  }
  return findings;
}

/** Why a table cannot take the rows: columns are missing, or one that must be filled gets no value. And what it does with them itself. */
function problemsOf(
  table: string,
  description: TableDescription,
  { columns }: Pick<RowShape, 'columns'>,
): Finding[] {
  const find = (name: string): TableColumn | undefined =>
    description.columns.find((column) => sameName(column.name, name));
  const missing = columns.filter(({ name }) => !find(name));
  const generated = columns.filter(({ name }) => find(name)?.generated);
  const unfilled = description.columns.filter(
    (column) =>
      column.notNull &&
      !column.hasDefault &&
      !column.generated &&
      !isRowId(column, description) &&
      !columns.some(({ name }) => sameName(name, column.name)),
  );
  return [
    columnsFinding(
      missing,
      (names) =>
        `The D1 table ${table} lacks ${missing.length === 1 ? 'the column' : 'the columns'} ${names}.`,
      'Add what is missing (ALTER TABLE ... ADD COLUMN), or choose the columns of the source with its `columns` option.',
    ),
    columnsFinding(
      generated,
      (names) => `The D1 table ${table} computes ${names} itself, so no value can be written there.`,
      'Leave these columns out with the `columns` option of the source.',
    ),
    columnsFinding(
      unfilled,
      (names) => `The D1 table ${table} needs a value for ${names}, which the source does not have.`,
      'Give these columns a default, or let them be null.',
    ),
    description.triggers
      ? {
          code: 'SINK_TRIGGERS',
          severity: 'warning' as const,
          column: null,
          message: `The D1 table ${table} has triggers, which may change rows or leave them out: ${description.triggers}.`,
          help: 'Drop them until the copy is complete, unless they are for these rows too.',
        }
      : null,
  ].filter((finding) => finding !== null);
}

/** One finding for all columns that have the same problem; null where none has it. */
function columnsFinding(
  columns: readonly { readonly name: string }[],
  message: (names: string) => string,
  help: string,
): Finding | null {
  const names = columns.map(({ name }) => name);
  const [first = null] = names;
  if (first === null) return null;
  const column = names.length === 1 ? first : null;
  return {
    code: 'SINK_COLUMN_MISSING',
    severity: 'error',
    column,
    message: message(names.join(', ')),
    help,
  };
}

function isRowId(column: TableColumn, { columns }: TableDescription): boolean {
  return (
    column.type === 'INTEGER' && column.primaryKey === 1 && columns.every(({ primaryKey }) => primaryKey < 2)
  );
}

/** Types whose texts can look like numbers. */
const numberLike: ReadonlySet<ColumnDescriptor['type']> = new Set([
  'decimal',
  'text',
  'json',
  'other',
  // With a form that was asked for.
  'integer',
  'float',
  'bytes',
]);

/** Types of which two texts can differ by case alone, or by blanks at their end. */
const caseTypes: ReadonlySet<ColumnDescriptor['type']> = new Set(['text', 'json', 'array', 'other']);

/** Types of PostgreSQL whose numbers a double tells apart: none has more than 15 digits. */
const fewDigits = /^(smallint|integer|int[24]|numeric\((\d|1[0-5]),.*)$/;

/** What the types of an existing table would change, and which types are taken as their text because none knows them. */
function typeFindings(
  shape: RowShape,
  table: TableDescription | null,
  forms: readonly ColumnForm[],
): Finding[] {
  const uniques = table ? uniquesOf(table, primaryKeyOf(shape)).flat() : [];
  return shape.columns.flatMap((column, index): Finding[] => {
    const found: Finding[] = [];
    const { name, type, nativeType } = column;
    const stored = forms[index]?.columnType;
    const affinity = table && affinityIn(table, column);
    const problem = affinity ? lossOf(column, stored, affinity) : null;
    const inKey = uniques.filter((one) => sameName(one.name, name));
    if (problem) {
      const isMerging = inKey.length > 0 && !fewDigits.test(nativeType);
      found.push({
        code: 'COLUMN_TYPE',
        severity: isMerging ? 'error' : 'warning',
        column: name,
        message: isMerging ? `${problem} It is in the key: ${merging}` : problem,
        help: 'Give the column of the D1 table the type that docs/types.md names, or choose another form with `store`.',
      });
    }
    const collation = inKey.find((one) => one.collation !== 'BINARY')?.collation;
    // PostgreSQL's own type without regard to case has no two such keys.
    const isCaseless = collation === 'NOCASE' && /\bcitext$/.test(nativeType);
    if (collation !== undefined && stored === 'TEXT' && caseTypes.has(type) && !isCaseless) {
      found.push({
        code: 'SINK_KEY_COLLATION',
        severity: 'error',
        column: name,
        message: `The D1 column compares texts of the key with the collation ${collation}: ${merging}`,
        help: 'Make the column, and the unique index of the key, without COLLATE.',
      });
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

const merging = 'rows whose keys it takes for equal would overwrite each other.';

function lossOf(
  { type }: ColumnDescriptor,
  stored: ColumnForm['columnType'] | undefined,
  affinity: Affinity,
): string | null {
  if (stored === 'TEXT' && isNumeric(affinity) && numberLike.has(type)) {
    return 'The D1 column makes numbers of texts that look like them: 12.50 becomes 12.5, 007 becomes 7, and long digits are rounded.';
  }
  if (stored === 'REAL' && affinity === 'TEXT')
    return 'The D1 column makes texts of floats, and keeps 15 of their digits.';
  if (stored === 'INTEGER' && affinity === 'REAL' && type !== 'boolean') {
    return 'The D1 column makes floats of integers: past 2^53 they are rounded.';
  }
  return null;
}
