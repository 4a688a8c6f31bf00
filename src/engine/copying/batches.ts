import type { BatchEncoder, EncodedBatch, Key, KeyRange, RejectedRow, TextRow } from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import { BatchFiller } from './fill.ts';
import type { CopyJob } from './job.ts';
import { keyOf, pages, readRange } from '../paging.ts';
import type { RowPipeline } from '../rows/pipeline.ts';

/** A batch, and what of the source it deals with. */
export interface FilledBatch {
  readonly batch: EncodedBatch;
  readonly rows: number;
  readonly rejects: readonly RejectedRow[];
  /** The last of these rows. */
  readonly last: TextRow;
}

/** Takes a batch that is full. */
type OnFull = (filled: FilledBatch) => void;

/** Turns the rows of a range into batches. */
export interface Batches {
  /** @param room - waited for before more is read. */
  fill(range: KeyRange, cursor: Key | null, onFull: OnFull, room: () => Promise<void>): Promise<void>;
  /** What did not fill a batch; null: nothing. */
  rest(): FilledBatch | null;
}

/** Rows that are written as they were read: each is encoded when it arrives, and nothing of it is kept. */
export class PlainBatches implements Batches {
  readonly #job: CopyJob;
  readonly #encoder: BatchEncoder;
  #last: TextRow = [];

  constructor(job: CopyJob) {
    this.#job = job;
    this.#encoder = job.target.encoder(job.batchSize);
  }

  async fill(range: KeyRange, cursor: Key | null, onFull: OnFull, room: () => Promise<void>): Promise<void> {
    const { batchLimit } = this.#job;
    const take = (row: TextRow): void => {
      if (this.#encoder.rows >= batchLimit.rows || !this.#add(row)) {
        onFull(this.#take());
        this.#add(row);
      }
      this.#last = row;
    };
    await readRange(this.#job, range, cursor, take, room);
  }

  rest(): FilledBatch | null {
    return this.#encoder.rows > 0 ? this.#take() : null;
  }

  #take(): FilledBatch {
    const batch = this.#encoder.take();
    return { batch, rows: batch.rows, rejects: [], last: this.#last };
  }

  #add(row: TextRow): boolean {
    try {
      return this.#encoder.add(row);
    } catch (error) {
      throw isMigratorError(error) ? error.with({ key: keyOf(this.#job.description, row) }) : error;
    }
  }
}

/** Rows that go through a transform or a validation, which may take its time. */
export class PipelineBatches implements Batches {
  readonly #job: CopyJob;
  readonly #pipeline: RowPipeline;
  readonly #encoder: BatchEncoder;
  readonly #filler: BatchFiller;

  /** @param seq - of the checkpoint, for rows that are set aside. */
  constructor(job: CopyJob, pipeline: RowPipeline, seq: number) {
    const { description, setAside } = job;
    this.#job = job;
    this.#pipeline = pipeline;
    this.#encoder = job.target.encoder(job.batchSize);
    this.#filler = new BatchFiller({ description, encoder: this.#encoder, seqOf: () => seq, setAside });
  }

  async fill(range: KeyRange, cursor: Key | null, onFull: OnFull, room: () => Promise<void>): Promise<void> {
    const { batchLimit, pageSize } = this.#job;
    for await (const page of pages(this.#job, range, cursor)) {
      for (const row of page.rows) {
        const processed = this.#pipeline.process(row);
        const outcome = processed instanceof Promise ? await processed : processed;
        // Where rows are skipped the cursor has to move all the same.
        const isFull = this.#filler.rows >= Math.min(batchLimit.rows, pageSize);
        if (!isFull && this.#filler.put(row, outcome)) continue;
        onFull(this.#take());
        await room();
        this.#filler.put(row, outcome);
      }
    }
  }

  rest(): FilledBatch | null {
    return this.#filler.rows > 0 ? this.#take() : null;
  }

  #take(): FilledBatch {
    return { batch: this.#encoder.take(), ...this.#filler.take() };
  }
}
