import { sql } from 'kysely';
import type { IndexPart, IndexSchema, OtherSchema } from '../../contract/index.ts';
import type { PgQueryRunner } from '../client.ts';
import type { TableDescription } from '../describe.ts';
import { type CatalogColumn, expressionOf, travellingNames } from './schema-columns.ts';

interface PartRow {
  /** Null: an expression. */
  readonly column: string | null;
  readonly text: string;
  readonly descending: boolean;
  /** True: equal is here what it is for the type itself, in a collation that tells all texts apart. */
  readonly plain: boolean;
}

/** A table's indexes but that of its key, and those that have no place among them. */
export async function readIndexes(
  query: PgQueryRunner,
  table: TableDescription,
  columns: readonly CatalogColumn[],
): Promise<{ readonly indexes: readonly IndexSchema[]; readonly others: readonly OtherSchema[] }> {
  const rows = await query(sql`
    SELECT c.relname::text AS c0, pg_get_indexdef(i.indexrelid) AS c1, i.indisunique::text AS c2,
      (m.amname = 'btree' AND i.indisvalid AND i.indimmediate)::text AS c3, pg_get_expr(i.indpred, i.indrelid) AS c4,
      (coalesce(to_jsonb(i)->>'indnullsnotdistinct', 'false') <> 'true')::text AS c5,
      (SELECT json_agg(json_build_object('column', a.attname, 'text', pg_get_indexdef(i.indexrelid, k.place::int, false),
          'descending', (i.indoption[k.place - 1] & 1) = 1,
          'plain', o.opcnamespace = 'pg_catalog'::regnamespace AND coalesce(l.collisdeterministic, true)) ORDER BY k.place)::text
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
          LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          LEFT JOIN pg_opclass AS o ON o.oid = i.indclass[k.place - 1]
          LEFT JOIN pg_collation AS l ON l.oid = i.indcollation[k.place - 1]
        WHERE k.place <= i.indnkeyatts) AS c6,
      (SELECT json_agg(a.attname ORDER BY k.place)::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place > i.indnkeyatts) AS c7,
      (SELECT json_agg(a.attname)::text FROM pg_attribute AS a
        WHERE a.attrelid = i.indrelid AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (
          SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))) AS c8
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
    WHERE i.indrelid = CAST(${table.oid} AS oid) AND NOT i.indisexclusion
    ORDER BY c.relname`);
  const indexes: IndexSchema[] = [];
  const others: OtherSchema[] = [];
  for (const row of rows) {
    const [name = '', text = '', unique, ordinary, where = '', distinct, parts, included, depends] = row.map(
      (value) => value ?? '',
    );
    const partRows = JSON.parse(parts || '[]') as PartRow[];
    const isUnique = unique === 'true';
    const holds = travellingNames(included || '[]', columns);
    const isKnown =
      ordinary === 'true' && travellingNames(depends || '[]', columns) !== null && holds !== null;
    if (isUnique && where === '' && isKey(partRows, table)) continue;
    if (isKnown) {
      indexes.push({
        name,
        unique: isUnique,
        parts: partRows.map((part) => partOf(part, isUnique, columns)),
        included: holds,
        where: where === '' ? null : expressionOf(where, columns, 'boolean'),
        nullsDistinct: distinct === 'true',
        text,
      });
    } else {
      others.push({ kind: isUnique ? 'unique index' : 'index', name, text });
    }
  }
  return { indexes, others };
}

/** The rows are found by their key in every sink: its index needs no other. */
function isKey(parts: readonly PartRow[], { key, columns }: TableDescription): boolean {
  return (
    parts.length === key.length &&
    key.every((column) => columns.includes(column) && parts.some((part) => part.column === column.source))
  );
}

function partOf(
  { column, text, descending, plain }: PartRow,
  unique: boolean,
  columns: readonly CatalogColumn[],
): IndexPart {
  const found = columns.find(({ source }) => source === column);
  // Which rows a unique index refuses depends on what is equal; an index for searching only has to hold the values.
  const certain = !unique || (plain && (found?.comparable ?? true));
  const expression = found
    ? { text, meaning: { kind: 'column' as const, name: found.name } }
    : expressionOf(text, columns);
  return { expression: certain ? expression : { text, meaning: null }, descending };
}
