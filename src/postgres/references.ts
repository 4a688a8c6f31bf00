import { sql } from 'kysely';
import type { PgQueryRunner } from './client.ts';
import type { TableDescription } from './describe.ts';

/**
 * The tables that a table's foreign keys refer to, by their identity. A key whose columns do not all travel is none in the sink, and
 * references of a table to itself say nothing of its place.
 *
 * Where a partitioned table is referred to its rows may travel by its partitions, and the other way round: all are named. It has the
 * foreign keys of its partitions too.
 */
export async function readReferences(
  query: PgQueryRunner,
  { database, schema, table, columns }: Pick<TableDescription, 'database' | 'schema' | 'table' | 'columns'>,
): Promise<string[]> {
  const rows = await query(sql`
    WITH named AS (
      SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = ${schema} AND c.relname = ${table}
    ), own AS (
      SELECT oid FROM named UNION SELECT tree.relid FROM named, pg_partition_tree(named.oid) AS tree
    ), foreign_keys AS (
      SELECT f.confrelid, (
        SELECT json_agg(a.attname)::text FROM pg_attribute AS a WHERE a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey)
      ) AS columns
      FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conrelid IN (SELECT oid FROM own)
    ), referred AS (
      SELECT confrelid AS oid, columns FROM foreign_keys
      UNION SELECT tree.relid, columns FROM foreign_keys, pg_partition_tree(confrelid) AS tree
      UNION SELECT above.relid, columns FROM foreign_keys, pg_partition_ancestors(confrelid) AS above
    )
    SELECT n.nspname::text AS c0, c.relname::text AS c1, referred.columns AS c2
    FROM referred JOIN pg_class AS c ON c.oid = referred.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE referred.oid NOT IN (SELECT oid FROM own)
    ORDER BY 1, 2`);
  const travels = new Set(columns.map(({ source }) => source));
  const found = rows
    .filter(([, , names]) => (JSON.parse(names ?? '[]') as string[]).every((name) => travels.has(name)))
    .map(([namespace, name]) => `PostgreSQL ${database}.${namespace ?? ''}.${name ?? ''}`);
  return [...new Set(found)];
}
