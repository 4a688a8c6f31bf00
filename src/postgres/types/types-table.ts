import type { LogicalType } from '../../contract/index.ts';

/** What becomes of a PostgreSQL type. `docs/types.md` shows the same rows; a test compares the two. */
export interface TypeRow {
  /** Names in `pg_type`. */
  readonly names: readonly string[];
  readonly type: LogicalType;
  /** What is stored, where the logical type does not say enough. */
  readonly note?: string;
  /** What the stored text does not hold any more. */
  readonly lost?: string;
}

/** What becomes of every type of a kind. */
export interface TypeRule extends Omit<TypeRow, 'type'> {
  readonly type: LogicalType | 'as below it';
}

/** PostgreSQL's own types: every base type of its catalog. */
export const builtInTypes: readonly TypeRow[] = [
  { names: ['int2', 'int4', 'int8'], type: 'integer', note: 'the integer, all 64 bits; serials are these' },
  { names: ['oid', 'xid', 'cid'], type: 'integer', note: 'the number' },
  { names: ['float8'], type: 'float' },
  { names: ['float4'], type: 'float', note: 'the double nearest to its digits: 0.1 stays 0.1' },
  { names: ['numeric'], type: 'decimal', note: 'every digit, trailing zeros too' },
  {
    names: ['money'],
    type: 'decimal',
    note: "the amount without currency sign or grouping, with the digits that the server's lc_monetary gives it",
    lost: 'the currency, which PostgreSQL does not store either',
  },
  { names: ['xid8'], type: 'decimal', note: 'its digits: up to 2^64 - 1, which no INTEGER holds' },
  { names: ['bool'], type: 'boolean' },
  { names: ['text', 'varchar'], type: 'text' },
  { names: ['bpchar'], type: 'text', note: 'the text with its blanks' },
  { names: ['name', 'char'], type: 'text' },
  { names: ['uuid'], type: 'uuid' },
  { names: ['date'], type: 'date' },
  { names: ['time'], type: 'time' },
  { names: ['timetz'], type: 'timetz' },
  { names: ['timestamp'], type: 'timestamp' },
  {
    names: ['timestamptz'],
    type: 'timestamptz',
    note: '`2026-01-02T03:04:05.123456Z`, in UTC; PostgreSQL keeps no zone either',
  },
  { names: ['interval'], type: 'interval' },
  { names: ['json'], type: 'json', note: 'its text byte by byte, with blanks and doubled keys' },
  { names: ['jsonb'], type: 'json', note: "PostgreSQL's text of it" },
  { names: ['jsonpath'], type: 'text' },
  { names: ['bytea'], type: 'bytes' },
  { names: ['bit', 'varbit'], type: 'text', note: 'zeros and ones' },
  { names: ['inet', 'cidr'], type: 'text', note: '`10.1.2.3`, `10.0.0.0/8`' },
  { names: ['macaddr', 'macaddr8'], type: 'text' },
  { names: ['xml'], type: 'text', lost: 'the encoding that an XML declaration names: the text is UTF-8' },
  { names: ['tsvector', 'tsquery'], type: 'text' },
  { names: ['point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle'], type: 'text', note: '`(1,2)`' },
  { names: ['pg_lsn', 'tid'], type: 'text' },
  { names: ['pg_snapshot', 'txid_snapshot'], type: 'text' },
  { names: ['refcursor'], type: 'text' },
  { names: ['int2vector', 'oidvector'], type: 'text', note: 'numbers with blanks between' },
  {
    names: [
      'regclass',
      'regcollation',
      'regconfig',
      'regdictionary',
      'regoper',
      'regoperator',
      'regproc',
      'regprocedure',
      'regtype',
    ],
    type: 'text',
    note: 'name with schema, and argument types where it has any; digits where nothing has this oid any more',
    lost: 'the oid, which means nothing outside its database; in an array only the oid is kept',
  },
  { names: ['regnamespace', 'regrole'], type: 'text', note: 'its name', lost: 'the oid' },
  {
    names: [
      'aclitem',
      'gtsvector',
      'pg_brin_bloom_summary',
      'pg_brin_minmax_multi_summary',
      'pg_dependencies',
      'pg_mcv_list',
      'pg_ndistinct',
      'pg_node_tree',
    ],
    type: 'text',
    note: "their text; internals of the server's catalog",
    lost: 'what their output function leaves out',
  },
];

/** Types of extensions: known by name in whatever schema the extension was put. */
export const extensionTypes: readonly TypeRow[] = [
  {
    names: ['citext'],
    type: 'text',
    lost: "comparing without case: give the D1 column COLLATE NOCASE for ASCII's",
  },
  { names: ['hstore'], type: 'text', note: '`"a"=>"1"`' },
  { names: ['ltree', 'lquery', 'ltxtquery', 'cube', 'seg'], type: 'text' },
  { names: ['geometry', 'geography'], type: 'text', note: 'PostGIS: EWKB in hexadecimal digits' },
];

/** What a type of its own kind becomes. The names are shown in `docs/types.md`. */
export const typeRules: readonly TypeRule[] = [
  {
    names: ['array'],
    type: 'array',
    note: 'JSON of any depth: `[1,null]`, `[["a"],["b"]]`, `{"lower":[0],"values":[7,8]}`',
  },
  { names: ['enum'], type: 'text', note: 'the label', lost: 'the order of the labels' },
  { names: ['domain'], type: 'as below it', note: 'as the type below it, through any number of domains' },
  { names: ['composite'], type: 'text', note: '`(1,"a b",t)`' },
  { names: ['range'], type: 'text', note: '`[1,5)`' },
  { names: ['multirange'], type: 'text', note: '`{[1,5),[7,9)}`' },
  { names: ['any other'], type: 'other', note: 'its own text; the plan names the column' },
];

export const builtIn: ReadonlyMap<string, TypeRow> = byName(builtInTypes);
export const ofExtensions: ReadonlyMap<string, TypeRow> = byName(extensionTypes);

function byName(rows: readonly TypeRow[]): Map<string, TypeRow> {
  return new Map(rows.flatMap((row) => row.names.map((name) => [name, row] as const)));
}
