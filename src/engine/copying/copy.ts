import type { Advance, Checkpoint, Key, Lease, RejectedRow, TextRow } from '../../contract/index.ts';
import { isMigratorError } from '../../errors.ts';
import type { BatchFiller } from './fill.ts';
import type { CopyJob } from './job.ts';
import { keyOf, pages } from '../paging.ts';
import { sleep } from '../retry.ts';
import type { RowPipeline } from '../rows/pipeline.ts';
import { complete, type Position, send } from './send.ts';

/** Told of every batch once it is durably in. */
export type OnCommitted = (batch: {
  readonly cursor: Key;
  readonly rows: number;
  readonly written: number;
  readonly rejects: readonly RejectedRow[];
  readonly bytes: number;
  readonly milliseconds: number;
  readonly checkpointRows: number;
}) => void;

/** How the copy of a checkpoint ended. An error is thrown instead. */
export type CopyEnd = 'completed' | 'stopped' | 'lost';

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
  const { pipeline, batchLimit } = job;
  const encoder = job.target.encoder(job.batchSize);
  const filler =
    pipeline?.filler({
      description: job.description,
      encoder,
      seqOf: () => checkpoint.seq,
      setAside: job.setAside,
    }) ?? null;
  let { cursor, rows: checkpointRows } = position;
  let lastRow: TextRow = [];
  let inFlight: Promise<void> = Promise.resolve();

  const flush = async (isLast: boolean): Promise<void> => {
    const batch = encoder.take();
    const { rows, rejects, last } = filler?.take() ?? { rows: batch.rows, rejects: [], last: lastRow };
    const advance: Advance = {
      lease,
      from: cursor,
      to: keyOf(job.description, last),
      rows,
      written: batch.rows,
      rejected: rejects.length,
      complete: isLast,
      leaseMs: job.leaseMs,
    };
    cursor = advance.to;
    await inFlight;
    if (!job.admit(rows)) throw new Interrupted('stopped');
    inFlight = (async () => {
      const started = performance.now();
      const end = await send(job, batch, advance);
      if (end !== 'committed') throw new Interrupted(end);
      checkpointRows += rows;
      const milliseconds = performance.now() - started;
      onCommitted({
        cursor: advance.to,
        rows,
        written: batch.rows,
        rejects,
        bytes: batch.bytes,
        milliseconds,
        checkpointRows,
      });
      if (job.batchDelayMs > 0 && !isLast) await sleep(job.batchDelayMs, job.stop).catch(() => undefined);
    })();
    inFlight.catch(() => undefined); // awaited by the next flush or at the end
  };

  try {
    for await (const page of pages(job, checkpoint.range, cursor)) {
      if (pipeline && filler) {
        // Where rows are skipped the cursor has to move all the same.
        const isFull = (): boolean => filler.rows >= Math.min(batchLimit.rows, job.pageSize);
        await fill(pipeline, filler, page.rows, isFull, async () => await flush(false));
        continue;
      }
      for (const row of page.rows) {
        if (encoder.rows >= batchLimit.rows || !addRow(job, encoder, row)) {
          await flush(false);
          addRow(job, encoder, row);
        }
        lastRow = row;
      }
    }
    if ((filler ?? encoder).rows > 0) await flush(true);
    else if (!(await complete(job, lease))) throw new Interrupted('lost');
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

/** Sends rows through the pipeline and into batches. */
async function fill(
  pipeline: RowPipeline,
  filler: BatchFiller,
  rows: readonly TextRow[],
  isFull: () => boolean,
  flush: () => Promise<void>,
): Promise<void> {
  for (const row of rows) {
    const processed = pipeline.process(row);
    const outcome = processed instanceof Promise ? await processed : processed;
    if (isFull()) await flush();
    if (!filler.put(row, outcome)) {
      await flush();
      filler.put(row, outcome);
    }
  }
}

function addRow(job: CopyJob, encoder: { add(row: TextRow): boolean }, row: TextRow): boolean {
  try {
    return encoder.add(row);
  } catch (error) {
    throw isMigratorError(error) ? error.with({ key: keyOf(job.description, row) }) : error;
  }
}
