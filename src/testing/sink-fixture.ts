import type {
  Advance,
  Checkpoint,
  CheckpointStore,
  ColumnDescriptor,
  CommitOutcome,
  Delivery,
  EncodedBatch,
  RowShape,
  Sink,
  SinkTarget,
  TextRow,
} from '../contract/index.ts';
import { equal, ok } from './check.ts';
import { advanceOf, claimOne, integerSettings, rangesUpTo } from './plans.ts';
import type { Disposer, TestFunction } from './suite.ts';

/**
 * A sink to check, over an empty table with the columns of {@link sinkSuiteShape}, and a view of that table. Nothing is
 * set aside in its `rejects`, where it has one.
 */
export interface SinkFixture extends Disposer {
  readonly sink: Sink<object>;
  /** The rows of the table in any order, as canonical text: `id`, `name`, `note`. */
  readRows(): Promise<readonly TextRow[]>;
}

/** The options of {@link sinkSuite}. */
export interface SinkSuiteOptions {
  readonly test: TestFunction;
  /** Makes a sink over an empty table. Called for each test. */
  create(): Promise<SinkFixture>;
  /** `upsert`: `id` is the table's key. `insert`: the table has no key, and rows are only added. */
  readonly mode: 'upsert' | 'insert';
  /**
   * Whether rows and checkpoint move in one transaction, with the sink's own store. False declares at-least-once
   * delivery: the suite then checks that writing twice changes nothing, which `insert` cannot promise. Default true.
   */
  readonly atomic?: boolean | undefined;
  /** False declares that the sink cannot count the rows of a range of integer keys. Default true. */
  readonly countsRanges?: boolean | undefined;
}

const id: ColumnDescriptor = { name: 'id', type: 'integer', nativeType: 'int8', nullable: false };
const text = { type: 'text', nativeType: 'text', nullable: true } as const;

/** The rows that the suite writes: the table of a fixture has these columns. `name` and `note` can be null. */
export const sinkSuiteShape: RowShape = {
  migration: 'sink suite',
  columns: [id, { name: 'name', ...text }, { name: 'note', ...text }],
  key: [id],
};

/** Rows in key order whose values a careless encoding changes. */
export const sinkRows: readonly TextRow[] = [
  ['-9223372036854775808', 'smallest', null],
  ['-9007199254740993', null, null],
  ['-1', '', ' '],
  ['0', 'null', 'NULL'],
  ['1', '007', '1e3'],
  ['2', '["123"]', '{"a": [1, null]}'],
  ['3', "it's", '"quoted"; -- \\ %s ?1 $1'],
  ['10', 'two\nlines', 'tab\tand\r\nreturn'],
  ['1000', 'Zürich', '東京 🚀 e\u0301'],
  ['9007199254740993', 'true', '9007199254740993'],
  ['9223372036854775806', 'x'.repeat(5_000), '-0'],
  ['9223372036854775807', 'largest', '\u0001\u2028'],
];

/** What one test of the suite works with: the table made, one checkpoint over all keys claimed. */
export interface SinkBench {
  readonly sink: Sink<object>;
  readonly store: CheckpointStore;
  readonly target: SinkTarget;
  readonly delivery: Delivery;
  readonly checkpoint: Checkpoint;
  /** An advance of the checkpoint from its start. */
  advance(to: TextRow, more?: Partial<Advance>): Advance;
  /** Rows as one batch; they must fit into one. */
  batch(rows: readonly TextRow[]): EncodedBatch;
  /** Writes rows and moves the checkpoint, in the way that the sink's delivery asks for. */
  deliver(batch: EncodedBatch, advance: Advance): Promise<CommitOutcome>;
  /** Fails unless the table holds these rows and no others. */
  holds(rows: readonly TextRow[], what: string): Promise<void>;
}

/** Registers a test that is given a prepared sink. */
export type SinkTest = (name: string, run: (bench: SinkBench) => Promise<void>) => void;

/** Prepares a sink as the engine does. */
export async function benchOf({ sink, readRows }: SinkFixture): Promise<SinkBench> {
  const { migration } = sinkSuiteShape;
  const store = sink.checkpoints;
  const target = await sink.prepare(sinkSuiteShape);
  const delivery = target.delivery(store);
  await store.prepare();
  await target.create();
  const ranges = rangesUpTo(['9223372036854775807']);
  ok(
    await store.append(migration, { settings: integerSettings, afterSeq: 0, ranges }),
    'append() answered false',
  );
  const checkpoint = await claimOne(store, migration);
  return {
    sink,
    store,
    target,
    delivery,
    checkpoint,
    advance: (to, more) => advanceOf(migration, checkpoint, [to[0] ?? ''], more),
    batch: (rows) => {
      const encoder = target.encoder();
      for (const row of rows) ok(encoder.add(row), 'a few small rows do not fit into one batch');
      return encoder.take();
    },
    deliver: async (batch, advance) => {
      if (delivery === 'exactly-once') return await target.commit(batch, advance);
      await target.write(batch);
      return await store.advance(advance);
    },
    holds: async (rows, what) => equal(sorted(await readRows()), sorted(rows), what),
  };
}

/** The row of {@link sinkRows} at this index. */
export function sinkRow(index: number): TextRow {
  return sinkRows[index] ?? [];
}

function sorted(rows: readonly TextRow[]): TextRow[] {
  return rows.toSorted((a, b) => {
    const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  });
}
