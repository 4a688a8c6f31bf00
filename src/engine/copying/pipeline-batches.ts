import type { BatchEncoder, BatchEnd, Key, KeyRange } from '../../contract/index.ts';
import type { Room } from '../batch-queue.ts';
import { type Batches, type FilledBatch, nothingTaken, type OnFull } from './batches.ts';
import { BatchFiller } from './fill.ts';
import type { CopyJob } from './job.ts';
import { pages } from '../pages.ts';
import { orStopped } from '../retry.ts';
import { keyOf } from '../paging.ts';
import type { RowPipeline } from '../rows/pipeline.ts';

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

  async fill(range: KeyRange, cursor: Key | null, onFull: OnFull, room: Room): Promise<void> {
    const { batchLimit, pageSize, batchSize = Infinity, stop } = this.#job;
    for await (const page of pages(this.#job, range, cursor)) {
      for (const row of page.rows) {
        const processed = this.#pipeline.process(row);
        const outcome = processed instanceof Promise ? await orStopped(processed, stop) : processed;
        // Where rows are skipped the cursor has to move all the same.
        let isFull = this.#filler.rows >= Math.min(batchLimit.rows, pageSize);
        for (; isFull || !this.#filler.put(row, outcome); isFull = false) {
          if (this.#filler.rows === 0) throw nothingTaken().with({ key: keyOf(this.#job.description, row) });
          const isLimit = isFull || this.#encoder.rows >= batchSize;
          onFull(this.#take(isLimit ? 'rows' : 'bytes'));
          await room();
        }
      }
    }
  }

  rest(): FilledBatch | null {
    return this.#filler.rows > 0 ? this.#take('checkpoint') : null;
  }

  #take(end: BatchEnd): FilledBatch {
    const { last, ...filled } = this.#filler.take();
    return { batch: this.#encoder.take(), ...filled, last: keyOf(this.#job.description, last), end };
  }
}
