import type { Expression, LogicalType, Operator } from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import type { StoredForm } from '../values/forms.ts';
import type { ColumnForm } from '../values/types.ts';

/** How a column is stored, for expressions over it. */
export interface StoredColumn {
  readonly type: LogicalType;
  readonly nativeType: string;
  /** Undefined: the default of its type. */
  readonly stored: StoredForm | undefined;
  readonly form: ColumnForm;
}

/** The columns of the rows, by name. */
export type StoredColumns = ReadonlyMap<string, StoredColumn>;

/** Why an expression has no form in SQLite that means the same over the stored values. */
export class NotTranslated extends Error {}

/** @throws NotTranslated */
export function refuse(reason: string): never {
  throw new NotTranslated(reason);
}

/** @throws NotTranslated */
export function refuseUnknown(what: string): never {
  refuse(`${what} has no form in SQLite that is known to mean the same`);
}

/** What a value of an expression is compared as. */
type Side = Pick<StoredColumn, 'type' | 'nativeType' | 'stored'> & {
  readonly form: Pick<ColumnForm, 'encode' | 'read' | 'columnType'>;
};

/** What `length` gives. */
const count: Side = {
  type: 'integer',
  nativeType: 'integer',
  stored: undefined,
  form: { encode: (value) => value, read: 'value', columnType: 'INTEGER' },
};

/**
 * A condition in SQLite's words that is true, false and unknown for the stored values where the source's is for its own.
 *
 * @throws NotTranslated where there is none.
 */
export function conditionOf(expression: Expression, columns: StoredColumns): string {
  if (expression.kind === 'operation') return operationOf(expression, columns);
  if (expression.kind === 'literal' && (expression.type === 'boolean' || expression.value === null))
    return expression.value === null ? 'NULL' : expression.value === 'true' ? '1' : '0';
  if (expression.kind === 'column') {
    const { type, stored } = columnOf(expression.name, columns);
    if (type === 'boolean' && stored === undefined) return quoteName(expression.name);
  }
  return refuse('a value is used as a condition');
}

/** A value of the stored rows: a part of an index. */
export function valueOf(expression: Expression, columns: StoredColumns): string {
  return valueAs(expression, sideOf(expression, columns), columns);
}

/** Whether two values of this expression are equal in SQLite exactly where they are in the source. */
export function keepsEquality(expression: Expression, columns: StoredColumns): boolean {
  const side = sideOf(expression, columns);
  if (side === null) return false;
  if (comparisonOf(side) !== null) return true;
  // A declared scale gives equal numbers equal digits.
  const hasScale = side.type === 'decimal' && /^numeric\(\d+,\d+\)$/.test(side.nativeType);
  return hasScale && expression.kind === 'column' && side.form.columnType === 'TEXT';
}

/** A name as SQLite reads it, whatever is in it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A constant in the form in which a column stores it. */
export function constantOf(value: string, { form }: Pick<Side, 'form'>): string {
  const encoded = encode(value, form);
  if (encoded.startsWith('[')) {
    const [mantissa, power] = JSON.parse(encoded) as number[];
    return `(${String(mantissa)} * pow(2.0, ${String(power)}))`;
  }
  if (!encoded.startsWith('"')) return encoded;
  const text = JSON.parse(encoded) as string;
  if (form.read === 'unhex') return `X'${text}'`;
  // SQLite's text of a statement ends at a NUL.
  if (text.includes('\0')) refuse('its text has a NUL character');
  return `'${text.replaceAll("'", "''")}'`;
}

function encode(value: string, form: Side['form']): string {
  try {
    return form.encode(value);
  } catch (error) {
    if (!isMigratorError(error)) throw error;
    return refuse(`its column has no form for ${value}`);
  }
}

function operationOf(
  { operator, operands }: Expression & { readonly kind: 'operation' },
  columns: StoredColumns,
): string {
  switch (operator) {
    case 'and':
    case 'or':
      return balanced(
        operands.map((one) => conditionOf(one, columns)),
        operator.toUpperCase(),
      );
    case 'not':
      return `(NOT ${operands.map((one) => conditionOf(one, columns)).join('')})`;
    case 'is null':
    case 'is not null':
      return `(${operands.map((one) => nullable(one, columns)).join('')} ${operator.toUpperCase()})`;
    default:
      return comparison(operator, operands, columns);
  }
}

/** A tree of even depth: D1 refuses an expression that is deeper than 100. */
function balanced(conditions: readonly string[], operator: string): string {
  if (conditions.length < 2) return conditions.join('');
  const middle = Math.ceil(conditions.length / 2);
  const halves = [conditions.slice(0, middle), conditions.slice(middle)];
  return `(${halves.map((half) => balanced(half, operator)).join(` ${operator} `)})`;
}

function nullable(expression: Expression, columns: StoredColumns): string {
  const side = sideOf(expression, columns);
  if (side === null || !keepsNulls(side)) refuse('its column stores some values as null');
  return valueAs(expression, side, columns);
}

function comparison(operator: Operator, operands: readonly Expression[], columns: StoredColumns): string {
  const sides = operands.map((one) => sideOf(one, columns)).filter((side) => side !== null);
  const [side] = sides;
  if (!side) refuse('it compares constants');
  if (sides.some((other) => !isAlike(side, other))) refuse('its columns are stored in different forms');
  const kind = comparisonOf(side);
  const values = operands.map((one) => valueAs(one, side, columns));
  const [left = '', ...rest] = values;
  if (kind === null)
    refuse(`${side.nativeType} is not compared by its value in the form in which it is stored`);
  if (operator === 'in') return `(${left} IN (${rest.join(', ')}))`;
  if (kind === 'ordered' || operator === '=' || operator === '<>') return `(${values.join(` ${operator} `)})`;
  if (kind === 'equal') refuse(`D1 has another order for ${side.nativeType}`);
  return momentOrder(operator, left, operands, side);
}

/**
 * Compares a moment kept as ISO 8601 with a constant of a year with four digits: as texts, but for later years, which
 * begin with a plus sign. Without its Z a fraction of a second comes after the whole one.
 */
function momentOrder(
  operator: Operator,
  left: string,
  operands: readonly Expression[],
  { type }: Side,
): string {
  const constant = operands[1];
  if (operands[0]?.kind !== 'column' || constant?.kind !== 'literal')
    refuse(`texts of two moments are not ordered as they are; store them as epochs`);
  if (constant.value === null) return 'NULL';
  if (!/^\d{4}-/.test(constant.value)) refuse('years outside of 0 to 9999 are not ordered as texts');
  const [value, text] =
    type === 'timestamptz'
      ? [`rtrim(${left}, 'Z')`, constant.value.replace(/Z$/, '')]
      : [left, constant.value];
  return operator.startsWith('<')
    ? `(${value} ${operator} '${text}' AND ${left} NOT GLOB '+*')`
    : `(${value} ${operator} '${text}' OR ${left} GLOB '+*')`;
}

/** How a stored form is compared: by its order too, by equality alone, as the text of a moment, or not at all. */
function comparisonOf({ type, stored }: Side): 'ordered' | 'equal' | 'moment' | null {
  const isDefault = stored === undefined;
  switch (type) {
    case 'integer':
    case 'boolean':
      return isDefault ? 'ordered' : 'equal';
    case 'float':
      return stored === 'text' || !keepsNulls({ type, stored }) || keepsTexts(stored) ? null : 'ordered';
    case 'decimal':
      return typeof stored === 'object' ? 'ordered' : null;
    case 'bytes':
    case 'uuid':
    case 'time':
      return 'ordered';
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      if (isDefault || stored === 'text') return 'moment';
      return typeof stored === 'object' ? null : 'ordered';
    case 'text':
      return 'equal';
    default:
      return null;
  }
}

/** False: values that are not null are stored as nulls. */
function keepsNulls({ stored }: Pick<Side, 'type' | 'stored'>): boolean {
  return !(typeof stored === 'object' && Object.values(stored).includes('null'));
}

function keepsTexts(stored: StoredForm | undefined): boolean {
  return typeof stored === 'object' && Object.values(stored).includes('text');
}

function isAlike(a: Side, b: Side): boolean {
  return a.type === b.type && JSON.stringify(a.stored) === JSON.stringify(b.stored);
}

/** What a value is stored as; null for a constant, which is written in the form of what it is compared with. */
function sideOf(expression: Expression, columns: StoredColumns): Side | null {
  if (expression.kind === 'column') return columnOf(expression.name, columns);
  if (expression.kind === 'literal') return null;
  if (expression.kind === 'operation') refuse('a condition is used as a value');
  if (expression.function === 'length') return count;
  if (expression.function === 'now') refuse('it depends on the time');
  const sides = expression.operands.map((one) => sideOf(one, columns)).filter((side) => side !== null);
  const [side] = sides;
  if (!side || sides.some((other) => !isAlike(side, other)))
    refuse('its columns are stored in different forms');
  return side;
}

function valueAs(expression: Expression, side: Side | null, columns: StoredColumns): string {
  switch (expression.kind) {
    case 'column':
      return quoteName(expression.name);
    case 'literal':
      if (expression.value === null) return 'NULL';
      if (side?.type !== expression.type) refuse('it compares different types');
      return comparedConstant(expression.value, side);
    case 'call':
      return callOf(expression, side, columns);
    default:
      return refuse('a condition is used as a value');
  }
}

/** A float that has to be made of mantissa and exponent is none that every endpoint compares alike. */
function comparedConstant(value: string, side: Side): string {
  if (side.type === 'float' && side.form.columnType === 'REAL' && Number.isSafeInteger(Number(value)))
    return String(Number(value));
  const constant = constantOf(value, side);
  if (constant.includes('pow(')) refuse(`${value} has no digits that D1 reads exactly`);
  return constant;
}

function callOf(
  { function: name, operands }: Expression & { readonly kind: 'call' },
  side: Side | null,
  columns: StoredColumns,
): string {
  const [operand] = operands;
  if (name === 'length') {
    const inner = operand && sideOf(operand, columns);
    if (!operand || inner?.type !== 'text') refuse('it is the length of something that is no text');
    return `length(${valueAs(operand, inner, columns)})`;
  }
  if (
    name === 'abs' &&
    !(side && ['integer', 'float', 'decimal'].includes(side.type) && comparisonOf(side) === 'ordered')
  )
    refuse('its column does not store a number');
  return `${name}(${operands.map((one) => valueAs(one, side, columns)).join(', ')})`;
}

function columnOf(name: string, columns: StoredColumns): StoredColumn {
  const column = columns.get(name);
  if (!column) refuse(`the column ${name} is not copied`);
  return column;
}
