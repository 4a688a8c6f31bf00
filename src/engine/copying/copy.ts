import type { Advance, BatchEnd, EncodedBatch, Key, RejectedRow } from '../../contract/index.ts';
import { BatchQueue } from '../batch-queue.ts';
import { type FilledBatch, PlainBatches } from './batches.ts';
import type { HeldCheckpoint } from './held-checkpoint.ts';
import type { CopyJob } from './job.ts';
import { sleep } from '../retry.ts';
import { complete, type NotOurs, type Position, send } from './send.ts';

/** Told of every batch once it is durably in. */
export type OnCommitted = (batch: {
  readonly cursor: Key;
  readonly rows: number;
  readonly written: number;
  readonly rejects: readonly RejectedRow[];
  readonly bytes: number;
  readonly end: BatchEnd;
  readonly milliseconds: number;
  readonly checkpointRows: number;
}) => void;

/** How the copy of a checkpoint ended. An error is thrown instead. */
export type CopyEnd = 'completed' | 'stopped' | NotOurs;

/** A batch that waits for its turn, and how it moves the checkpoint. */
interface Filled {
  readonly batch: EncodedBatch;
  readonly advance: Advance;
  readonly rejects: readonly RejectedRow[];
  readonly end: BatchEnd;
}

/** Ends the reading of rows for a reason that is no error. */
class Interrupted extends Error {
  readonly end: CopyEnd | Position;
  constructor(end: CopyEnd | Position) {
    super('interrupted');
    this.end = end;
  }
}

/**
 * Copies one claimed checkpoint from where it stands to its end. Rows are encoded while they arrive, and a write is in flight meanwhile;
 * batches are written one after the other. Once one waits behind the one in flight no further page is asked for. Where the outcome of a
 * write is not known, the stored checkpoint decides.
 */
export async function copyCheckpoint(
  job: CopyJob,
  held: HeldCheckpoint,
  onCommitted: OnCommitted,
  onRead: () => void,
): Promise<CopyEnd> {
  const { cursor, recordsProcessed } = held.checkpoint;
  let position: Position = { cursor, rows: recordsProcessed };
  for (;;) {
    const end = await copyFrom(job, held, position, onCommitted, onRead);
    if (typeof end === 'string') return end;
    position = end;
  }
}

async function copyFrom(
  job: CopyJob,
  held: HeldCheckpoint,
  position: Position,
  onCommitted: OnCommitted,
  onRead: () => void,
): Promise<CopyEnd | Position> {
  const { checkpoint, lease } = held;
  let { cursor, rows: checkpointRows } = position;
  const queue = new BatchQueue(async ({ batch, advance, rejects, end }: Filled) => {
    const milliseconds = await job.inFlight(async () => {
      if (!job.admit(advance.rows)) throw new Interrupted('stopped');
      const started = performance.now();
      const sent = await send(job, held, batch, advance);
      if (sent !== 'committed') throw new Interrupted(sent);
      return performance.now() - started;
    });
    const { to, rows, written, complete: isLast } = advance;
    checkpointRows += rows;
    const { bytes } = batch;
    held.renewed();
    onCommitted({ cursor: to, rows, written, rejects, bytes, end, milliseconds, checkpointRows });
    if (job.batchDelayMs > 0 && !isLast) await sleep(job.batchDelayMs, job.stop).catch(() => undefined);
  });
  const source = job.pipeline?.batches(job, checkpoint.seq) ?? new PlainBatches(job);
  const push = ({ batch, rows, rejects, last, end }: FilledBatch, isLast: boolean): void => {
    const { rows: written } = batch;
    const { leaseMs } = job;
    const advance = {
      lease,
      from: cursor,
      to: last,
      rows,
      written,
      rejected: rejects.length,
      complete: isLast,
      leaseMs,
    };
    cursor = last;
    queue.push({ batch, advance, rejects, end });
  };

  try {
    await source.fill(
      checkpoint.range,
      cursor,
      (filled) => push(filled, false),
      () => queue.room(),
    );
    const rest = source.rest();
    if (rest) push(rest, true);
    onRead();
    await queue.drained();
    return rest ? 'completed' : await complete(job, lease);
  } catch (error) {
    // A write in flight is never abandoned, as it may still land; and what was read before the failure is good.
    const failure: unknown = await queue.drained().then(
      () => error,
      (queueError: unknown) => queueError,
    );
    if (failure instanceof Interrupted) return failure.end;
    const stopped = [job.stop, job.abort].some((signal) => signal.aborted && failure === signal.reason);
    if (stopped) return 'stopped';
    throw failure;
  }
}
