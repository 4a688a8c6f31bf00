import { ResumableMigrator, type ResumableMigratorOptions, type TextRow } from 'resumable-migrator';
import { MemoryDatabase, MemorySink, MemorySource, type MemoryTable } from 'resumable-migrator/memory';
import type { CrashPoints } from 'resumable-migrator/testing';

/** What kind of table the copy goes to. */
export interface WorldOptions {
  readonly rows: number | readonly TextRow[];
  /** `insert`: the table has no key, so a row that is written twice is there twice. */
  readonly mode: 'upsert' | 'insert';
  /** False: rows first, then the checkpoint. Default true. */
  readonly atomic?: boolean;
  readonly maxBatchRows?: number;
  readonly maxRowBytes?: number;
  /** The columns of the sink's table. Default: those of the source, `id` and `name`. */
  readonly columns?: readonly string[];
  /** Its key, with `upsert`. Default `id`. */
  readonly key?: readonly string[];
}

type AnyRow = Record<string, unknown>;

/** What a test may say of a migrator. */
export type MigratorOptions = Partial<Omit<ResumableMigratorOptions<AnyRow, AnyRow>, 'source' | 'sink'>>;

/** Rows whose keys cross zero, so that text order and number order differ. */
export function someRows(count: number): TextRow[] {
  return Array.from({ length: count }, (_, index) => [String(index - 5), `name ${index}`]);
}

/** Both databases of a migration. Processes (migrators) come and go on them; what they wrote stays. */
export class World {
  readonly rows: TextRow[];
  readonly database: MemoryDatabase = new MemoryDatabase();
  readonly table: MemoryTable;
  readonly #options: WorldOptions;
  #now = 1_000_000;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.rows = typeof options.rows === 'number' ? someRows(options.rows) : [...options.rows];
    this.database.now = () => this.#now;
    const { columns = ['id', 'name'], key = ['id'], mode } = options;
    this.table = this.database.createTable('t', columns, mode === 'upsert' ? key : []);
  }

  /** Moves the database's clock: the leases of the dead end. */
  passTime(milliseconds = 600_000): void {
    this.#now += milliseconds;
  }

  source(): MemorySource {
    return new MemorySource({
      columns: [
        { name: 'id', type: 'integer', nativeType: 'int8', nullable: false },
        { name: 'name', type: 'text', nativeType: 'text', nullable: true },
      ],
      key: ['id'],
      rows: this.rows,
    });
  }

  sink(): MemorySink {
    const { atomic, maxBatchRows, maxRowBytes } = this.#options;
    return new MemorySink({ database: this.database, table: 't', atomic, maxBatchRows, maxRowBytes });
  }

  /** A process: a migrator with adapters of its own, through the fault injector where there is one. */
  migrator(
    tuning: MigratorOptions = {},
    faults?: CrashPoints,
    sink: MemorySink = this.sink(),
  ): ResumableMigrator<AnyRow, AnyRow> {
    const source = this.source();
    return new ResumableMigrator({
      source: faults ? faults.wrapSource(source) : source,
      sink: faults ? faults.wrapSink(sink) : sink,
      checkpointSize: 10,
      batchSize: 4,
      pageSize: 7,
      concurrency: 1,
      retry: { retries: 3, baseMs: 1, maxMs: 1 },
      ...(tuning as Omit<MigratorOptions, 'transform'>),
    });
  }

  /** Rows that differ between the two sides, each with how often it is there too often (or, below 0, missing). */
  differences(expected: readonly TextRow[] = this.rows): Record<string, number> {
    const counts = new Map<string, number>();
    const count = (row: TextRow, by: number): void => {
      const text = JSON.stringify(row);
      counts.set(text, (counts.get(text) ?? 0) + by);
    };
    for (const row of this.table.rows.values()) count(row, 1);
    for (const row of expected) count(row, -1);
    return Object.fromEntries([...counts].filter(([, surplus]) => surplus !== 0));
  }

  /** Rows that the checkpoints say are in. */
  recorded(): number {
    return this.database.checkpoints.reduce((sum, checkpoint) => sum + checkpoint.recordsProcessed, 0);
  }

  /** Everything that is stored, to compare before and after. */
  image(): unknown {
    const { tables, checkpoints, plans, rejects } = this.database;
    return structuredClone({ tables, checkpoints, plans, rejects, source: this.rows });
  }
}

/** The error that a call rejects with; fails where it resolves. */
export async function rejection(call: Promise<unknown>): Promise<unknown> {
  const answer = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in answer) return answer.error;
  throw new Error(`expected a rejection, found ${JSON.stringify(answer.value)}`);
}
