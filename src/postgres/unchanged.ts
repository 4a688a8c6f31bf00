import { type RawBuilder, sql } from 'kysely';
import { alteredMark } from './errors.ts';
import type { TableDescription } from './describe.ts';
import type { ColumnIdentity } from './types/types.ts';

type Described = Pick<TableDescription, 'oid' | 'kind' | 'schema' | 'table' | 'columns' | 'key'>;

/** What a page is read by: the table, its columns with their types and collations, and that the key is unique. */
export function versionOf({ oid, kind, columns, key }: Described): string {
  const facts = travelling({ columns, key }).map(
    ({ source, identity }) => `${identity.number} ${source} ${identity.kind}`,
  );
  return [oid, ...facts, kind === 'r' || kind === 'p' ? 'unique' : ''].join('; ');
}

/**
 * A condition that is true where the table is still the one that was described, and fails the query where it is not.
 *
 * It looks at the catalog once a query, in the query's own snapshot, which is taken when the table is locked already: no row is read by a
 * description that is not its own.
 */
export function unchanged(table: Described): RawBuilder<boolean> {
  const { schema, table: name, columns, key, kind } = table;
  const quoted = [schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
  // A function, where a look at the catalog by name would have to be planned. No other table takes the name while this one is locked.
  const oid = sql`to_regclass(CAST(${quoted} AS text))`;
  const numbers = (of: readonly { readonly identity: ColumnIdentity }[]): RawBuilder<unknown> =>
    sql`CAST(${`{${of.map(({ identity }) => identity.number).join(',')}}`} AS int2[])`;
  const attributes = sql`(SELECT string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation), '; ' ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = ${oid} AND a.attnum = ANY (${numbers(travelling({ columns, key }))}))`;
  const unique =
    kind === 'r' || kind === 'p'
      ? sql`CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = ${oid} AND i.indisunique AND i.indisvalid
          AND i.indpred IS NULL AND i.indexprs IS NULL
          AND (CAST(i.indkey AS int2[]))[0:i.indnkeyatts - 1] <@ ${numbers(key)}) THEN 'unique' ELSE 'not unique' END`
      : sql`''`;
  const found = sql`CAST(${oid} AS oid) || '; ' || ${attributes} || '; ' || ${unique}`;
  // A text that is no boolean: the cast fails, and its message says what was found.
  return sql`(SELECT CASE WHEN catalog.found = CAST(${versionOf(table)} AS text) THEN true
    ELSE CAST(CAST(${alteredMark} AS text) || coalesce(catalog.found, 'it is gone') AS boolean) END FROM (SELECT ${found} AS found) AS catalog)`;
}

/** The columns that travel and those of the key, in the table's order. */
function travelling({ columns, key }: Pick<Described, 'columns' | 'key'>): Described['columns'] {
  const extra = key.filter((column) => !columns.includes(column));
  return [...columns, ...extra].toSorted((a, b) => Number(a.identity.number) - Number(b.identity.number));
}
