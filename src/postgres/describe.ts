import { type RawBuilder, sql } from 'kysely';
import { MigratorError, type MigratorErrorCode } from '../errors.ts';
import type { PgQueryRunner } from './client.ts';
import { codecOf, lostOf, type PostgresColumn, type TypeFacts } from './types/types.ts';

/** What the options name. */
export interface TableRequest {
  readonly schema: string | undefined;
  readonly table: string;
  readonly key: readonly string[] | undefined;
  /** Names in PostgreSQL, and the names under which they travel. */
  readonly columns: readonly (readonly [source: string, name: string])[] | undefined;
  readonly where: RawBuilder<unknown> | undefined;
}

/** A table, view or partitioned table, checked and ready to be read. */
export interface TableDescription {
  readonly oid: string;
  /** `pg_class.relkind`: `r` table, `p` partitioned, `v` view, `m` materialized view, `f` foreign. */
  readonly kind: string;
  /** True: other tables inherit from it, and its rows are theirs too. */
  readonly hasChildren: boolean;
  readonly database: string;
  readonly schema: string;
  readonly table: string;
  readonly from: RawBuilder<unknown>;
  readonly where: RawBuilder<unknown>;
  readonly columns: readonly PostgresColumn[];
  /** Every column of the table, under its own name. */
  readonly all: readonly PostgresColumn[];
  readonly key: readonly PostgresColumn[];
  readonly keyIndexes: readonly number[];
  readonly estimatedRows: number;
  readonly estimatedRowBytes: number;
  /** False: the server checks no encoding, so a text may be no UTF-8. */
  readonly isUtf8: boolean;
  /** False: no value is stored out of line, so no row can be large. Views cannot tell. */
  readonly hasLargeValues: boolean;
}

/** Up to this many rows are counted; beyond that PostgreSQL's planner estimates them. */
const countedRows = 100_000;

/**
 * The same for whoever asks in brief, where the planner has statistics of the whole table: counting reads the rows, which are
 * hundreds of megabytes in some tables. It shows whether few are left of what the statistics saw.
 */
const brieflyCountedRows = 10_000;

/** Reads the catalog, and refuses what cannot be paged by a key. */
export async function describeTable(
  query: PgQueryRunner,
  request: TableRequest,
  brief: boolean,
): Promise<TableDescription> {
  const { schema, table } = request;
  const [found] = await query(sql`
    SELECT c.oid::text, n.nspname::text, c.relkind::text, current_database()::text,
      has_any_column_privilege(c.oid, 'SELECT')::text,
      (SELECT coalesce(sum(pg_relation_size(part.reltoastrelid)), 0) FROM pg_class AS part WHERE part.reltoastrelid <> 0
        AND (part.oid = c.oid OR part.oid IN (SELECT relid FROM pg_partition_tree(c.oid) UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid)))::text,
      (c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid))::text AS children,
      current_setting('server_encoding') AS encoding, (c.reltuples > 0)::text AS analyzed
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = ${table} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND ${schema === undefined ? sql`pg_table_is_visible(c.oid)` : sql`n.nspname = ${schema}`}`);
  const shown = schema === undefined ? table : `${schema}.${table}`;
  if (!found || found[4] === 'false') {
    throw refusal(
      'SOURCE_TABLE_NOT_FOUND',
      found ? `The user may not read ${shown}.` : `The source has no table or view ${shown}.`,
      found
        ? `Grant the user SELECT on ${shown}.`
        : 'Check its name (PostgreSQL is case-sensitive here) and its schema; a table outside the search path needs the `schema` option.',
    );
  }
  const [
    oid = '',
    namespace = '',
    kind = '',
    database = '',
    ,
    largeBytes = '0',
    children,
    encoding,
    analyzed,
  ] = found.map((value) => value ?? '');
  const hasChildren = children === 'true';
  const all = await readColumns(query, oid);
  const columns = request.columns === undefined ? all : choose(all, request.columns, shown);
  const given = await chooseKey(query, { oid, shown, all, given: request.key });
  const key = given.map((column) => columns.find(({ source }) => source === column.source) ?? column);
  checkNames(columns, key);
  const from = sql`${sql.id(namespace, table)} AS source`;
  const where = request.where ?? sql`true`;
  if ((kind !== 'r' && kind !== 'p') || hasChildren)
    await checkKeyByReading(query, { from, where, key, shown });
  const isKnown = kind === 'r' && analyzed === 'true' && request.where === undefined;
  const extra = key.filter((column) => !columns.includes(column));
  const travelling = [...columns, ...extra];
  return {
    oid,
    kind,
    hasChildren,
    isUtf8: encoding !== 'SQL_ASCII',
    database,
    schema: namespace,
    table,
    from,
    where,
    columns,
    all,
    key,
    keyIndexes: key.map((column) => travelling.indexOf(column)),
    ...(await estimate(query, { from, where, columns }, brief && isKnown ? brieflyCountedRows : countedRows)),
    hasLargeValues: Number(largeBytes) > 0,
  };
}

async function readColumns(query: PgQueryRunner, oid: string): Promise<PostgresColumn[]> {
  // A domain stands for the type below it, which may be a domain again; so may the type of an array's elements. That it is NOT NULL keeps
  // no null out of a table, and a constraint that was never validated says nothing of the rows before it.
  const rows = await query(sql`
    WITH RECURSIVE below AS (
      SELECT oid AS start, oid, typtype, typbasetype FROM pg_type
      UNION ALL
      SELECT below.start, t.oid, t.typtype, t.typbasetype FROM below JOIN pg_type AS t ON t.oid = below.typbasetype WHERE below.typtype = 'd'
    ), base AS (
      SELECT below.start, t.oid, t.typname, t.typtype, n.nspname, t.typelem, t.typdelim,
        t.typoutput = 'pg_catalog.array_out'::regproc AS is_array
      FROM below JOIN pg_type AS t ON t.oid = below.oid JOIN pg_namespace AS n ON n.oid = t.typnamespace
      WHERE below.typtype <> 'd'
    )
    SELECT a.attname::text AS c0, format_type(a.atttypid, a.atttypmod) AS c1, (a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint AS c
        WHERE c.conrelid = a.attrelid AND c.contype = 'n' AND c.conkey = ARRAY[a.attnum] AND NOT c.convalidated))::text AS c2,
      base.typname::text AS t0, base.nspname::text AS t1, base.typtype::text AS t2, base.is_array::text AS t3,
      element.typname::text AS e0, element.nspname::text AS e1, element.typtype::text AS e2, element.is_array::text AS e3,
      element.typdelim::text AS e4, CASE WHEN base.oid = a.atttypid THEN format_type(a.atttypid, a.atttypmod) ELSE format_type(base.oid, -1) END AS b0, a.attnum::text AS i0, concat_ws(' ', a.atttypid, a.atttypmod, a.attcollation) AS i1
    FROM pg_attribute AS a JOIN base ON base.start = a.atttypid
      LEFT JOIN base AS element ON base.is_array AND element.start = base.typelem
    WHERE a.attrelid = CAST(${oid} AS oid) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum`);
  return rows.map((row) => {
    const [name = '', nativeType = '', notNull, ...facts] = row.map((value) => value ?? '');
    const [baseType = '', number = '', kind = ''] = facts.slice(-3);
    const type = typeFacts(facts.slice(0, -3));
    const codec = codecOf(type);
    const described = {
      name,
      source: name,
      identity: { number, kind },
      type: codec.type,
      nativeType,
      baseType,
    };
    const nullable = notNull !== 'true';
    return { ...described, nullable, codec, lost: lostOf(type) };
  });
}

function typeFacts(row: readonly string[]): TypeFacts {
  const [name = '', schema = '', kind = '', isArray, ...element] = row;
  const delimiter = element[4] ?? ',';
  return {
    name,
    schema,
    kind,
    element: isArray === 'true' ? { ...typeFacts(element.slice(0, 4)), delimiter } : null,
  };
}

async function chooseKey(
  query: PgQueryRunner,
  table: {
    readonly oid: string;
    readonly shown: string;
    readonly all: readonly PostgresColumn[];
    readonly given: readonly string[] | undefined;
  },
): Promise<PostgresColumn[]> {
  const { oid, shown, all, given } = table;
  // A column whose collation takes different texts for equal is unique by an index of the same collation alone.
  const uniques = await query(sql`
    SELECT i.indisprimary::text,
      (SELECT json_agg(a.attname ORDER BY k.place)::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts)
    FROM pg_index AS i
    WHERE i.indrelid = CAST(${oid} AS oid) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (
        SELECT FROM unnest(i.indkey::int2[], i.indcollation::oid[]) AS k(attnum, indexed_by)
          JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          JOIN pg_collation AS c ON c.oid = a.attcollation
        WHERE NOT c.collisdeterministic AND k.indexed_by <> c.oid)`);
  const uniqueKeys = uniques.map(([primary, names]) => ({
    primary: primary === 'true',
    names: JSON.parse(names ?? '[]') as string[],
  }));
  if (given === undefined) {
    const primary = uniqueKeys.find((unique) => unique.primary);
    if (primary) return pick(all, primary.names, shown);
    const candidates = uniqueKeys.map(({ names }) => `[${names.map((name) => `'${name}'`).join(', ')}]`);
    throw refusal(
      'SOURCE_KEY_REQUIRED',
      `${shown} has no primary key.`,
      candidates.length > 0
        ? `Pass the columns of a unique index as \`key\`: ${candidates.join(' or ')}.`
        : 'Pass the columns of a unique index that cannot be null as `key`; where there is none, create one.',
    );
  }
  if (given.length === 0)
    throw refusal('SOURCE_KEY_REQUIRED', 'The given key has no columns.', 'Name at least one column.');
  const key = pick(all, given, shown);
  // What a view promises is checked by reading it.
  if (!(await isTable(query, oid))) return key;
  const nullable = key.filter((column) => column.nullable);
  if (nullable.length > 0) {
    const names = nullable.map(({ name }) => name).join(', ');
    throw refusal(
      'SOURCE_KEY_NULLABLE',
      `The key column ${names} of ${shown} can be null, and rows with a null would be passed over.`,
      `Choose a key whose columns are NOT NULL, or declare it: ALTER TABLE ${shown} ALTER COLUMN ${nullable[0]?.name ?? ''} SET NOT NULL.`,
    );
  }
  if (!uniqueKeys.some(({ names }) => names.every((name) => given.includes(name)))) {
    throw refusal(
      'SOURCE_KEY_NOT_UNIQUE',
      `No unique index of ${shown} covers the key (${given.join(', ')}), and rows with equal keys would be passed over.`,
      'Choose the columns of a unique index, or create one: CREATE UNIQUE INDEX CONCURRENTLY ...',
    );
  }
  return key;
}

async function isTable(query: PgQueryRunner, oid: string): Promise<boolean> {
  const [row] = await query(
    sql`SELECT (relkind IN ('r', 'p'))::text FROM pg_class WHERE oid = CAST(${oid} AS oid)`,
  );
  return row?.[0] === 'true';
}

/** A view has no constraints: whether its key can serve is found by reading it once. */
async function checkKeyByReading(
  query: PgQueryRunner,
  { from, where, key, shown }: Pick<TableDescription, 'from' | 'where' | 'key'> & { readonly shown: string },
): Promise<void> {
  const names = key.map((column) => sql.id('source', column.source));
  const anyNull = sql.join(
    names.map((name) => sql`${name} IS NULL`),
    sql` OR `,
  );
  const nulls = await query(sql`SELECT '1' FROM ${from} WHERE (${where}) AND (${anyNull}) LIMIT 1`);
  if (nulls.length > 0) {
    throw refusal(
      'SOURCE_KEY_NULLABLE',
      `The key of ${shown} is null in some rows.`,
      'Choose columns that are never null.',
    );
  }
  const twins = await query(
    sql`SELECT '1' FROM ${from} WHERE ${where} GROUP BY ${sql.join(names)} HAVING count(*) > 1 LIMIT 1`,
  );
  if (twins.length > 0) {
    throw refusal(
      'SOURCE_KEY_NOT_UNIQUE',
      `Several rows of ${shown} have the same key.`,
      'Add columns to the key until it is unique.',
    );
  }
}

async function estimate(
  query: PgQueryRunner,
  { from, where, columns }: Pick<TableDescription, 'from' | 'where' | 'columns'>,
  most: number,
): Promise<{ estimatedRows: number; estimatedRowBytes: number }> {
  const names = columns.map((column) => sql.id('source', column.source));
  const [plan] = await query(
    sql`EXPLAIN (FORMAT JSON) SELECT ${sql.join(names)} FROM ${from} WHERE ${where}`,
  );
  // A host's driver may have parsed the JSON already.
  const explained: unknown = typeof plan?.[0] === 'string' ? JSON.parse(plan[0]) : plan?.[0];
  const [{ Plan: root }] = explained as [{ Plan: Record<string, unknown> }];
  const [counted] = await query(
    sql`SELECT count(*)::text FROM (SELECT 1 FROM ${from} WHERE ${where} LIMIT ${sql.lit(most + 1)}) AS counted`,
  );
  const rows = Number(counted?.[0]);
  return {
    estimatedRows: rows <= most ? rows : Math.max(rows, Number(root['Plan Rows'])),
    // Text is longer than what PostgreSQL stores, by a factor that only a page shows.
    estimatedRowBytes: Number(root['Plan Width'] ?? 0) * 2 + 16,
  };
}

/** The chosen columns under the names that they travel by. */
function choose(
  all: readonly PostgresColumn[],
  chosen: NonNullable<TableRequest['columns']>,
  shown: string,
): PostgresColumn[] {
  const names = chosen.map(([source]) => source);
  return pick(all, names, shown).map((column, index) => ({
    ...column,
    name: chosen[index]?.[1] ?? column.name,
  }));
}

/** Two columns of one name would become one, and a key that stays behind would be taken for the column of its name. */
function checkNames(columns: readonly PostgresColumn[], key: readonly PostgresColumn[]): void {
  const names = [...columns, ...key.filter((column) => !columns.includes(column))].map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw refusal(
    'INVALID_OPTION',
    `\`columns\` gives the name ${twice} to two columns.`,
    'Give every column a name of its own; a key column that is not copied keeps its name.',
  );
}

function pick(all: readonly PostgresColumn[], names: readonly string[], shown: string): PostgresColumn[] {
  return names.map((name) => {
    const column = all.find((candidate) => candidate.name === name);
    if (column) return column;
    throw refusal(
      'SOURCE_COLUMN_NOT_FOUND',
      `${shown} has no column ${name}.`,
      `Its columns: ${all.map((candidate) => candidate.name).join(', ')}.`,
    );
  });
}

function refusal(code: MigratorErrorCode, message: string, help: string): MigratorError {
  return new MigratorError(code, message, { help });
}
