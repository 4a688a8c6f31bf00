import type { Advance, CallContext, Checkpoint, EncodedBatch, Key, Lease } from '../../contract/index.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import type { HeldCheckpoint } from './held-checkpoint.ts';
import type { CopyJob } from './job.ts';
import { sameKey } from '../paging.ts';
import { retryDelay, sleep, Tries, withRetries } from '../retry.ts';

/** Where the checkpoint durably stands, and how many rows of the source are dealt with. */
export interface Position {
  readonly cursor: Key | null;
  readonly rows: number;
}

/** A `Position`: the checkpoint is ours but stands there, or the batch must be made smaller; read again from there. */
export type SendEnd = 'committed' | NotOurs | Position;

/** Another worker has the checkpoint, or nobody: it was deleted. */
export type NotOurs = 'lost' | 'gone';

/** Sends a batch until it is known to be in, or known not to be ours any more. */
export async function send(
  job: CopyJob,
  held: HeldCheckpoint,
  batch: EncodedBatch,
  advance: Advance,
): Promise<SendEnd> {
  let waitedMs = 0;
  const waited = (milliseconds: number): void => void (waitedMs += milliseconds);
  const context: CallContext = { signal: job.abort, waited };
  const tries = new Tries(job.retry);
  const pause = async (error: MigratorError, signal: AbortSignal): Promise<void> => {
    const attempt = tries.next;
    const delayMs = retryDelay(job.retry, attempt, error, Math.random());
    job.retried({ operation: 'write a batch', attempt, delayMs, error });
    await sleep(delayMs, signal);
  };
  for (let isFirst = true; ; isFirst = false) {
    const started = performance.now();
    waitedMs = 0;
    let failure: MigratorError | null = null;
    try {
      if ((await deliver(job, held, batch, advance, context)) === 'committed') {
        job.batchLimit.taken(advance.rows, performance.now() - started - waitedMs);
        // After a failure another request may still be on its way with it.
        if (isFirst) batch.release?.();
        return 'committed';
      }
    } catch (error) {
      if (!isMigratorError(error) || !(error.retryable || error.ambiguous || error.shrink)) throw error;
      failure = error;
    }
    const canShrink = failure?.shrink === true && advance.rows > 1;
    let lastFailure = failure && !tries.allow(failure) && !canShrink ? failure : null;
    // What is too much even alone is one row.
    if (lastFailure?.shrink) lastFailure = lastFailure.with({ key: advance.to });
    if (lastFailure && !lastFailure.ambiguous) throw lastFailure;
    // What may be in has to be asked for; what was refused for certain need not be.
    if (failure && !lastFailure) await pause(failure, failure.ambiguous ? job.abort : job.stop);
    // The batch may be in, whatever the answer was: only the checkpoint knows.
    const stored = await readCheckpoint(job, advance.lease, context).catch((error: unknown) => {
      // Where neither answers, the failed write says more.
      throw lastFailure && !job.abort.aborted ? lastFailure : error;
    });
    const end = compare(stored, advance);
    if (end !== 'unmoved') return end;
    if (lastFailure) throw lastFailure;
    if (canShrink && stored) {
      job.batchLimit.tooMuch(advance.rows);
      return positionOf(stored);
    }
    if (!failure) {
      const refused = neverStale();
      if (!tries.allow(refused)) throw refused;
      await pause(refused, job.stop);
    }
  }
}

function neverStale(): MigratorError {
  return new MigratorError(
    'SINK_PROTOCOL',
    'The sink takes no batch for the checkpoint, although that stands where the batch begins.',
    {
      help: 'Where its cursor was set by hand, write it without spaces: ["5"], or set it to NULL. Else the sink is at fault.',
    },
  );
}

async function deliver(
  job: CopyJob,
  held: HeldCheckpoint,
  batch: EncodedBatch,
  advance: Advance,
  context: CallContext,
): Promise<'committed' | 'stale'> {
  if (job.delivery === 'exactly-once') return await job.target.commit(batch, advance, context);
  // No condition guards these rows: who slept past the lease would put older ones over those of the next owner.
  if (!(await held.isOurs())) return 'stale';
  await job.target.write(batch, context);
  return await job.store.advance(advance, context);
}

/** Compares the stored checkpoint with what a write wanted. `unmoved`: it stands where we started. */
function compare(stored: Checkpoint | null, advance: Advance): SendEnd | 'unmoved' {
  if (stored === null) return 'gone';
  if (stored.fenceToken !== advance.lease.fenceToken) return 'lost';
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

/** Completes a range without rows, or whose last row was written before: nothing is left to send. */
export async function complete(job: CopyJob, lease: Lease): Promise<'completed' | NotOurs> {
  const context: CallContext = { signal: job.abort };
  const released = await withRetries(
    'complete a checkpoint',
    () => job.store.release(lease, { status: 'completed' }, context),
    job.retry,
    context,
    job.retried,
  );
  if (released) return 'completed';
  const stored = await readCheckpoint(job, lease, context);
  if (stored === null) return 'gone';
  return stored.status === 'completed' && stored.fenceToken === lease.fenceToken ? 'completed' : 'lost';
}

function positionOf(checkpoint: Checkpoint): Position {
  return { cursor: checkpoint.cursor, rows: checkpoint.recordsProcessed };
}
