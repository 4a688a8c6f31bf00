import { sql } from 'kysely';
import type {
  CheckSchema,
  ColumnSchema,
  ForeignKeyAction,
  ForeignKeySchema,
  OtherSchema,
  TableSchema,
} from '../../contract/index.ts';
import type { PgQueryRunner } from '../client.ts';
import type { TableDescription } from '../describe.ts';
import { meaningOf } from './expressions.ts';
import { type CatalogColumn, expressionOf, readColumns, travellingNames } from './schema-columns.ts';
import { readIndexes } from './schema-indexes.ts';

/** A default that the source would write as a constant: it is computed by PostgreSQL, in the column's own type. */
export interface ConstantDefault {
  readonly column: string;
  /** The column's name in PostgreSQL. */
  readonly source: string;
  /** The expression, and the type that its value gets. Both are PostgreSQL's own texts. */
  readonly expression: string;
  readonly type: string;
}

/** For the rest of the transaction a name without a schema is PostgreSQL's own, whatever the host's search path holds. */
export async function ownNamesOnly(query: PgQueryRunner): Promise<void> {
  await query(
    sql`SELECT set_config('search_path', 'pg_catalog, pg_temp', true) AS c0, set_config('standard_conforming_strings', 'on', true) AS c1`,
  );
}

/**
 * What a table declares beyond its columns' types, under the names by which the columns travel. Views have nothing but
 * the indexes of a materialized view.
 */
export async function readSchema(
  query: PgQueryRunner,
  table: TableDescription,
): Promise<{ readonly schema: TableSchema; readonly constants: readonly ConstantDefault[] }> {
  await ownNamesOnly(query);
  const columns = await readColumns(query, table);
  const isTable = table.kind === 'r' || table.kind === 'p';
  const { indexes, others } = await readIndexes(query, table, columns);
  if (!isTable)
    return { schema: { columns: [], indexes, checks: [], foreignKeys: [], others }, constants: [] };
  const constraints = await readConstraints(query, table, columns);
  const described = columns.filter(({ travels }) => travels).map(columnSchema(columns));
  const constants = columns.flatMap((column): ConstantDefault[] => {
    const value = described.find(({ name }) => name === column.name)?.default;
    if (!column.travels || value?.meaning?.kind !== 'literal') return [];
    const { name, source, declared } = column;
    return [{ column: name, source, expression: value.text, type: declared }];
  });
  return {
    schema: {
      columns: described.filter((column) => column.counted || column.default || column.generated),
      indexes,
      checks: constraints.checks,
      foreignKeys: constraints.foreignKeys,
      others: [...others, ...constraints.others, ...(await readOthers(query, table))],
    },
    constants,
  };
}

function columnSchema(columns: readonly CatalogColumn[]): (column: CatalogColumn) => ColumnSchema {
  return ({ name, type, declared, identity, generated, expression }) => {
    const counted = identity || (!generated && /^nextval\('.*'::regclass\)$/.test(expression ?? ''));
    if (counted || expression === null) return { name, default: null, generated: null, counted };
    if (generated) return { name, default: null, generated: expressionOf(expression, columns), counted };
    const parsed = meaningOf(expression, columns);
    // The cast to the column's own type is not shown: a constant is computed, and the clock must fit as it is.
    const known = parsed?.meaning.kind === 'literal' || (parsed?.type === type && type === declared);
    return {
      name,
      default: { text: expression, meaning: known ? parsed.meaning : null },
      generated: null,
      counted,
    };
  };
}

interface Constraints {
  readonly checks: readonly CheckSchema[];
  readonly foreignKeys: readonly ForeignKeySchema[];
  readonly others: readonly OtherSchema[];
}

const actions: Readonly<Record<string, ForeignKeyAction>> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
};

async function readConstraints(
  query: PgQueryRunner,
  table: TableDescription,
  columns: readonly CatalogColumn[],
): Promise<Constraints> {
  // Where a partitioned table is referred to, the catalog has a foreign key for each of its partitions beside its own.
  const rows = await query(sql`
    SELECT c.contype::text AS c0, c.conname::text AS c1, pg_get_constraintdef(c.oid) AS c2,
      pg_get_expr(c.conbin, c.conrelid) AS c3, (c.convalidated AND coalesce(to_jsonb(c)->>'conenforced', 'true') = 'true')::text AS c4,
      (SELECT json_agg(a.attname ORDER BY k.place)::text FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) AS c5,
      (SELECT json_agg(a.attname ORDER BY k.place)::text FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum) AS c6,
      n.nspname::text AS c7, r.relname::text AS c8, c.confdeltype::text AS c9, c.confupdtype::text AS c10,
      c.condeferred::text AS c11, (c.confrelid = c.conrelid)::text AS c12,
      (c.confmatchtype = 'f' AND cardinality(c.conkey) > 1 OR to_jsonb(c)->>'confdelsetcols' IS NOT NULL
        OR coalesce(to_jsonb(c)->>'conperiod', 'false') = 'true')::text AS c13
    FROM pg_constraint AS c LEFT JOIN pg_class AS r ON r.oid = c.confrelid LEFT JOIN pg_namespace AS n ON n.oid = r.relnamespace
    WHERE c.conrelid = CAST(${table.oid} AS oid) AND c.contype IN ('c', 'f', 'x')
      AND NOT EXISTS (SELECT FROM pg_constraint AS above WHERE above.oid = c.conparentid AND above.conrelid = c.conrelid)
    ORDER BY c.conname`);
  const checks: CheckSchema[] = [];
  const foreignKeys: ForeignKeySchema[] = [];
  const others: OtherSchema[] = [];
  const kinds: Readonly<Record<string, string>> = {
    c: 'check constraint',
    f: 'foreign key',
    x: 'exclusion constraint',
  };
  for (const row of rows) {
    const [
      contype = '',
      name = '',
      text = '',
      expression = '',
      valid,
      own,
      theirs,
      namespace = '',
      referred = '',
    ] = row.map((value) => value ?? '');
    const [onDelete = '', onUpdate = '', deferred, toItself, special] = row
      .slice(9)
      .map((value) => value ?? '');
    const names = travellingNames(own === '' ? '[]' : (own ?? '[]'), columns);
    if (valid !== 'true' || names === null || contype === 'x' || special === 'true') {
      others.push({ kind: kinds[contype] ?? contype, name, text });
    } else if (contype === 'c') {
      checks.push({ name, expression: expressionOf(expression, columns, 'boolean') });
    } else {
      foreignKeys.push({
        name,
        columns: names,
        references: {
          table: referred,
          identity: `PostgreSQL ${table.database}.${namespace}.${referred}`,
          columns: JSON.parse(theirs ?? '[]') as string[],
        },
        onDelete: actions[onDelete] ?? 'no action',
        onUpdate: actions[onUpdate] ?? 'no action',
        deferred: deferred === 'true',
        toItself: toItself === 'true',
        text,
      });
    }
  }
  return {
    checks: [...checks, ...(await readDomainChecks(query, table, columns, others))],
    foreignKeys,
    others,
  };
}

/** What the domains of the columns demand of their values. */
async function readDomainChecks(
  query: PgQueryRunner,
  table: TableDescription,
  columns: readonly CatalogColumn[],
  others: OtherSchema[],
): Promise<CheckSchema[]> {
  const rows = await query(sql`
    WITH RECURSIVE below AS (
      SELECT a.attnum, a.attname, a.atttypid AS oid FROM pg_attribute AS a
      WHERE a.attrelid = CAST(${table.oid} AS oid) AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT below.attnum, below.attname, t.typbasetype FROM below JOIN pg_type AS t ON t.oid = below.oid WHERE t.typtype = 'd'
    )
    SELECT below.attname::text AS c0, c.conname::text AS c1, pg_get_expr(c.conbin, 0) AS c2, c.convalidated::text AS c3,
      pg_get_constraintdef(c.oid) AS c4
    FROM below JOIN pg_constraint AS c ON c.contypid = below.oid AND c.contype = 'c' ORDER BY below.attnum, c.conname`);
  return rows.flatMap((row) => {
    const [source = '', name = '', expression = '', valid, text = ''] = row.map((value) => value ?? '');
    const column = columns.find((one) => one.source === source);
    if (!column?.travels) return [];
    if (valid === 'true')
      return [{ name, expression: expressionOf(expression, [{ ...column, source: 'VALUE' }], 'boolean') }];
    others.push({ kind: 'check constraint', name, text });
    return [];
  });
}

async function readOthers(query: PgQueryRunner, table: TableDescription): Promise<OtherSchema[]> {
  const rows = await query(sql`
    SELECT 'trigger' AS c0, tgname::text AS c1, pg_get_triggerdef(oid) AS c2 FROM pg_trigger
    WHERE tgrelid = CAST(${table.oid} AS oid) AND NOT tgisinternal
    UNION ALL
    SELECT 'rule', rulename::text, pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = CAST(${table.oid} AS oid) AND rulename <> '_RETURN'
    UNION ALL
    SELECT 'row security policy', polname::text, coalesce('USING ' || pg_get_expr(polqual, polrelid), '')
    FROM pg_policy WHERE polrelid = CAST(${table.oid} AS oid)
    ORDER BY 1, 2`);
  return rows.map(([kind, name, text]) => ({ kind: kind ?? '', name: name ?? '', text: text ?? '' }));
}
