import { sql } from 'kysely';
import type { Finding } from '../contract/index.ts';
import type { PgQueryRunner } from './client.ts';
import type { TableDescription } from './describe.ts';
import { keyOrder } from './fragments.ts';

/** What paging along the key depends on, and what the plan should tell of it. */
export interface KeyFacts {
  /** The order of text keys. Enters the fingerprint: ranges are stretches of this order. */
  readonly settings: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
}

/** Tables of no more rows are sorted in no time, whether an index helps or not. */
const sortedAtOnce = 20_000;

/** Tables of no more rows are counted, so nothing depends on statistics. */
const countedRows = 100_000;

/**
 * Reads the collations of the key, whether an index serves its order, and whether there are statistics.
 *
 * @param brief - true: without findings.
 */
export async function readKeyFacts(
  query: PgQueryRunner,
  table: TableDescription,
  brief: boolean,
): Promise<KeyFacts> {
  const collations = await readCollations(query, table);
  const nondeterministic = collations.filter(({ deterministic }) => !deterministic);
  return {
    settings:
      collations.length === 0
        ? {}
        : { keyOrder: collations.map(({ column, order }) => `${column} ${order}`).join(', ') },
    findings: brief
      ? []
      : [
          ...(await readIndexFindings(query, table)),
          ...(await readStatisticsFindings(query, table)),
          ...nondeterministic.map(({ column, name }): Finding => ({
            code: 'KEY_COLLATION',
            severity: 'warning',
            column,
            message: `For ${name} texts that differ in their bytes can be equal; the sink takes them for different keys.`,
            help: 'Every row is copied. A key that is changed at the source into an equal one after it was copied becomes a second row in the sink: repair({ mode: "full" }) finds and deletes the first.',
          })),
        ],
  };
}

interface KeyCollation {
  /** The name by which the column travels. */
  readonly column: string;
  readonly name: string;
  /** Name, provider, locale and version of the library that orders the texts. */
  readonly order: string;
  readonly deterministic: boolean;
}

/** The order of a text is that of a library, which can change with its version. */
async function readCollations(query: PgQueryRunner, table: TableDescription): Promise<KeyCollation[]> {
  const rows = await query(sql`
    SELECT a.attname::text AS c0, collation_name.full_name AS c1, c.collprovider::text AS c2, c.collisdeterministic::text AS c3,
      coalesce(to_jsonb(c)->>'colllocale', to_jsonb(c)->>'colliculocale', c.collcollate::text) AS c4,
      pg_collation_actual_version(c.oid) AS c5
    FROM pg_attribute AS a JOIN pg_collation AS c ON c.oid = a.attcollation
      JOIN pg_namespace AS n ON n.oid = c.collnamespace
      CROSS JOIN LATERAL (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname) AS full_name) AS collation_name
    WHERE a.attrelid = ${relation(table)} AND a.attname = ANY(ARRAY[${sql.join(table.key.map(({ source }) => source))}]::text[])`);
  const byColumn = new Map(rows.map((row) => [row[0], row]));
  const database = rows.some((row) => row[2] === 'd') ? await readDatabaseCollation(query) : [];
  return table.key.flatMap(({ name: column, source }) => {
    const row = byColumn.get(source);
    if (!row) return [];
    const [, name, provider, deterministic, ...own] = row;
    const order = provider === 'd' ? database : [providers[provider ?? ''] ?? provider, ...own];
    const shown = order.filter((part) => part !== null && part !== undefined && part !== '').join(' ');
    return [
      {
        column,
        name: name ?? '',
        order: `${name ?? ''} (${shown})`,
        deterministic: deterministic === 'true',
      },
    ];
  });
}

const providers: Readonly<Record<string, string>> = { b: 'builtin', c: 'libc', i: 'icu' };

/** Provider, locale and version of the database's own order. PostgreSQL tells its version since 15. */
async function readDatabaseCollation(query: PgQueryRunner): Promise<readonly (string | null | undefined)[]> {
  const [known] = await query(
    sql`SELECT to_regproc('pg_catalog.pg_database_collation_actual_version')::text AS c0`,
  );
  const version = known?.[0] ? sql`pg_database_collation_actual_version(d.oid)` : sql`NULL::text`;
  const [row] = await query(sql`
    SELECT coalesce(to_jsonb(d)->>'datlocprovider', 'c') AS c0,
      coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', d.datcollate::text) AS c1, ${version} AS c2
    FROM pg_database AS d WHERE d.datname = current_database()`);
  const [provider, ...rest] = row ?? [];
  return [providers[provider ?? ''] ?? provider, ...rest];
}

/** Asks PostgreSQL how it would read a page, with sorting as the last resort: where it still sorts, no index serves. */
async function readIndexFindings(query: PgQueryRunner, table: TableDescription): Promise<Finding[]> {
  if (table.estimatedRows <= sortedAtOnce) return [];
  await query(
    sql`SELECT set_config(name, 'off', true) AS c0 FROM pg_settings WHERE name IN ('enable_sort', 'enable_incremental_sort')`,
  );
  const order = keyOrder(table);
  const [row] = await query(
    sql`EXPLAIN (FORMAT JSON) SELECT ${order} FROM ${table.from} WHERE ${table.where} ORDER BY ${order} LIMIT ${sql.lit(sortedAtOnce)}`,
  );
  // A host's driver may have parsed the JSON already.
  const explained: unknown = typeof row?.[0] === 'string' ? JSON.parse(row[0]) : row?.[0];
  const [{ Plan: root }] = explained as [{ Plan: PlanNode }];
  if (!sorts(root)) return [];
  const names = table.key.map(({ source }) => source).join(', ');
  return [
    {
      code: 'KEY_NOT_INDEXED',
      severity: 'warning',
      column: null,
      message: `No index serves the order of the key (${names}): PostgreSQL sorts about ${table.estimatedRows.toLocaleString('en')} rows for every page.`,
      help: 'Create an index on these columns in this order and in their own collations, or choose another key; behind a view, on the table below it, or copy a materialized view with an index.',
    },
  ];
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly Plans?: readonly PlanNode[];
}

function sorts(node: PlanNode): boolean {
  return node['Node Type'] === 'Sort' || (node.Plans ?? []).some(sorts);
}

async function readStatisticsFindings(query: PgQueryRunner, table: TableDescription): Promise<Finding[]> {
  if (table.estimatedRows <= countedRows) return [];
  const [row] = await query(
    sql`SELECT (reltuples < 0)::text AS c0 FROM pg_class WHERE oid = ${relation(table)} AND relkind IN ('r', 'm')`,
  );
  if (row?.[0] !== 'true') return [];
  return [
    {
      code: 'STATISTICS_MISSING',
      severity: 'info',
      column: null,
      message: 'PostgreSQL has no statistics of this table, so the number of rows is a guess by its size.',
      help: 'Run ANALYZE on the table, or ask for an exact count.',
    },
  ];
}

function relation({ schema, table }: TableDescription): ReturnType<typeof sql> {
  return sql`(SELECT r.oid FROM pg_class AS r JOIN pg_namespace AS s ON s.oid = r.relnamespace WHERE s.nspname = ${schema} AND r.relname = ${table})`;
}
