import { type RawBuilder, sql } from 'kysely';
import type { RowShape } from '../../contract/index.ts';
import { type ColumnForm, identifiers, isRowId, keyFormsOf } from '../values/types.ts';
import { primaryKeyOf, type TableOptions } from './table.ts';

/** What a new table gets of the source's schema, as SQL. */
export interface TableExtras extends TableOptions {
  readonly defaults: ReadonlyMap<string, string>;
  readonly constraints: readonly string[];
}

/** The statement that makes a table for the rows: the source's names, the key as primary key where all of it travels. */
export function createTableStatement(
  table: string,
  shape: RowShape,
  forms: readonly ColumnForm[],
  { defaults, constraints, strict, withoutRowid }: TableExtras,
): RawBuilder<unknown> {
  const key = primaryKeyOf(shape);
  const single = key.length === 1 ? key[0] : undefined;
  const definitions = shape.columns.map(({ name, nullable }, index) => {
    const primary = name === single?.name ? sql` PRIMARY KEY` : sql``;
    const notNull = nullable ? sql`` : sql` NOT NULL`;
    const value = defaults.get(name);
    const byDefault = value === undefined ? sql`` : sql` DEFAULT ${sql.raw(value)}`;
    return sql`${sql.id(name)} ${sql.raw(forms[index]?.columnType ?? 'TEXT')}${notNull}${byDefault}${primary}`;
  });
  if (key.length > 1) definitions.push(sql`PRIMARY KEY (${sql.join(identifiers(key))})`);
  definitions.push(...constraints.map((constraint) => sql.raw(constraint)));
  const options = [...(strict ? ['STRICT'] : []), ...(withoutRowid ? ['WITHOUT ROWID'] : [])].join(', ');
  return sql`CREATE TABLE IF NOT EXISTS ${sql.id(table)} (${sql.join(definitions)})${sql.raw(options === '' ? '' : ` ${options}`)}`;
}

/** Index entries beside the row in a table that the sink makes. */
export function indexesOfNew(
  shape: RowShape,
  forms: readonly ColumnForm[],
  { withoutRowid = false }: TableOptions,
): number {
  const keyForms = keyFormsOf(shape, forms);
  const hasKey = shape.key.length > 0 && keyForms.length === shape.key.length;
  return hasKey && !isRowId(keyForms) && !withoutRowid ? 1 : 0;
}
