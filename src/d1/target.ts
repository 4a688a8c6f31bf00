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
import { D1CheckpointStore } from './checkpoint-store.ts';
import type { D1Connection, Query } from './connection.ts';
import { compareBatch, deleteKeys, isOrderedAlike, readKeys, within } from './compare.ts';
import { type D1Batch, D1Encoder, maxRowBytes } from './encoder.ts';
import { estimateCopy } from './estimate.ts';
import { keyFormsOf } from './key-values.ts';
import { D1RestDatabase } from './rest-database.ts';
import { createTableStatement } from './table.ts';
import { type ColumnForm, valueExpression } from './types.ts';

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
  /** True: the table is made when the copy starts. */
  readonly missing: boolean;
  /** True: a row can be found by the key. */
  readonly upsert: boolean;
  /** Indexes that get an entry for every row: what the table has, or will have. */
  readonly indexes: number;
  /** True: the statements of a batch are one transaction. */
  readonly atomic: boolean;
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
  readonly #parts: D1TargetParts;
  readonly #keyForms: readonly ColumnForm[];
  readonly #insertInto: RawBuilder<unknown>;
  readonly #onConflict: RawBuilder<unknown>;
  readonly verifier: SinkVerifier<D1Batch> | undefined;
  #exists: boolean;
  #store: D1CheckpointStore | null = null;

  constructor(parts: D1TargetParts) {
    const { table, shape, upsert } = parts;
    this.identity = `D1 table ${table}`;
    this.settings = parts.settings;
    this.findings = parts.findings;
    this.statements = parts.missing
      ? [parts.connection.compile(createTableStatement(table, shape, parts.forms)).sql]
      : [];
    this.database = parts.connection.identity;
    this.mode = upsert ? 'upsert' : 'insert';
    this.#parts = parts;
    this.#keyForms = keyFormsOf(shape, parts.forms);
    this.#exists = !parts.missing;
    // Without the source's own text of a key a row could be taken for another, or for one too many.
    const keysAreKnown = this.#keyForms.every(({ decode }) => decode !== null);
    this.verifier = upsert && keysAreKnown ? this.#makeVerifier() : undefined;
    this.#insertInto = sql`INSERT INTO ${sql.id(table)} (${sql.join(shape.columns.map(({ name }) => sql.id(name)))})`;
    this.#onConflict = upsert ? onConflict(shape) : sql``;
  }

  estimate(workload: Workload): SinkEstimate {
    const { connection, table, forms, missing, indexes } = this.#parts;
    const overRest = connection.database instanceof D1RestDatabase;
    const oneRequest = this.#store !== null;
    const facts = { table, forms, keyForms: this.#keyForms, missing, indexes, overRest, oneRequest };
    return estimateCopy(facts, workload);
  }

  delivery(store: CheckpointStore): Delivery {
    const together = store instanceof D1CheckpointStore && store.sharesDatabaseWith(this.#parts.connection);
    this.#store = together && this.#parts.atomic ? store : null;
    return this.#store ? 'exactly-once' : 'at-least-once';
  }

  async create(context?: CallContext): Promise<void> {
    if (this.#exists) return;
    const { connection, table, shape, forms } = this.#parts;
    await connection.changes(createTableStatement(table, shape, forms), context);
    this.#exists = true;
  }

  encoder(maxRows?: number): BatchEncoder<D1Batch> {
    return new D1Encoder(this.#parts.forms, maxRows);
  }

  async commit(batch: D1Batch, advance: Advance, context?: CallContext): Promise<CommitOutcome> {
    const { connection } = this.#parts;
    if (this.#store === null) {
      throw new MigratorError('INTERNAL', 'A commit needs a checkpoint store in the same database.', {
        help: 'Ask delivery() first, and commit() only where it says exactly-once.',
      });
    }
    const { condition, move } = this.#store.guard(advance);
    const results = await connection.batch([this.#insert(batch, condition), move], context);
    const changes = results[1]?.meta.changes;
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
    await this.#parts.connection.batch([this.#insert(batch, sql`true`)], context);
  }

  async isEmpty(context?: CallContext): Promise<boolean> {
    if (!this.#exists) return true;
    const { connection, table } = this.#parts;
    return (await connection.rows(sql`SELECT 1 FROM ${sql.id(table)} LIMIT 1`, context)).length === 0;
  }

  async countRows(range?: KeyRange, context?: CallContext): Promise<number | null> {
    if (!this.#exists) return 0;
    const { connection, table, shape } = this.#parts;
    if (range && !isOrderedAlike(shape, this.#keyForms)) return null;
    const where = range ? sql` WHERE ${within(this.#keyForms, range)}` : sql``;
    const [row] = await connection.rows(sql`SELECT count(*) AS rows FROM ${sql.id(table)}${where}`, context);
    return Number(row?.['rows']);
  }

  /** The rows' statement: one JSON text, and the values of a single row that are too large for it. */
  #insert(batch: D1Batch, condition: RawBuilder<unknown>): Query {
    return this.#parts.connection.compile(
      sql`${this.#insertInto} SELECT ${sql.join(this.#values(batch))} FROM json_each(${batch.json}) WHERE ${condition}${this.#onConflict}`,
    );
  }

  /** The values of a row in the form in which they are stored. */
  #values(batch: D1Batch, row: RawBuilder<unknown> = sql`value`): RawBuilder<unknown>[] {
    return this.#parts.forms.map((form, column) => {
      const large = batch.large.find((value) => value.column === column);
      return large
        ? largeValue(large.pieces, form)
        : valueExpression(form, column, batch.pairs.has(column), row);
    });
  }

  #makeVerifier(): SinkVerifier<D1Batch> {
    const { connection, table, shape } = this.#parts;
    const keyForms = this.#keyForms;
    return {
      compare: async (batch, span, context) => {
        const { json, rows } = batch;
        const values = this.#values(batch, sql`batch.value`);
        return await compareBatch(connection, table, shape, keyForms, { json, rows, values }, span, context);
      },
      keys: async (after, limit, context) =>
        await readKeys(connection, table, keyForms, after, limit, context),
      delete: async (keys, context) => await deleteKeys(connection, table, keyForms, keys, context),
    };
  }
}

function largeValue(pieces: readonly string[], { large }: ColumnForm): RawBuilder<unknown> {
  if (large !== 'hex') return sql`${pieces[0]}`;
  return sql`CAST(${sql.join(
    pieces.map((piece) => sql`unhex(${piece})`),
    sql` || `,
  )} AS BLOB)`;
}

function onConflict({ columns, key }: RowShape): RawBuilder<unknown> {
  const others = columns.filter(({ name }) => !key.some((column) => column.name === name));
  const target = sql` ON CONFLICT (${sql.join(key.map(({ name }) => sql.id(name)))}) DO`;
  if (others.length === 0) return sql`${target} NOTHING`;
  return sql`${target} UPDATE SET ${sql.join(others.map(({ name }) => sql`${sql.id(name)} = excluded.${sql.id(name)}`))}`;
}
