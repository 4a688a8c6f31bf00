import type { ForeignKeySchema, RowShape } from '../../contract/index.ts';
import { invalidOption } from '../../errors.ts';
import type { TableDescription } from './table.ts';
import type { StoredColumns } from './translate.ts';

/**
 * What the D1 table gets of what the source's table declares, beside columns, NOT NULL and primary key. What is asked
 * for and has no equal in SQLite is left out, and the plan names it; so it does with what is not asked for.
 *
 * @example
 * ```ts
 * new D1RestSink({ ..., table: 'orders', carryOver: { uniques: 'after', checks: true, defaults: true } });
 * ```
 */
export interface CarryOver {
  /**
   * Indexes that are not unique: made before the copy, or after it, which is faster. They are made where D1 has none of
   * their name, in a table that was there already too. Default: none.
   */
  readonly indexes?: 'before' | 'after' | undefined;
  /**
   * Unique constraints and indexes. `before`: a value that moved from one row to another while they were copied is
   * refused at once; `after`: only if it is still twice in D1 at the end. Default: none.
   */
  readonly uniques?: 'before' | 'after' | undefined;
  /** CHECK constraints, those of domains too, in a table that the sink makes. Default false. */
  readonly checks?: boolean | undefined;
  /** Defaults for rows that others write later, in a table that the sink makes. Default false. */
  readonly defaults?: boolean | undefined;
  /**
   * Foreign keys to tables that D1 has, in a table that the sink makes. Where a table has another name in D1, pass the
   * names: `{ customers: 'crm_customers' }`. Default false.
   */
  readonly foreignKeys?: boolean | Readonly<Record<string, string>> | undefined;
}

/** The parts of `carryOver: 'all'`. */
const everything: CarryOver = {
  indexes: 'after',
  uniques: 'after',
  checks: true,
  defaults: true,
  foreignKeys: true,
};

/**
 * The option as its parts.
 *
 * @throws MigratorError `INVALID_OPTION` where it has a part, or a value, that nobody knows.
 */
export function partsOf(carryOver: 'all' | CarryOver | undefined): CarryOver {
  if (carryOver === 'all') return everything;
  const parts = carryOver ?? {};
  if (typeof parts === 'object' && Object.entries(parts).every(isPart)) return parts;
  throw invalidOption(
    `\`carryOver\` cannot be ${JSON.stringify(carryOver)}.`,
    "It is 'all', or has of these parts: indexes and uniques, 'before' or 'after'; checks, defaults and foreignKeys, true or false.",
  );
}

function isPart([part, value]: [string, unknown]): boolean {
  if (!Object.hasOwn(everything, part)) return false;
  if (!value) return true;
  if (part === 'foreignKeys' && typeof value === 'object') return true;
  return typeof everything[part as keyof CarryOver] === 'string'
    ? value === 'before' || value === 'after'
    : value === true;
}

/** The name in D1 of the table that a foreign key refers to. */
export function referredTable({ references }: ForeignKeySchema, { foreignKeys }: CarryOver): string {
  const names = typeof foreignKeys === 'object' ? foreignKeys : {};
  return Object.hasOwn(names, references.table)
    ? (names[references.table] ?? references.table)
    : references.table;
}

/** What D1's schema holds, by name in lower case: the table that it is or belongs to, and its statement. */
export type NamesTaken = ReadonlyMap<string, { readonly table: string; readonly sql: string | null }>;

/** What is known of the D1 side when the plan is made. */
export interface CarryingParts {
  readonly table: string;
  readonly shape: RowShape;
  readonly columns: StoredColumns;
  readonly wanted: CarryOver;
  /** True: the sink makes the table. */
  readonly isNew: boolean;
  /** True: the rows of a new table have no rowid, which would count them. */
  readonly withoutRowid: boolean;
  /** Names of D1's schema; needed where indexes are wanted. */
  readonly taken: NamesTaken;
  /** The tables that foreign keys refer to, by their names in D1. */
  readonly parents: ReadonlyMap<string, TableDescription | null>;
}
