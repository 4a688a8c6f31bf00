import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';
import { type CallContext, isMigratorError, MigratorError } from 'resumable-migrator';

/** A row as SQLite answers with it. */
export type SqliteRow = Record<string, SQLOutputValue>;

/** One connection to a file; the sink and its store share it, and so move rows and checkpoint in one transaction. */
export class SqliteDatabase {
  readonly file: string;
  readonly #connection: DatabaseSync;
  #isShared = false;

  constructor(file: string) {
    this.file = file;
    this.#connection = new DatabaseSync(file);
    // Other processes write too. While one waits for its turn it does nothing else, so it does not wait for long here:
    // the engine tries again.
    this.#connection.exec('PRAGMA busy_timeout = 1000');
  }

  rows(sql: string, ...values: SQLInputValue[]): SqliteRow[] {
    return this.#connection.prepare(sql).all(...values);
  }

  /** Runs one statement for each list of values. Returns how many rows they changed. */
  run(sql: string, lists: readonly (readonly SQLInputValue[])[] = [[]]): number {
    const statement = this.#connection.prepare(sql);
    return lists.reduce((sum, values) => sum + Number(statement.run(...values).changes), 0);
  }

  /** Does everything or nothing. It takes the right to write at once: one that is asked for later can be refused in the middle. */
  transaction<T>(work: () => T): T {
    // Not in the constructor: it writes to the file, and preparing a sink must not.
    if (!this.#isShared) this.#connection.exec('PRAGMA journal_mode = WAL');
    this.#isShared = true;
    this.#connection.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#connection.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    if (this.#connection.isOpen) this.#connection.close();
  }
}

/** One step of an adapter: refused where the call was aborted, and its errors are those that the engine knows. */
export function step<T>(context: CallContext | undefined, work: () => T): Promise<T> {
  return new Promise((resolve) => {
    context?.signal?.throwIfAborted();
    try {
      resolve(work());
    } catch (error) {
      throw translated(error);
    }
  });
}

/** A name as SQL writes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

// https://sqlite.org/rescode.html: the lowest byte is the primary code.
const [busy, locked, full] = [5, 6, 13];

function translated(error: unknown): unknown {
  const { errcode, message } = error as { readonly errcode?: number; readonly message: string };
  if (errcode === undefined || isMigratorError(error)) return error;
  const code = errcode & 0xff;
  if (code === busy || code === locked)
    return new MigratorError('SINK_OVERLOADED', 'Another process writes to the file.', {
      help: 'Nothing: it is tried again.',
      // A transaction that could not begin has written nothing: neither lost nor ambiguous.
      retryable: true,
      cause: error,
    });
  if (code === full)
    return new MigratorError('SINK_QUOTA_EXHAUSTED', 'The disk is full.', {
      help: 'Make room, and run again.',
      cause: error,
    });
  return message.startsWith('no such table')
    ? new MigratorError('SINK_TABLE_NOT_FOUND', message, { help: 'Create the table.', cause: error })
    : new MigratorError('SINK_FAILED', `SQLite refused a statement: ${message}.`, {
        help: 'See the message.',
        cause: error,
      });
}
