import type { SQLInputValue } from 'node:sqlite';
import type { Key, KeyRange, SinkVerifier } from 'resumable-migrator';
import { type SqliteDatabase, type SqliteRow, step } from './sqlite-database.ts';
import type { SqliteBatch } from './sqlite-sink.ts';
import type { SqliteColumn } from './sqlite-values.ts';

const mostExtra = 1_000;

/** What finds the rows of a range, in the order of SQLite. */
export function rangeCondition(
  key: readonly SqliteColumn[],
  { lower, upper }: KeyRange,
): { readonly condition: string; readonly values: readonly SQLInputValue[] } {
  const start = lower && `${tuple(key)} ${lower.inclusive ? '>=' : '>'} ${places(key)} AND `;
  return {
    condition: `${start ?? ''}${tuple(key)} <= ${places(key)}`,
    values: [...(lower ? encoded(key, lower.key) : []), ...encoded(key, upper)],
  };
}

/** Compares, lists and deletes rows by their key. */
export function sqliteVerifier(
  database: SqliteDatabase,
  table: string,
  columns: readonly SqliteColumn[],
  key: readonly SqliteColumn[],
): SinkVerifier<SqliteBatch> {
  const keyTexts = key.map(({ text }, index) => `${text} AS k${index}`).join(', ');
  const keyOf = (row: SqliteRow): Key => key.map((_column, index) => String(row[`k${index}`]));
  const indexes = key.map(({ name }) => columns.findIndex((column) => column.name === name));
  // Byte by byte, whatever collation the column has.
  const differs = columns.map(({ sql }, index) => `${sql} COLLATE BINARY IS NOT ? AS d${index}`).join(', ');
  const oneRow = `SELECT ${differs}, ${keyTexts} FROM ${table} WHERE ${tuple(key)} = ${places(key)}`;

  const extraKeys = (span: KeyRange, known: ReadonlySet<string>): Key[] => {
    const { condition, values } = rangeCondition(key, span);
    const limit = mostExtra + known.size;
    return database
      .rows(`SELECT ${keyTexts} FROM ${table} WHERE ${condition} LIMIT ${limit}`, ...values)
      .map(keyOf)
      .filter((one) => !known.has(JSON.stringify(one)))
      .slice(0, mostExtra);
  };

  return {
    compare: (batch, span, context) =>
      step(context, () => {
        const missing: number[] = [];
        const different: { row: number; columns: string[] }[] = [];
        const known = new Set<string>();
        for (const [row, values] of batch.values.entries()) {
          const [found] = database.rows(oneRow, ...values, ...indexes.map((index) => values[index] ?? null));
          if (found) known.add(JSON.stringify(keyOf(found)));
          const names = columns
            .filter((_column, index) => found?.[`d${index}`] === 1)
            .map(({ name }) => name);
          if (!found) missing.push(row);
          else if (names.length > 0) different.push({ row, columns: names });
        }
        const ordered = key.every((column) => column.ordered);
        return { missing, different, extra: span === null ? [] : ordered ? extraKeys(span, known) : null };
      }),
    keys: (after, limit, context) =>
      step(context, () => {
        const where = after ? `WHERE ${tuple(key)} > ${places(key)}` : '';
        const order = key.map(({ sql }) => sql).join(', ');
        return database
          .rows(
            `SELECT ${keyTexts} FROM ${table} ${where} ORDER BY ${order} LIMIT ${limit}`,
            ...(after ? encoded(key, after) : []),
          )
          .map(keyOf);
      }),
    delete: (keys, context) =>
      step(context, () =>
        database.transaction(() =>
          database.run(
            `DELETE FROM ${table} WHERE ${tuple(key)} = ${places(key)}`,
            keys.map((one) => encoded(key, one)),
          ),
        ),
      ),
  };
}

function encoded(key: readonly SqliteColumn[], values: Key): SQLInputValue[] {
  return key.map(({ encode }, index) => encode(values[index] ?? ''));
}

function tuple(key: readonly SqliteColumn[]): string {
  return `(${key.map(({ sql }) => sql).join(', ')})`;
}

function places(key: readonly SqliteColumn[]): string {
  return `(${key.map(() => '?').join(', ')})`;
}
