import { type RawBuilder, sql } from 'kysely';
import type { ColumnDescriptor, LogicalType } from '../../contract/index.ts';
import type { BinaryForm } from '../binary/readers.ts';
import { arrayToJson, type ElementFormat, jsonToArray } from './arrays.ts';
import { fromIso, isoDate, isoTimestamp, isoTimestamptz } from './types-time.ts';
import { builtIn, ofExtensions, typeRules } from './types-table.ts';

/** What the catalog says of a type, once its domains are taken off. */
export interface TypeFacts {
  readonly name: string;
  readonly schema: string;
  /** `pg_type.typtype`: `b`ase, `c`omposite, `e`num, `r`ange, `m`ultirange. */
  readonly kind: string;
  /** The type of an array's elements; null: not an array. */
  readonly element: (TypeFacts & { readonly delimiter: string }) | null;
}

/** How a column is read and written. Chosen once a column. */
export interface TypeCodec {
  readonly type: LogicalType;
  /** What is selected instead of the column, where the type's own text depends on settings. */
  readonly select: ((column: RawBuilder<unknown>) => RawBuilder<unknown>) | null;
  /** True: a cast to text writes what the type's output function writes. */
  readonly castsToText: boolean;
  /** Turns PostgreSQL's text into the canonical one; null where they are the same. */
  readonly canonical: ((text: string) => string) | null;
  /** Where the canonical text is PostgreSQL's without its first bytes: how many; null: it is made by {@link canonical}. */
  readonly prefix: number | null;
  /** How a value is read that the server sends in its own form instead of a text; null: always as a text. */
  readonly binary: BinaryForm | null;
  /** Canonical text to PostgreSQL's, for keys; null where they are the same. */
  readonly native: ((text: string) => string) | null;
  /** A type that a key's text is read as before it is cast to the column's own. */
  readonly via: string | null;
}

/** What a column is, beyond its name. */
export interface ColumnIdentity {
  /** `pg_attribute.attnum`: a column that was dropped and made anew has another. */
  readonly number: string;
  /** Type, modifier and collation: their oids, with blanks between. */
  readonly kind: string;
}

/** A column and how it travels. */
export interface PostgresColumn extends ColumnDescriptor {
  /** Its name in PostgreSQL; `name` is the one that it travels by. */
  readonly source: string;
  readonly identity: ColumnIdentity;
  /** The type below its domains, whose checks a stored value need not pass; else `nativeType`. */
  readonly baseType: string;
  readonly codec: TypeCodec;
  /** What its type has beside the values, and what does not travel; null: nothing. */
  readonly lost: string | null;
}

const asIs: Omit<TypeCodec, 'type'> = {
  select: null,
  castsToText: false,
  canonical: null,
  prefix: null,
  binary: null,
  native: null,
  via: null,
};

/** The types for which `CAST(x AS text)` is known to be the output function. For an inet, for example, it is not. */
const castable: ReadonlySet<string> = new Set(
  `int2 int4 int8 oid float4 float8 numeric bool bytea uuid json jsonb
  text varchar date time timetz timestamp timestamptz interval`.split(/\s+/),
);

/** Names whose text would depend on the search path, and the catalogs that know them. */
const catalogs: Readonly<Record<string, string>> = {
  regclass: 'pg_class',
  regcollation: 'pg_collation',
  regconfig: 'pg_ts_config',
  regdictionary: 'pg_ts_dict',
  regoper: 'pg_operator',
  regoperator: 'pg_operator',
  regproc: 'pg_proc',
  regprocedure: 'pg_proc',
  regtype: 'pg_type',
};

const special: Readonly<Record<string, Partial<TypeCodec>>> = {
  bool: { canonical: (text) => (text.charCodeAt(0) === 0x74 ? 'true' : 'false'), binary: 'bool' },
  bytea: { canonical: (text) => text.slice(2), prefix: 2, native: (text) => `\\x${text}` },
  date: { canonical: isoDate, binary: 'date', native: fromIso },
  float8: { binary: 'float8' },
  timestamp: { canonical: isoTimestamp, binary: 'timestamp', native: fromIso },
  timestamptz: { canonical: isoTimestamptz, binary: 'timestamptz', native: fromIso },
  // The text of money has the locale's currency and separators.
  money: { select: (column) => sql`CAST(${column} AS numeric)`, via: 'numeric' },
  // Not by text, of which PostgreSQL makes one by looking up a name: `-` is none.
  regclass: { via: 'bpchar' },
  regoper: { via: 'regoperator' },
  regproc: { via: 'regprocedure' },
};

/** How a column of this type travels. */
export function codecOf(facts: TypeFacts): TypeCodec {
  if (facts.element) return arrayCodec(facts.element);
  if (facts.kind !== 'b') return { ...asIs, type: 'cerm'.includes(facts.kind) ? 'text' : 'other' };
  const row = facts.schema === 'pg_catalog' ? builtIn.get(facts.name) : ofExtensions.get(facts.name);
  if (!row || facts.schema !== 'pg_catalog') return { ...asIs, type: row?.type ?? 'other' };
  const catalog = catalogs[facts.name];
  return {
    ...asIs,
    type: row.type,
    castsToText: castable.has(facts.name),
    ...(catalog === undefined ? {} : { select: (column) => identityOf(column, catalog) }),
    ...special[facts.name],
  };
}

/** What the values of this type do not hold any more in transit. */
export function lostOf({ name, schema, kind, element }: TypeFacts): string | null {
  if (element) return lostOf(element);
  if (kind === 'e') return typeRules.find(({ names }) => names.includes('enum'))?.lost ?? null;
  return (schema === 'pg_catalog' ? builtIn.get(name) : ofExtensions.get(name))?.lost ?? null;
}

/** What an array is read as whose elements' text depends on settings. The names of a catalog become their oids. */
function settled({
  schema,
  name,
}: TypeFacts): { readonly name: string; readonly schema: 'pg_catalog' } | null {
  if (schema !== 'pg_catalog') return null;
  if (name === 'money') return { name: 'numeric', schema };
  return Object.hasOwn(catalogs, name) ? { name: 'oid', schema } : null;
}

function arrayCodec(facts: TypeFacts & { readonly delimiter: string }): TypeCodec {
  const readAs = settled(facts);
  // Elements that are arrays themselves, by a domain, stay as PostgreSQL writes them.
  const element: TypeCodec = facts.element ? { ...asIs, type: 'text' } : codecOf({ ...facts, ...readAs });
  const { type, canonical, native } = element;
  const format: ElementFormat = {
    toJson: jsonOf(type, canonical),
    toNative: native ?? ((text) => text),
    delimiter: facts.delimiter,
    bare: type === 'integer',
  };
  const via = readAs && `${readAs.name}[]`;
  return {
    type: 'array',
    select: via === null ? null : (column) => sql`CAST(${column} AS ${sql.raw(via)})`,
    castsToText: true,
    canonical: arrayToJson(format),
    prefix: null,
    binary: null,
    native: jsonToArray(format),
    via,
  };
}

function jsonOf(type: LogicalType, canonical: TypeCodec['canonical']): (text: string) => string {
  switch (type) {
    case 'integer':
      return (text) => text;
    case 'float':
      // NaN and Infinity are no JSON numbers; both have a letter that digits and exponents do not.
      return (text) => (text === 'NaN' || text.endsWith('y') ? `"${text}"` : text);
    case 'boolean':
      return (text) => (text === 't' ? 'true' : 'false');
    default:
      return canonical ? (text) => JSON.stringify(canonical(text)) : JSON.stringify;
  }
}

/** Name, schema and argument types of a catalog object, whatever the search path; its oid where it is gone. */
function identityOf(column: RawBuilder<unknown>, catalog: string): RawBuilder<unknown> {
  const identity = sql`(pg_catalog.pg_identify_object(${sql.lit(`pg_catalog.${catalog}`)}::pg_catalog.regclass, ${column}, 0)).identity`;
  return sql`CASE WHEN CAST(${column} AS oid) = 0 THEN '-' ELSE coalesce(${identity}, CAST(CAST(${column} AS oid) AS text)) END`;
}

/** A column as it is selected: raw where texts arrive as the server wrote them, else as text. */
export function selected(column: RawBuilder<unknown>, codec: TypeCodec, raw: boolean): RawBuilder<unknown> {
  const value = codec.select ? codec.select(column) : column;
  if (raw) return value;
  if (codec.castsToText || codec.select) return sql`CAST(${value} AS text)`;
  // IS NOT NULL is false of a composite with a null inside.
  return sql`CASE WHEN ${value} IS DISTINCT FROM NULL THEN format('%s', ${value}) END`;
}

/** A key's canonical text as a value of its column's type. */
export function keyValue(text: string, { baseType, codec }: PostgresColumn): RawBuilder<unknown> {
  // As text first: a driver that looks at a parameter's type must not read the value in its own way.
  const native = sql`CAST(${codec.native ? codec.native(text) : text} AS text)`;
  const value = codec.via === null ? native : sql`CAST(${native} AS ${sql.raw(codec.via)})`;
  return sql`CAST(${value} AS ${sql.raw(baseType)})`;
}
