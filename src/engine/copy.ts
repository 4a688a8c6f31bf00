import type {
  Advance,
  CallContext,
  Checkpoint,
  CheckpointStore,
  EncodedBatch,
  Key,
  Lease,
  SinkTarget,
  TextRow,
} from '../contract/index.ts';
import { isMigratorError, type MigratorError } from '../errors.ts';
import { keyOf, pages, type PageReader, sameKey } from './paging.ts';
import { retryDelay, sleep, withRetries } from './retry.ts';

/** What the copy of one checkpoint needs from its run. */
export interface CopyJob extends PageReader {
  readonly migration: string;
  readonly target: SinkTarget;
  readonly store: CheckpointStore;
  readonly delivery: 'exactly-once' | 'at-least-once';
  readonly leaseMs: number;
  readonly batchDelayMs: number;
  /** The largest batch in rows that is tried now; shrinks for the whole run when the sink asks for it. */
  readonly batchLimit: { rows: number | undefined };
  /** Ends a batch in flight: the grace time is over. */
  readonly abort: AbortSignal;
  /** Asks to start one more batch. False: the run is to end. */
  admit(rows: number): boolean;
}

/** Told of every batch once it is durably in. */
export type OnCommitted = (batch: {
  readonly cursor: Key;
  readonly rows: number;
  readonly bytes: number;
  readonly milliseconds: number;
  readonly checkpointRows: number;
}) => void;

/** How the copy of a checkpoint ended. An error is thrown instead. */
export type CopyEnd = 'completed' | 'stopped' | 'lost';

/** Where the checkpoint durably stands, and how many of its rows are in. */
interface Position {
  readonly cursor: Key | null;
  readonly rows: number;
}

/** A `Position`: the checkpoint is ours but stands there, or the batch must be made smaller; read again from there. */
type SendEnd = 'committed' | 'lost' | Position;

/** Ends the reading of rows for a reason that is no error. */
class Interrupted extends Error {
  readonly end: 'stopped' | 'lost' | Position;
  constructor(end: 'stopped' | 'lost' | Position) {
    super('interrupted');
    this.end = end;
  }
}

/**
 * Copies one claimed checkpoint from where it stands to its end.
 *
 * Reading the next page, encoding the next batch and the write in flight overlap; batches of one checkpoint are
 * written one after the other. Whenever the outcome of a write is not known, the stored checkpoint decides.
 */
export async function copyCheckpoint(
  job: CopyJob,
  checkpoint: Checkpoint,
  onCommitted: OnCommitted,
): Promise<CopyEnd> {
  const lease: Lease = { migration: job.migration, id: checkpoint.id, fenceToken: checkpoint.fenceToken };
  const heartbeat = startHeartbeat(job, lease);
  let position: Position = { cursor: checkpoint.cursor, rows: checkpoint.recordsProcessed };
  try {
    for (;;) {
      const end = await copyFrom(job, checkpoint, lease, position, (batch) => {
        heartbeat.beat();
        onCommitted(batch);
      });
      if (typeof end === 'string') return end;
      position = end;
    }
  } finally {
    heartbeat.stop();
  }
}

async function copyFrom(
  job: CopyJob,
  checkpoint: Checkpoint,
  lease: Lease,
  position: Position,
  onCommitted: OnCommitted,
): Promise<CopyEnd | Position> {
  const encoder = job.target.encoder(job.batchLimit.rows);
  let { cursor, rows: checkpointRows } = position;
  let lastRow: TextRow = [];
  let inFlight: Promise<void> = Promise.resolve();

  const flush = async (complete: boolean): Promise<void> => {
    const batch = encoder.take();
    const advance: Advance = {
      lease,
      from: cursor,
      to: keyOf(job.description, lastRow),
      rows: batch.rows,
      complete,
      leaseMs: job.leaseMs,
    };
    cursor = advance.to;
    await inFlight;
    if (!job.admit(batch.rows)) throw new Interrupted('stopped');
    inFlight = (async () => {
      const started = performance.now();
      const end = await send(job, batch, advance);
      if (end !== 'committed') throw new Interrupted(end);
      checkpointRows += batch.rows;
      const milliseconds = performance.now() - started;
      onCommitted({ cursor: advance.to, rows: batch.rows, bytes: batch.bytes, milliseconds, checkpointRows });
      if (job.batchDelayMs > 0 && !complete) await sleep(job.batchDelayMs, job.stop).catch(() => undefined);
    })();
    inFlight.catch(() => undefined); // awaited by the next flush or at the end
  };

  try {
    for await (const page of pages(job, checkpoint.range, cursor)) {
      for (const row of page.rows) {
        if (!addRow(job, encoder, row)) {
          await flush(false);
          addRow(job, encoder, row);
        }
        lastRow = row;
      }
    }
    if (encoder.rows > 0) await flush(true);
    else await releaseCompleted(job, lease);
    await inFlight;
    return 'completed';
  } catch (error) {
    // A write in flight is never abandoned: it may still land.
    const failure: unknown = await inFlight.then(
      () => error,
      (inFlightError: unknown) => inFlightError,
    );
    if (failure instanceof Interrupted) return failure.end;
    const stopped = [job.stop, job.abort].some((signal) => signal.aborted && failure === signal.reason);
    if (stopped) return 'stopped';
    throw failure;
  }
}

/** Sends a batch until it is known to be in, or known not to be ours any more. */
async function send(job: CopyJob, batch: EncodedBatch, advance: Advance): Promise<SendEnd> {
  const context: CallContext = { signal: job.abort };
  for (let attempt = 1; ; attempt += 1) {
    let failure: MigratorError | null = null;
    try {
      if ((await deliver(job, batch, advance, context)) === 'committed') return 'committed';
    } catch (error) {
      if (!isMigratorError(error) || !(error.retryable || error.ambiguous || error.shrink)) throw error;
      failure = error;
    }
    const canShrink = failure?.shrink === true && batch.rows > 1;
    const lastFailure = attempt > job.retry.retries && !canShrink ? failure : null;
    if (lastFailure && !lastFailure.ambiguous) {
      throw lastFailure.shrink ? lastFailure.with({ key: advance.to }) : lastFailure;
    }
    if (failure && !lastFailure) {
      const delayMs = retryDelay(job.retry, attempt, failure, Math.random());
      job.retried({ operation: 'write a batch', attempt, delayMs, error: failure });
      await sleep(delayMs, job.abort);
    }
    // The batch may be in, whatever the answer was: only the checkpoint knows.
    const stored = await readCheckpoint(job, advance.lease, context).catch((error: unknown) => {
      // Where neither answers, the failed write says more.
      throw lastFailure && !job.abort.aborted ? lastFailure : error;
    });
    const end = compare(stored, advance);
    if (end !== 'unmoved') return end;
    if (lastFailure) throw lastFailure;
    if (canShrink && stored) {
      job.batchLimit.rows = Math.min(job.batchLimit.rows ?? Infinity, Math.ceil(batch.rows / 2));
      return positionOf(stored);
    }
  }
}

async function deliver(
  job: CopyJob,
  batch: EncodedBatch,
  advance: Advance,
  context: CallContext,
): Promise<'committed' | 'stale'> {
  if (job.delivery === 'exactly-once') return await job.target.commit(batch, advance, context);
  await job.target.write(batch, context);
  return await job.store.advance(advance, context);
}

/** Compares the stored checkpoint with what a write wanted. `unmoved`: it stands where we started. */
function compare(stored: Checkpoint | null, advance: Advance): SendEnd | 'unmoved' {
  if (stored?.fenceToken !== advance.lease.fenceToken) return 'lost';
  if (stored.cursor !== null && sameKey(stored.cursor, advance.to)) {
    return stored.status === (advance.complete ? 'completed' : 'in_progress') ? 'committed' : 'lost';
  }
  if (stored.status !== 'in_progress') return 'lost';
  const unmoved =
    stored.cursor === null
      ? advance.from === null
      : advance.from !== null && sameKey(stored.cursor, advance.from);
  return unmoved ? 'unmoved' : positionOf(stored);
}

async function readCheckpoint(job: CopyJob, lease: Lease, context: CallContext): Promise<Checkpoint | null> {
  return await withRetries(
    'read a checkpoint',
    () => job.store.read(lease.migration, lease.id, context),
    job.retry,
    context,
    job.retried,
  );
}

/** A range without rows, or whose last row was written before: nothing is left to send. */
async function releaseCompleted(job: CopyJob, lease: Lease): Promise<void> {
  const context: CallContext = { signal: job.abort };
  const released = await withRetries(
    'complete a checkpoint',
    () => job.store.release(lease, { status: 'completed' }, context),
    job.retry,
    context,
    job.retried,
  );
  if (released) return;
  const stored = await readCheckpoint(job, lease, context);
  const ours = stored?.status === 'completed' && stored.fenceToken === lease.fenceToken;
  if (!ours) throw new Interrupted('lost');
}

/** Renews the lease while no batch does: a slow read or a slow write must not cost us the checkpoint. */
function startHeartbeat(job: CopyJob, lease: Lease): { beat(): void; stop(): void } {
  let last = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - last < job.leaseMs / 2) return;
    last = performance.now();
    // Best effort: what is lost is noticed by the next write.
    job.store.renew(lease, job.leaseMs, { signal: job.abort }).catch(() => undefined);
  }, job.leaseMs / 4);
  return {
    beat: () => {
      last = performance.now();
    },
    stop: () => clearInterval(timer),
  };
}

function addRow(job: CopyJob, encoder: { add(row: TextRow): boolean }, row: TextRow): boolean {
  try {
    return encoder.add(row);
  } catch (error) {
    throw isMigratorError(error) ? error.with({ key: keyOf(job.description, row) }) : error;
  }
}

function positionOf(checkpoint: Checkpoint): Position {
  return { cursor: checkpoint.cursor, rows: checkpoint.recordsProcessed };
}
