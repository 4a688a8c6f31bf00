import type {
  BatchEnd,
  BatchEncoder,
  ByteRows,
  EncodedBatch,
  Key,
  KeyRange,
  RejectedRow,
  SinkTarget,
  TextRow,
} from '../../contract/index.ts';
import type { Room } from '../batch-queue.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import { keyOf, type PageReader, type RangeTaker, readRange } from '../paging.ts';
import { NotedKey, textRowOf } from '../rows/byte-rows.ts';
import type { NotedKeys } from '../rows/noted-keys.ts';

/** A batch, and what of the source it deals with. */
export interface FilledBatch {
  readonly batch: EncodedBatch;
  readonly rows: number;
  readonly rejects: readonly RejectedRow[];
  /** The key of the last of these rows. */
  readonly last: Key;
  readonly end: BatchEnd;
}

/** Takes a batch that is full. */
export type OnFull = (filled: FilledBatch) => void;

/** Turns the rows of a range into batches. */
export interface Batches {
  /** @param room - waited for before more is read. */
  fill(range: KeyRange, cursor: Key | null, onFull: OnFull, room: Room): Promise<void>;
  /** What did not fill a batch; null: nothing. */
  rest(): FilledBatch | null;
}

/** What putting rows into batches as they are needs. */
export interface PlainJob extends PageReader {
  readonly target: Pick<SinkTarget, 'encoder'>;
  readonly batchSize: number | undefined;
  readonly encoders: BatchEncoder[];
  readonly batchLimit: { readonly rows: number; readonly pageRows: number; filled(): void };
}

/** Rows that are written as they were read: each is encoded when it arrives, and nothing of it is kept. */
export class PlainBatches implements Batches, RangeTaker {
  readonly #job: PlainJob;
  readonly #keys: NotedKeys | null;
  readonly #encoder: BatchEncoder;
  /** The reading notes it once a row was taken: while one is, it is the key of the row before. */
  readonly #last: NotedKey;
  #onFull: OnFull = () => undefined;

  /** @param keys - notes the key of every row, for whoever takes the batches. */
  constructor(job: PlainJob, keys: NotedKeys | null = null) {
    this.#job = job;
    this.#keys = keys;
    this.#encoder = job.encoders.pop() ?? job.target.encoder(job.batchSize);
    this.#last = new NotedKey(job.description);
  }

  async fill(range: KeyRange, cursor: Key | null, onFull: OnFull, room: Room): Promise<void> {
    this.#onFull = onFull;
    await readRange(this.#job, range, cursor, this, room, this.#last);
  }

  row(values: TextRow): void {
    try {
      for (let isLimit = this.#isLimit; isLimit || !this.#encoder.add(values); isLimit = false) {
        if (this.#encoder.rows === 0) throw nothingTaken();
        this.#full(isLimit);
      }
    } catch (error) {
      throw this.#placed(error, values);
    }
    this.#keys?.note(values);
  }

  bytes(rows: ByteRows): void {
    for (let next = 0; next < rows.rows;) {
      const before = this.#encoder.rows;
      const left = this.#job.batchLimit.rows - before;
      const most = Math.min(rows.rows, next + left);
      const taken = left > 0 ? this.#addBytes(rows, next, most) : 0;
      for (let row = next; this.#keys && row < next + taken; row += 1) this.#keys.noteBytes(rows, row);
      next += taken;
      if (next === rows.rows) return;
      if (this.#encoder.rows === 0) throw nothingTaken();
      // Of the rows before these, where none of these is in the batch.
      if (next > 0) this.#last.noteBytes(rows, next - 1);
      this.#full(this.#isLimit);
    }
  }

  /** True: the batch has as many rows as it may have. */
  get #isLimit(): boolean {
    return this.#encoder.rows >= this.#job.batchLimit.rows;
  }

  /** Adds as many of these rows as fit. Returns how many. */
  #addBytes(rows: ByteRows, first: number, end: number): number {
    const encoder = this.#encoder;
    const before = encoder.rows;
    try {
      if (encoder.addBytes) return encoder.addBytes(rows, first, end);
      let next = first;
      while (next < end && encoder.add(textRowOf(rows, next))) next += 1;
      return next - first;
    } catch (error) {
      throw this.#placed(error, textRowOf(rows, first + encoder.rows - before));
    }
  }

  #full(isLimit: boolean): void {
    this.#job.batchLimit.filled();
    this.#onFull(this.#take(isLimit ? 'rows' : 'bytes'));
  }

  #placed(error: unknown, values: TextRow): unknown {
    return isMigratorError(error) ? error.with({ key: keyOf(this.#job.description, values) }) : error;
  }

  rest(): FilledBatch | null {
    return this.#encoder.rows > 0
      ? { ...this.last(), rejects: [], last: this.#last.key, end: 'checkpoint' }
      : null;
  }

  /** What is left at the end, which may be no rows. */
  last(): Pick<FilledBatch, 'batch' | 'rows'> {
    const batch = this.#encoder.take();
    // Its buffer has grown to what such rows need.
    this.#job.encoders.push(this.#encoder);
    return { batch, rows: batch.rows };
  }

  #take(end: BatchEnd): FilledBatch {
    const batch = this.#encoder.take();
    return { batch, rows: batch.rows, rejects: [], last: this.#last.key, end };
  }
}

/** An empty batch has room for any row: without it the row would be lost. */
export function nothingTaken(): MigratorError {
  return new MigratorError('INTERNAL', 'The sink took no row into an empty batch.', {
    help: 'The encoder of a sink has to take a row that stands alone, or to throw.',
  });
}
