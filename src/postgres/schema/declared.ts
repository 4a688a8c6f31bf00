import { sql } from 'kysely';
import type { CallContext, Finding, TableSchema } from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import type { PgQueryRunner, PgTransactions } from '../client.ts';
import type { TableDescription } from '../describe.ts';
import { readFindings } from '../findings.ts';
import { type ConstantDefault, ownNamesOnly, readSchema } from './schema.ts';
import { selected } from '../types/types.ts';

/** What the catalog declares of a table beyond its columns' types, and what the plan should say of it. */
export async function readDeclared(
  transactions: PgTransactions,
  table: TableDescription,
  context?: CallContext,
): Promise<{ readonly schema: TableSchema; readonly findings: readonly Finding[] }> {
  const { findings, schema, constants } = await transactions.run(
    async (query) => ({ findings: await readFindings(query, table), ...(await readSchema(query, table)) }),
    context,
  );
  const values =
    constants.length === 0
      ? []
      : await transactions
          .run((query) => readConstants(query, constants, table, transactions.rawText), context)
          // A default that its own column does not take fails at every insert there, and means nothing here.
          .catch((error: unknown) => {
            if (isMigratorError(error) && error.code === 'SOURCE_FAILED' && !error.retryable) return null;
            throw error;
          });
  const columns = schema.columns.map((column) => {
    const at = constants.findIndex((constant) => constant.column === column.name);
    if (at < 0 || !column.default) return column;
    const type = table.columns.find(({ name }) => name === column.name)?.type ?? 'other';
    const value = values?.[at];
    const meaning = value === undefined ? null : ({ kind: 'literal', type, value } as const);
    return { ...column, default: { ...column.default, meaning } };
  });
  return { schema: { ...schema, columns }, findings };
}

/** What each constant is once it stands in its column: with the scale, the blanks and the precision of its type. */
async function readConstants(
  query: PgQueryRunner,
  constants: readonly ConstantDefault[],
  { columns }: TableDescription,
  raw: boolean,
): Promise<readonly (string | null)[]> {
  await ownNamesOnly(query);
  const codecs = constants.map(({ source }) => columns.find((column) => column.source === source)?.codec);
  const values = constants.map(({ expression, type }, index) => {
    const value = sql`CAST(${sql.raw(expression)} AS ${sql.raw(type)})`;
    const codec = codecs[index];
    return sql`${codec ? selected(value, codec, raw) : value} AS ${sql.id(`c${index}`)}`;
  });
  const [row = []] = await query(sql`SELECT ${sql.join(values)}`);
  return row.map((value, index) => (value === null ? null : (codecs[index]?.canonical?.(value) ?? value)));
}
