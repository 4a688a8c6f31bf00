import { type RawBuilder, sql } from 'kysely';
import type {
  Advance,
  BatchEncoder,
  CallContext,
  CheckpointStore,
  CommitOutcome,
  Delivery,
  Finding,
  KeyRange,
  RowShape,
  SinkEstimate,
  SinkTarget,
  SinkVerifier,
  Workload,
} from '../contract/index.ts';
import { MigratorError } from '../errors.ts';
import { D1CheckpointStore } from './checkpoints/checkpoint-store.ts';
import type * as Compare from './compare.ts';
import { compiled, type D1Connection } from './connection.ts';
import type { Ddl } from './schema/ddl.ts';

import type { D1RejectStore } from './checkpoints/rejects.ts';
import { BufferPool } from './rows/buffer-pool.ts';
import { type D1Batch, D1Encoder, maxRowBytes } from './rows/encoder.ts';
import { RowsStatement } from './rows/statement.ts';
import { identifiers, keyFormsOf, type ColumnForm } from './values/types.ts';

/** What a {@link D1Target} is made of. */
export interface D1TargetParts {
  readonly connection: D1Connection;
  readonly table: string;
  readonly shape: RowShape;
  /** How each column of the shape is stored. */
  readonly forms: readonly ColumnForm[];
  /** Stored forms that are not the defaults. */
  readonly settings: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
  /** What is made when the copy starts, and after it. */
  readonly ddl: Ddl;
  /** The table as another process has made it meanwhile. */
  readonly again: (context?: CallContext) => Promise<D1Target>;
  /** True: a row can be found by the key. */
  readonly upsert: boolean;
  /** True: the source's own text of a row's key can be had back from what is stored. */
  readonly keysAreKnown: boolean;
  /** Indexes that get an entry for every row, without those that {@link ddl} adds. */
  readonly ownIndexes: number;
  /** True: the table that is there may leave rows out, or delete others, where a constraint is broken. */
  readonly settlesConflicts: boolean;
  /** True: the statements of a batch are one transaction. */
  readonly atomic: boolean;
  /** Where rows are set aside. */
  readonly rejects: D1RejectStore;
}

/** A D1 table that takes rows, over the binding or over REST alike. */
export class D1Target implements SinkTarget<D1Batch> {
  readonly identity: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
  readonly statements: readonly string[];
  readonly database: string | undefined;
  readonly mode: 'upsert' | 'insert';
  readonly maxRowBytes: number = maxRowBytes;
  /** How the columns are stored, to tell whether another target writes the same. */
  readonly columnTypes: string;
  readonly #parts: D1TargetParts;
  readonly #buffers = new BufferPool();
  readonly #place: Compare.Place;
  /** The parts of the statement that are the same for every batch, as they stand in it. */
  readonly #insertInto: RawBuilder<unknown>;
  readonly #onConflict: RawBuilder<unknown>;
  readonly #rows: RowsStatement;
  readonly verifier: SinkVerifier<D1Batch> | undefined;
  /** Makes the indexes that wait for the end of the copy; left out where there are none. */
  readonly finish: ((context?: CallContext) => Promise<void>) | undefined;
  #exists: boolean;
  #store: D1CheckpointStore | null = null;

  constructor(parts: D1TargetParts) {
    const { connection, table, shape, upsert } = parts;
    this.identity = `D1 table ${table}`;
    this.settings = parts.settings;
    this.findings = [...parts.findings, ...parts.ddl.findings];
    const { drop, create, before, after } = parts.ddl;
    this.statements = [drop, create, ...before, ...after].filter((statement) => statement !== null);
    this.database = connection.identity;
    this.mode = upsert ? 'upsert' : 'insert';
    this.#parts = parts;
    this.#place = { connection, table, shape, forms: parts.forms, keyForms: keyFormsOf(shape, parts.forms) };
    this.#exists = create === null;
    this.finish = after.length > 0 ? (context) => this.#runEach(after, context) : undefined;
    this.columnTypes = parts.forms.map(({ columnType }) => columnType).join();
    this.verifier = upsert && parts.keysAreKnown ? this.#makeVerifier() : undefined;
    // Only where it is needed: what triggers do themselves where a row is there already would fail as well.
    const orAbort = sql.raw(parts.settlesConflicts ? 'OR ABORT ' : '');
    const names = sql.join(identifiers(shape.columns));
    // By another name, as `excluded` could be its own.
    this.#insertInto = fixed(sql`INSERT ${orAbort}INTO ${sql.id(table)} AS target (${names})`);
    this.#onConflict = fixed(upsert ? onConflict(shape) : sql``);
    this.#rows = new RowsStatement(parts.forms, table);
  }

  async estimate(workload: Workload): Promise<SinkEstimate> {
    const { estimateCopy } = await import('./estimate.ts');
    return estimateCopy({ ...this.#parts, ...this.#place, oneRequest: this.#store !== null }, workload);
  }

  delivery(store: CheckpointStore): Delivery {
    const together = store instanceof D1CheckpointStore && store.sharesDatabaseWith(this.#parts.connection);
    this.#store = together && this.#parts.atomic ? store : null;
    if (this.#parts.ddl.drop !== null && !this.#store) {
      throw new MigratorError(
        'INVALID_OPTION',
        `The D1 table ${this.#parts.table} cannot be replaced safely here.`,
        {
          migration: this.#parts.shape.migration,
          help: "createTable: 'replace' needs an endpoint whose batches are transactions, and the checkpoints in the same database. Drop the table by hand and use 'if-missing'.",
        },
      );
    }
    return this.#store ? 'exactly-once' : 'at-least-once';
  }

  async create(context?: CallContext): Promise<void> {
    const { drop, create, before } = this.#parts.ddl;
    if (!this.#exists && drop !== null) {
      const { replaceTable } = await import('./schema/ddl.ts');
      await replaceTable(this, this.#parts, this.#storeBeside(), context);
    } else await this.#runEach([...(this.#exists || create === null ? [] : [create]), ...before], context);
    this.#exists = true;
  }

  encoder(maxRows?: number): BatchEncoder<D1Batch> {
    const { forms, connection } = this.#parts;
    return new D1Encoder(forms, maxRows, connection.overRest, this.#buffers);
  }

  async commit(batch: D1Batch, advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    const { connection } = this.#parts;
    const { condition, move } = this.#storeBeside().guard(advance);
    const results = await connection.batch([...(await this.#inserts(batch, condition)), move], context);
    const changes = results.at(-1)?.meta.changes;
    if (changes !== 0 && changes !== 1) {
      throw new MigratorError('SINK_PROTOCOL', 'D1 did not say how many rows a statement changed.', {
        help: 'The migrator reads the checkpoint to learn what was written.',
        ambiguous: true,
        retryable: true,
      });
    }
    return changes === 1 ? 'committed' : 'stale';
  }

  async write(batch: D1Batch, context?: CallContext): Promise<void> {
    const inserts = await this.#inserts(batch, sql`true`);
    if (inserts.length > 0) await this.#parts.connection.batch(inserts, context);
  }

  async isEmpty(context?: CallContext): Promise<boolean> {
    if (!this.#exists) return true;
    const { connection, table } = this.#parts;
    return (await connection.rows(sql`SELECT 1 FROM ${sql.id(table)} LIMIT 1`, context)).length === 0;
  }

  async countRows(range?: KeyRange, context?: CallContext): Promise<number | null> {
    if (!this.#exists && this.#parts.ddl.drop === null) return 0;
    return await (await compare()).countRows(this.#place, range, context);
  }

  #storeBeside(): D1CheckpointStore {
    if (this.#store !== null) return this.#store;
    throw new MigratorError('INTERNAL', 'This needs a checkpoint store in the same database.', {
      help: 'Ask delivery() first, and go on only where it says exactly-once.',
    });
  }

  async #runEach(statements: readonly string[], context?: CallContext): Promise<void> {
    for (const statement of statements) await this.#parts.connection.changes(sql.raw(statement), context);
  }

  /** What a batch writes: its rows, and those that are set aside. */
  async #inserts(batch: D1Batch, condition: RawBuilder<unknown>): Promise<RawBuilder<unknown>[]> {
    const { shape, rejects } = this.#parts;
    const inserts = batch.rows > 0 ? [this.#insert(batch, condition)] : [];
    if (batch.rejects !== '') {
      inserts.push(await rejects.insert(shape.migration, batch.rejects, condition));
    }
    return inserts;
  }

  /** The rows' statement: one text, and the values of a single row that are too large for it. */
  #insert(batch: D1Batch, condition: RawBuilder<unknown>): RawBuilder<unknown> {
    const values = sql.join(this.#rows.values(batch));
    return sql`${this.#insertInto} ${this.#rows.table(batch)} SELECT ${values} FROM ${this.#rows.from} WHERE ${condition}${this.#onConflict}`;
  }

  #makeVerifier(): SinkVerifier<D1Batch> {
    const place = this.#place;
    return {
      compare: async (batch, span, context) => {
        const { compareBatch } = await compare();
        const rows = this.#rows;
        const compared = {
          rows: batch.rows,
          table: rows.table(batch),
          from: rows.from,
          values: rows.values(batch),
        };
        return await compareBatch(place, compared, span, context);
      },
      keys: async (after, limit, context) => await (await compare()).readKeys(place, after, limit, context),
      delete: async (keys, context) => await (await compare()).deleteKeys(place, keys, context),
    };
  }
}

/** What compares is loaded when it is asked for: copying needs none of it. */
const compare = (): Promise<typeof Compare> => import('./compare.ts');

/** A part of a statement without parameters, written out once. */
function fixed(part: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql.raw(compiled(part).sql);
}

function onConflict({ columns, key }: RowShape): RawBuilder<unknown> {
  const others = columns.filter(({ name }) => !key.some((column) => column.name === name));
  const target = sql` ON CONFLICT (${sql.join(identifiers(key))}) DO`;
  if (others.length === 0) return sql`${target} NOTHING`;
  return sql`${target} UPDATE SET ${sql.join(identifiers(others).map((name) => sql`${name} = excluded.${name}`))}`;
}
