import { sql } from 'kysely';
import type { SchemaExpression } from '../../contract/index.ts';
import type { PgQueryRunner } from '../client.ts';
import type { TableDescription } from '../describe.ts';
import type { ExpressionColumn } from './expression-parts.ts';
import { meaningOf } from './expressions.ts';

/** What the catalog says of a column beside its type. */
export interface CatalogColumn extends ExpressionColumn {
  /** Its type with domains and modifiers. */
  readonly declared: string;
  readonly travels: boolean;
  readonly identity: boolean;
  readonly generated: boolean;
  readonly expression: string | null;
}

/** Types that are no numbers, moments or texts, and whose values are equal where their texts are. */
const equalAsText: ReadonlySet<string> = new Set([
  'inet',
  'cidr',
  'macaddr',
  'macaddr8',
  'bit',
  'bit varying',
  'name',
  '"char"',
]);

/** Types of which two equal values can have different texts, or whose texts say more than the values. */
const notEqualAsText: ReadonlySet<string> = new Set([
  'real',
  'json',
  'jsonb',
  'interval',
  'time with time zone',
]);

/** Reads what the catalog says of every column. */
export async function readColumns(query: PgQueryRunner, table: TableDescription): Promise<CatalogColumn[]> {
  const rows = await query(sql`
    WITH RECURSIVE below AS (
      SELECT a.attnum, a.atttypid AS oid, a.atttypmod AS typmod FROM pg_attribute AS a
      WHERE a.attrelid = CAST(${table.oid} AS oid) AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT below.attnum, t.typbasetype, t.typtypmod FROM below JOIN pg_type AS t ON t.oid = below.oid WHERE t.typtype = 'd'
    )
    SELECT a.attname::text AS c0, format_type(t.oid, NULL) AS c1, format_type(a.atttypid, a.atttypmod) AS c2,
      t.typtype::text AS c3, CASE WHEN t.typname = 'bpchar' AND below.typmod > 4 THEN below.typmod - 4 END::text AS c4,
      coalesce(l.collisdeterministic, true)::text AS c5, a.attidentity::text AS c6, a.attgenerated::text AS c7,
      coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(own.typdefaultbin, 0)) AS c8
    FROM below JOIN pg_type AS t ON t.oid = below.oid AND t.typtype <> 'd'
      JOIN pg_attribute AS a ON a.attrelid = CAST(${table.oid} AS oid) AND a.attnum = below.attnum
      JOIN pg_type AS own ON own.oid = a.atttypid
      LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
      LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    ORDER BY a.attnum`);
  return rows.flatMap((row) => {
    const [
      source = '',
      type = '',
      declared = '',
      kind,
      characters,
      deterministic,
      identity,
      generated,
      expression,
    ] = row;
    const travelling = table.columns.find((column) => column.source === source);
    const all = travelling ?? table.all.find((column) => column.source === source);
    if (source === null || type === null || declared === null || !all) return [];
    const isText = all.codec.type === 'text';
    const sameText = kind === 'e' || equalAsText.has(type) || ['text', 'character varying'].includes(type);
    const comparable =
      deterministic === 'true' &&
      !notEqualAsText.has(type) &&
      (isText
        ? sameText || (type === 'character' && characters !== null)
        : !['array', 'other'].includes(all.codec.type));
    return [
      {
        source,
        name: all.name,
        type,
        declared,
        codec: all.codec,
        comparable,
        plainNull: kind !== 'c',
        characters: characters == null ? null : Number(characters),
        travels: travelling !== undefined,
        identity: identity !== '',
        generated: generated !== '',
        expression: expression ?? null,
      },
    ];
  });
}

/** An expression and its meaning, where all its columns travel and its type is the given one. */
export function expressionOf(
  text: string,
  columns: readonly CatalogColumn[],
  type?: string,
): SchemaExpression {
  const parsed = meaningOf(
    text,
    columns.filter(({ travels }) => travels),
  );
  return { text, meaning: parsed && (type === undefined || parsed.type === type) ? parsed.meaning : null };
}

/** The names by which columns travel; null where one of them does not. */
export function travellingNames(json: string, columns: readonly CatalogColumn[]): string[] | null {
  const found = (JSON.parse(json) as string[]).map((name) => columns.find(({ source }) => source === name));
  const travelling = found.filter((column) => column?.travels);
  return travelling.length === found.length ? travelling.map((column) => column?.name ?? '') : null;
}
