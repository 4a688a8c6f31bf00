import { type RawBuilder, sql } from 'kysely';
import type { Key } from '../../contract/index.ts';
import type { Row } from '../connection.ts';
import type { ColumnForm } from './types.ts';
import { decoderOf } from './value-decoders.ts';

/** A key as the values that are stored. */
export function keyTuple(forms: readonly ColumnForm[], key: Key): RawBuilder<unknown> {
  const values = forms.map((form, index) =>
    storedValue(form, 0, sql`${`[${form.encode(key[index] ?? '')}]`}`),
  );
  return tuple(values);
}

/** Keys as a query of the values that are stored. */
export function keyRows(forms: readonly ColumnForm[], keys: readonly Key[]): RawBuilder<unknown> {
  const rows = keys.map((key) => `[${forms.map((form, index) => form.encode(key[index] ?? '')).join(',')}]`);
  const values = forms.map((form, index) => storedValue(form, index, sql`value`));
  return sql`SELECT ${sql.join(values)} FROM json_each(${`[${rows.join(',')}]`})`;
}

/** What is selected to learn a row's key; {@link keysOf} reads it. */
export function keyTexts(forms: readonly ColumnForm[]): RawBuilder<unknown> {
  return sql.join(
    forms.map(({ name, columnType }, index) => {
      const column = sql.id(name);
      // As a number a double arrives exact; its text in SQLite has 15 digits.
      const text =
        columnType === 'BLOB'
          ? sql`lower(hex(${column}))`
          : columnType === 'REAL'
            ? column
            : sql`CAST(${column} AS TEXT)`;
      return sql`${text} AS ${sql.id(`k${index}`)}`;
    }),
  );
}

/** The keys of rows that were selected with {@link keyTexts}, in canonical text. */
export function keysOf(forms: readonly ColumnForm[], rows: readonly Row[]): Key[] {
  const decoders = forms.map(decoderOf);
  return rows.map((row) =>
    decoders.map((decode, index) => {
      const text = String(row[`k${index}`]);
      return decode ? decode(text) : text;
    }),
  );
}

export function tuple(parts: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  return parts.length === 1 && parts[0] ? parts[0] : sql`(${sql.join(parts)})`;
}

/** The value of one column of a JSON array, as it is stored. */
function storedValue({ read }: ColumnForm, index: number, row: RawBuilder<unknown>): RawBuilder<unknown> {
  const value = sql`(${row}->>${sql.lit(index)})`;
  if (read === 'unhex') return sql`unhex(${value})`;
  if (read === 'value') return value;
  const part = (place: number): RawBuilder<unknown> => sql`(${row}->>${sql.lit(`$[${index}][${place}]`)})`;
  // A plain number has no parts: the product is null then.
  return sql`coalesce(${part(0)} * pow(2.0, ${part(1)}), ${value})`;
}
