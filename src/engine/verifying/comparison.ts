import type { BatchEncoder, EncodedBatch, RejectedRow, TextRow } from '../../contract/index.ts';
import { BatchFiller } from '../copying/fill.ts';
import type { PlainJob } from '../copying/batches.ts';
import type { EngineOptions } from '../options.ts';
import { type KeyList, NotedKeys } from '../rows/noted-keys.ts';
import type { RowOutcome } from '../rows/refusal.ts';
import { orStopped } from '../retry.ts';
import type { Prepared } from '../planning/plan.ts';

/** A batch to compare, and what of the source it stands for. */
export interface ComparedRows {
  readonly batch: EncodedBatch;
  /** For each row of the batch the key of the source row that it comes from. */
  readonly keys: KeyList;
  /** Rows of the source. */
  readonly rows: number;
  readonly rejects: readonly RejectedRow[];
}

/** The rows of a batch at the most, and what ends comparing. */
export type Bounds = Pick<PlainJob, 'batchLimit' | 'stop'>;

/** Puts rows, as they should be in the sink, into batches to compare. */
export class ComparisonBatches {
  readonly #limit: Bounds['batchLimit'];
  readonly #encoder: BatchEncoder;
  readonly #filler: BatchFiller;
  readonly #keys: NotedKeys;

  constructor({ onReject, batchSize }: EngineOptions, prepared: Prepared, { batchLimit }: Bounds) {
    this.#limit = batchLimit;
    this.#encoder = prepared.target.encoder(batchSize);
    const { description } = prepared;
    this.#keys = new NotedKeys(description);
    const setAside = onReject === 'set-aside';
    // What cannot be copied is only counted here.
    this.#filler = new BatchFiller({ description, encoder: this.#encoder, seqOf: () => 0, setAside });
  }

  /** False: it does not fit; take the batch first, then put the row again. */
  put(row: TextRow, outcome: RowOutcome): boolean {
    const before = this.#encoder.rows;
    if (this.#filler.rows >= this.#limit.rows || !this.#filler.put(row, outcome)) return false;
    for (let made = this.#encoder.rows - before; made > 0; made -= 1) this.#keys.note(row);
    return true;
  }

  take(): ComparedRows {
    const { rows, rejects } = this.#filler.take();
    return { batch: this.#encoder.take(), keys: this.#keys.take(), rows, rejects };
  }
}

/** Rows that were read again, as they should be in the sink. */
export async function* comparedRows(
  options: EngineOptions,
  prepared: Prepared,
  bounds: Bounds,
  rows: readonly TextRow[],
): AsyncGenerator<ComparedRows, void> {
  const batches = new ComparisonBatches(options, prepared, bounds);
  for (const row of rows) {
    const outcome = await outcomeOf(prepared, row, bounds.stop);
    if (batches.put(row, outcome)) continue;
    yield batches.take();
    batches.put(row, outcome);
  }
  yield batches.take();
}

/** What a row of the source should be in the sink. */
export async function outcomeOf(
  { pipeline }: Prepared,
  row: TextRow,
  signal: AbortSignal | undefined,
): Promise<RowOutcome> {
  const outcome = pipeline === null ? [row] : pipeline.process(row);
  return outcome instanceof Promise ? await orStopped(outcome, signal) : outcome;
}
