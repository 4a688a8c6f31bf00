import { sql } from 'kysely';
import type { Finding } from '../contract/index.ts';
import type { PgQueryRunner } from './client.ts';
import type { TableDescription } from './describe.ts';

/** What the plan should say of a table: what its types lose in transit, and rows that may be hidden or doubled. */
export async function readFindings(query: PgQueryRunner, table: TableDescription): Promise<Finding[]> {
  const findings = table.columns.flatMap(({ name, nativeType, lost }): Finding[] =>
    lost === null
      ? []
      : [
          {
            code: 'TYPE_LOSS',
            severity: 'info',
            column: name,
            message: `What ${nativeType} has beside its values does not travel: ${lost}.`,
            help: 'The values arrive exact; see docs/types.md.',
          },
        ],
  );
  const [row] = await query(sql`SELECT row_security_active(CAST(${table.oid} AS oid))::text`);
  if (row?.[0] === 'true') {
    findings.push({
      code: 'ROWS_HIDDEN',
      severity: 'warning',
      column: null,
      message: `Row-level security of ${table.schema}.${table.table} applies to the connected user, so rows may be hidden.`,
      help: 'Connect as the owner of the table or as a role with BYPASSRLS to copy every row.',
    });
  }
  if (table.hasChildren) {
    findings.push({
      code: 'KEY_NOT_UNIQUE_OVER_CHILDREN',
      severity: 'warning',
      column: null,
      message: `Tables inherit from ${table.schema}.${table.table}: their rows are copied too, and its key is not unique over them.`,
      help: 'No key occurs twice now. Copy the tables one by one where that may change.',
    });
  }
  return findings;
}
