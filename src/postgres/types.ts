import { type RawBuilder, sql } from 'kysely';
import type { LogicalType } from '../contract/index.ts';

/** PostgreSQL's internal type names and what they hold. Enums are text; what is not here goes as its own text. */
const logicalTypes: Readonly<Record<string, LogicalType>> = {
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  oid: 'integer',
  float4: 'float',
  float8: 'float',
  numeric: 'decimal',
  bool: 'boolean',
  bytea: 'bytes',
  uuid: 'uuid',
  date: 'date',
  time: 'time',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  json: 'json',
  jsonb: 'json',
  text: 'text',
  varchar: 'text',
  bpchar: 'text',
  char: 'text',
  name: 'text',
  citext: 'text',
};

/** The logical type of a PostgreSQL type. `kind` is `pg_type.typtype`: `e` is an enum. */
export function logicalTypeOf(typeName: string, kind: string): LogicalType {
  return kind === 'e' ? 'text' : (logicalTypes[typeName] ?? 'other');
}

/** Turns PostgreSQL's text into the canonical one; null where they are the same. */
export function canonicalizer(type: LogicalType): ((text: string) => string) | null {
  switch (type) {
    case 'boolean':
      return (text) => (text === 't' || text === 'true' ? 'true' : 'false');
    case 'bytes':
      return (text) => text.slice(2); // without the \x
    case 'timestamp':
      return (text) => text.replace(' ', 'T');
    case 'timestamptz':
      return (text) => text.replace(' ', 'T').replace('+00', 'Z');
    default:
      return null;
  }
}

/**
 * A column as PostgreSQL's own text. The cast of a `char(n)` to text would strip its blanks, so that one goes through
 * its output function.
 */
export function asText(column: RawBuilder<unknown>, nativeType: string): RawBuilder<unknown> {
  return nativeType.startsWith('character(') || nativeType === 'character'
    ? sql`CASE WHEN ${column} IS NULL THEN NULL ELSE format('%s', ${column}) END`
    : sql`CAST(${column} AS text)`;
}
