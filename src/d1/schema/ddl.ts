import { sql } from 'kysely';
import type { CallContext, Finding, RowShape } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import { type Carried, carryOver } from './carry-over.ts';
import { type CarryOver, type NamesTaken, referredTable } from './carry-options.ts';
import { compiled, type D1Connection } from '../connection.ts';
import type { FloatForm, StoreOptions } from '../values/forms.ts';
import { createTableStatement, indexesOfNew } from './new-table.ts';
import { describeTable, primaryKeyOf, type TableDescription, type TableOptions } from './table.ts';
import { quoteName } from './translate.ts';
import { declaredFor } from '../values/choose-forms.ts';
import type { ColumnForm } from '../values/types.ts';

// One module on demand has all that makes tables.
export { replaceTable } from './replace.ts';

/** The statements that make a target's table and its indexes, in the order in which they run. */
export interface Ddl {
  /** Drops the table that is there, in one transaction with {@link create}; null: it stays. */
  readonly drop: string | null;
  /** Null: the table is there and stays. */
  readonly create: string | null;
  /** Indexes of the table that is made by {@link create} itself. */
  readonly indexes: number;
  /** Indexes that are made before the first row comes, and after the last. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly findings: readonly Finding[];
}

/** What the statements are made from. */
export interface DdlParts {
  readonly connection: D1Connection;
  readonly table: string;
  readonly shape: RowShape;
  readonly forms: readonly ColumnForm[];
  readonly wanted: CarryOver;
  readonly options: TableOptions;
  /** True: the sink makes the table. */
  readonly isNew: boolean;
  /** True: it takes the place of one that is there. */
  readonly replaces: boolean;
}

/** Decides what to make. Reads D1's schema where that decides something, and writes nothing. */
export async function ddlOf(parts: DdlParts, context?: CallContext): Promise<Ddl> {
  const { connection, table, shape, forms, wanted, options, isNew, replaces } = parts;
  const columns = new Map(
    shape.columns.flatMap(({ name, type, nativeType }, index) => {
      const form = forms[index];
      return form ? [[name, { type, nativeType, stored: form.stored, form }] as const] : [];
    }),
  );
  const [taken, parents] = await Promise.all([readNames(parts, context), readParents(parts, context)]);
  const carried: Carried = carryOver({
    table,
    shape,
    columns,
    wanted,
    isNew,
    withoutRowid: options.withoutRowid === true,
    taken,
    parents,
  });
  const { before, after } = carried;
  return {
    drop: replaces ? `DROP TABLE IF EXISTS ${quoteName(table)}` : null,
    create: isNew
      ? compiled(createTableStatement(table, shape, forms, { ...options, ...carried })).sql
      : null,
    indexes: isNew ? indexesOfNew(shape, forms, options) : 0,
    before,
    after,
    findings: [
      ...carried.findings,
      ...(shape.schema || Object.values(wanted).every((part) => !part) ? [] : [schemaUnknown]),
      ...(replaces ? await replaceFindings(connection, table, context) : []),
    ],
  };
}

/** What was asked for cannot be looked up: never left out without a word. */
const schemaUnknown: Finding = {
  code: 'NOT_CARRIED',
  severity: 'warning',
  column: null,
  message: 'Nothing is carried over: what the rows come from declares no schema, or a transform changes it.',
  help: 'Write indexes and constraints in D1 by hand, or copy without a transform.',
};

/**
 * Refuses options of a new table that cannot work.
 *
 * @throws MigratorError `INVALID_OPTION`.
 */
export function checkTableOptions(
  { strict, withoutRowid }: TableOptions,
  shape: RowShape,
  store: StoreOptions,
): void {
  const refuse = (message: string, help: string): never => {
    throw new MigratorError('INVALID_OPTION', message, { migration: shape.migration, help });
  };
  if (withoutRowid && primaryKeyOf(shape).length === 0) {
    refuse(
      'A table without rowids needs a primary key, and the key does not travel.',
      'Copy the columns of the key too, or leave `tableOptions.withoutRowid` out.',
    );
  }
  const texts = shape.columns.filter(({ name, type }) => {
    const form = declaredFor(store, name);
    if (type !== 'float' || typeof form !== 'object') return false;
    const { nan, infinity } = form as FloatForm;
    return nan === 'text' || infinity === 'text';
  });
  if (strict && texts.length > 0) {
    refuse(
      `A strict table takes no texts in REAL columns, and ${texts.map(({ name }) => name).join(', ')} would keep some floats as texts.`,
      "Choose 'null' or 'refuse' for them, store the whole column as 'text', or leave `tableOptions.strict` out.",
    );
  }
}

/** The names in D1's schema, where an index could meet one. Those of a table that is replaced go with it. */
async function readNames(
  { connection, table, shape, wanted, replaces }: DdlParts,
  context?: CallContext,
): Promise<NamesTaken> {
  if ((!wanted.indexes && !wanted.uniques) || !shape.schema || shape.schema.indexes.length === 0)
    return new Map();
  const rows = await connection.rows(sql`SELECT name, tbl_name, sql FROM sqlite_master`, context);
  const names = rows.map((row) => {
    const owner = String(row['tbl_name']);
    return [String(row['name']).toLowerCase(), { table: owner, sql: row['sql'] as string | null }] as const;
  });
  return new Map(
    names.filter(([name, owner]) => !replaces || name === table.toLowerCase() || owner.table !== table),
  );
}

async function readParents(
  { connection, shape, wanted, isNew }: DdlParts,
  context?: CallContext,
): Promise<ReadonlyMap<string, TableDescription | null>> {
  if (!wanted.foreignKeys || !isNew) return new Map();
  const others = shape.schema?.foreignKeys.filter(({ toItself }) => !toItself) ?? [];
  const names = [...new Set(others.map((one) => referredTable(one, wanted)))];
  const described = names.map(
    async (name) => [name, await describeTable(connection, name, context)] as const,
  );
  return new Map(await Promise.all(described));
}

/** Rows that are counted at the most: counting more is not worth its price. */
const countedRows = 1_000;

async function replaceFindings(
  connection: D1Connection,
  table: string,
  context?: CallContext,
): Promise<Finding[]> {
  const limit = sql.lit(countedRows + 1);
  const [counted] = await connection.rows(
    sql`SELECT count(*) AS rows FROM (SELECT 1 FROM ${sql.id(table)} LIMIT ${limit})`,
    context,
  );
  const rows = Number(counted?.['rows']);
  const shown = rows > countedRows ? `more than ${countedRows} rows` : rows === 1 ? '1 row' : `${rows} rows`;
  const replaced: Finding = {
    code: 'TABLE_REPLACED',
    severity: 'warning',
    column: null,
    message: `The D1 table ${table} with its ${shown}, its indexes and its triggers is dropped and made anew.`,
    help: "Leave `createTable` at 'if-missing' to copy into the table as it is.",
  };
  const children = await childrenOf(connection, table, context);
  if (children.length === 0) return [replaced];
  const refused: Finding = {
    code: 'REPLACE_REFUSED',
    severity: 'error',
    column: null,
    message: `Foreign keys of ${children.join(', ')} refer to the D1 table ${table}: dropping it would delete or orphan their rows.`,
    help: 'Drop the tables that refer to it first, or copy into the table as it is.',
  };
  return [replaced, refused];
}

async function childrenOf(connection: D1Connection, table: string, context?: CallContext): Promise<string[]> {
  // D1's own tables may not be asked.
  const tables = await connection.rows(
    sql`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '!_cf!_%' ESCAPE '!' AND name <> ${table} COLLATE NOCASE`,
    context,
  );
  const names = JSON.stringify(tables.map((row) => row['name']));
  const rows = await connection.rows(
    sql`SELECT DISTINCT child.value AS name FROM json_each(${names}) AS child, pragma_foreign_key_list(child.value) AS list
  WHERE list."table" = ${table} COLLATE NOCASE ORDER BY 1`,
    context,
  );
  return rows.map((row) => String(row['name']));
}
