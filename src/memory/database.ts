import type {
  CallContext,
  Checkpoint,
  Key,
  KeyRange,
  PlanSettings,
  StoredReject,
  TextRow,
} from '../contract/index.ts';

/** A table: its columns, its key, and rows by their key's text (or by their order, without a key). */
export interface MemoryTable {
  readonly columns: readonly string[];
  /** Empty: rows are only added. */
  readonly key: readonly string[];
  readonly rows: Map<string, TextRow>;
}

/** A stored checkpoint, with what only the store looks at. */
export type MemoryCheckpoint = { -readonly [Field in keyof Checkpoint]: Checkpoint[Field] } & {
  readonly migration: string;
  owner: string | null;
  leaseUntil: number;
};

/**
 * Tables and checkpoints that outlive the adapters on them, as a database outlives its clients.
 *
 * @example
 * ```ts
 * const database = new MemoryDatabase();
 * database.createTable('t', ['id', 'name'], ['id']);
 * const sink = new MemorySink({ database, table: 't' });
 * ```
 */
export class MemoryDatabase {
  readonly tables: Map<string, MemoryTable> = new Map();
  readonly checkpoints: MemoryCheckpoint[] = [];
  /** The highest id that a checkpoint has had: none is given twice. */
  lastId: number = 0;
  readonly plans: Map<string, PlanSettings> = new Map();
  /** Rows that were set aside, in the order of their ids. */
  readonly rejects: (StoredReject & { readonly migration: string })[] = [];
  /** The database's clock, in milliseconds. Tests move it to let a lease end. */
  now: () => number = () => Date.now();

  /** Makes an empty table; without key columns it is one to which rows are only added. */
  createTable(name: string, columns: readonly string[], key: readonly string[]): MemoryTable {
    const table: MemoryTable = { columns, key, rows: new Map() };
    this.tables.set(name, table);
    return table;
  }
}

/** Orders keys column by column: integers by value and before all other texts, those by code units. */
export function compareKeys(a: Key, b: Key): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? '';
    if (left !== right) return compareTexts(left, right);
  }
  return 0;
}

// Texts such as '9', '10' and '1a' need one order for all: comparing some by value, some as texts would be none.
function compareTexts(left: string, right: string): number {
  if (isInteger(left) !== isInteger(right)) return isInteger(left) ? -1 : 1;
  if (isInteger(left) && BigInt(left) !== BigInt(right)) return BigInt(left) < BigInt(right) ? -1 : 1;
  return left < right ? -1 : 1;
}

/** True for a key inside the range. */
export function inRange(key: Key, range: KeyRange): boolean {
  if (compareKeys(key, range.upper) > 0) return false;
  if (range.lower === null) return true;
  const order = compareKeys(key, range.lower.key);
  return order > 0 || (order === 0 && range.lower.inclusive);
}

function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text);
}

/** Takes a step and answers with its result; rejects where the call was aborted before. */
export function answer<T>(context: CallContext | undefined, step: () => T): Promise<T> {
  return new Promise((resolve) => {
    context?.signal?.throwIfAborted();
    resolve(step());
  });
}
