/** What is compared like what. Types of other names are compared with their own kind, and for equality alone. */
const classes: Readonly<Record<string, string>> = {
  smallint: 'integer',
  integer: 'integer',
  bigint: 'integer',
  'character varying': 'text',
};

/** Names in `pg_type` of the types whose literals are understood wherever they stand. */
export const literalTypes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    smallint: 'int2',
    integer: 'int4',
    bigint: 'int8',
    numeric: 'numeric',
    'double precision': 'float8',
    text: 'text',
    'character varying': 'varchar',
    character: 'bpchar',
    boolean: 'bool',
    uuid: 'uuid',
    date: 'date',
    'time without time zone': 'time',
    'timestamp without time zone': 'timestamp',
    'timestamp with time zone': 'timestamptz',
    bytea: 'bytea',
  }),
);

/** Types whose order is that of their values: numbers, moments, bytes. That of texts depends on a language. */
export const ordered: ReadonlySet<string> = new Set([
  'integer',
  'numeric',
  'double precision',
  'uuid',
  'date',
  'time without time zone',
  'timestamp without time zone',
  'timestamp with time zone',
  'bytea',
]);

/** Types of which equal values are equal in whatever form they are kept. */
export const comparable: ReadonlySet<string> = new Set([...ordered, 'text', 'boolean']);

/** The name under which a type is compared. */
export function classOf(type: string): string {
  return Object.hasOwn(classes, type) ? (classes[type] ?? type) : type;
}
