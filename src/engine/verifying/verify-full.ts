import pLimit from 'p-limit';
import type { Checkpoint, Comparison, Key, KeyRange, SinkVerifier } from '../../contract/index.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import { BatchQueue, type Room } from '../batch-queue.ts';
import { BatchLimit } from '../copying/batch-limit.ts';
import { type FilledBatch, PlainBatches, type PlainJob } from '../copying/batches.ts';
import { keyText, without } from './by-key.ts';
import type { Calls } from './calls.ts';
import { type ComparedRows, ComparisonBatches } from './comparison.ts';
import {
  countOf,
  findingKinds,
  type Findings,
  type FullVerification,
  merge,
  noFindings,
  note,
  type RowFinding,
} from './findings.ts';
import { SourceLookup } from './look-again.ts';
import type { EngineOptions } from '../options.ts';
import { pages } from '../pages.ts';
import { keyOf } from '../paging.ts';
import { NotedKeys } from '../rows/noted-keys.ts';
import type { RowPipeline } from '../rows/pipeline.ts';
import type { Prepared } from '../planning/plan.ts';
import { rowKey } from '../planning/refusals.ts';
import { orStopped, retryDelay, sleep } from '../retry.ts';
import type { RunControl } from '../run-control.ts';
import { allCheckpoints, countBoth } from './verify.ts';

/** A batch that waits to be compared, and the stretch of keys that it stands for. */
interface Compared {
  readonly compared: ComparedRows;
  readonly span: KeyRange | null;
  readonly upper: Key;
}

/** All that a comparison found at a time. */
export type Found = Pick<Findings, (typeof findingKinds)[number]>;

/** Mends what was found. */
export type Mend = (prepared: Prepared, found: Found) => Promise<void>;

/** Ends the reading of rows: the sink could not compare so many at once. */
class TooMuch extends Error {}

/** Compares every value of every row of the completed checkpoints. Changes nothing by itself; memory does not grow with the table. */
export class FullVerifier {
  readonly #options: EngineOptions;
  readonly #prepared: Prepared;
  readonly #control: RunControl;
  readonly #calls: Calls;
  readonly #verifier: SinkVerifier;
  readonly #job: PlainJob;
  readonly #lookup: SourceLookup;
  readonly #limit: BatchLimit;
  readonly #mend: Mend | undefined;
  #rows = 0;
  #checked = 0;
  #total = 0;

  /** @param mend - is waited for with all that a batch had, before the next of its checkpoint. */
  constructor(options: EngineOptions, prepared: Prepared, control: RunControl, calls: Calls, mend?: Mend) {
    const { target, migration, description, pipeline } = prepared;
    if (!target.verifier || !options.source.readRows) {
      throw new MigratorError(
        'VERIFY_UNSUPPORTED',
        `${target.verifier ? description.identity : target.identity} cannot find rows by their key, so values cannot be compared.`,
        {
          migration,
          help: `Use mode 'count', or give the sink table ${rowKey}.`,
        },
      );
    }
    this.#options = options;
    this.#prepared = prepared;
    this.#control = control;
    this.#calls = calls;
    this.#mend = mend;
    this.#verifier = target.verifier;
    // With a pipeline rows of the source are not rows of a batch.
    this.#limit = new BatchLimit(pipeline ? undefined : options.batchSize, Infinity, () => undefined);
    this.#job = {
      source: options.source,
      target,
      batchSize: options.batchSize,
      encoders: [],
      batchLimit: this.#limit,
      description,
      pageSize: options.pageSize,
      retry: options.retry,
      stop: control.stop,
      retried: calls.retried,
    };
    this.#lookup = new SourceLookup(options, this.#prepared, {
      readRows: calls.readRows,
      compare: async (compared) => await this.#compare(compared, null),
      bounds: this.#job,
    });
  }

  /** @param from - the first checkpoint to compare, as `resumeFrom` of an earlier result says. */
  async execute(from: number): Promise<FullVerification> {
    this.#total = this.#prepared.stored?.checkpoints ?? 0;
    const finished: Findings[] = [];
    const [resumeFrom, unchecked] = await this.#checkpoints(from, finished);
    const all = merge(finished);
    const whole = resumeFrom === null && from <= 1;
    const totals = whole ? await this.#unlessStopped(() => this.#totals(all)) : null;
    const { sourceRows = null, sinkRows = null } = totals ?? {};
    const clean = countOf(all) === 0;
    return {
      migration: this.#prepared.migration,
      mode: 'full',
      status: resumeFrom !== null || (whole && !totals) ? 'paused' : 'completed',
      resumeFrom,
      // A row that no checkpoint has may be on both sides, with other values.
      equal: clean && unchecked === 0 && sourceRows === all.rows && sinkRows === all.expectedRows,
      ...all,
      sourceRows,
      sinkRows,
      checkedCheckpoints: finished.length,
      uncheckedCheckpoints: unchecked,
    };
  }

  /** Compares those that are complete. Answers which was the first that was not compared, null for none, and how many are not complete. */
  async #checkpoints(from: number, finished: Findings[]): Promise<readonly [number | null, number]> {
    const limit = pLimit(this.#options.concurrency);
    let next = from;
    let unchecked = 0;
    if (!this.#prepared.stored) return [null, unchecked];
    const stopped = await this.#unlessStopped(async () => {
      for await (const checkpoints of allCheckpoints(this.#options, this.#calls, from - 1)) {
        const completed = checkpoints.filter(({ status }) => status === 'completed');
        unchecked += checkpoints.length - completed.length;
        const found = await Promise.all(
          completed.map((checkpoint) => limit(() => this.#unlessStopped(() => this.#checkpoint(checkpoint)))),
        );
        for (const [index, { seq }] of completed.entries()) {
          next = seq;
          const findings = found[index];
          if (!findings) return true;
          finished.push(findings);
        }
        next = (checkpoints.at(-1)?.seq ?? next) + 1;
      }
      return false;
    });
    return [stopped === false ? null : next, unchecked];
  }

  /** Counts the whole tables. What no checkpoint's stretch of keys showed is noted: rows outside the plan, or in a sink with another order. */
  async #totals(all: Findings): Promise<{ sourceRows: number; sinkRows: number | null }> {
    const { stored, target } = this.#prepared;
    const { sourceRows, sinkRows } = await countBoth(this.#options, target, undefined, this.#calls);
    const { missing, extra } = all.counts;
    // What was mended is counted as it stood.
    const counted = sinkRows !== null && this.#mend ? sinkRows - missing + extra : sinkRows;
    const strays = (counted ?? 0) - (all.expectedRows - missing + extra);
    if (strays > 0) {
      if (this.#keepsKey) {
        const found = await this.#strayRows(strays, all.extra, stored?.end ?? null);
        await this.#found(all, { missing: [], different: [], extra: found });
      } else all.counts.extra += strays;
    }
    return { sourceRows, sinkRows: counted };
  }

  /** Compares one checkpoint. */
  async #checkpoint({ seq, range }: Checkpoint): Promise<Findings> {
    const findings = noFindings();
    for (let rest: KeyRange | null = range; rest;) rest = await this.#stretch(seq, rest, findings);
    this.#checked += 1;
    this.#progress();
    return findings;
  }

  /** Compares what is left of a checkpoint. Answers what is left then: a batch was too much for the sink, and the next are smaller. */
  async #stretch(seq: number, range: KeyRange, findings: Findings): Promise<KeyRange | null> {
    const { upper: end } = range;
    this.#control.stop.throwIfAborted();
    let done = range.lower;
    const queue = new BatchQueue(async ({ compared, span, upper }: Compared) => {
      if (compared.rows > 0 && !this.#control.admit(compared.rows)) throw this.#control.stop.reason;
      await this.#batch(seq, compared, span, findings);
      done = { key: upper, inclusive: false };
    });
    let { lower } = range;
    const push = (compared: ComparedRows, upper: Key): void => {
      const span = this.#keepsKey ? { lower, upper } : null;
      lower = { key: upper, inclusive: false };
      queue.push({ compared, span, upper });
    };
    try {
      const rest = this.#prepared.pipeline
        ? await this.#fill(this.#prepared.pipeline, range, push, () => queue.room())
        : await this.#fillPlain(range, push, () => queue.room());
      // The rest of the range as well: the sink may have rows there.
      push(rest, end);
      await queue.drained();
      return null;
    } catch (error) {
      const failure: unknown = await queue.drained().then(
        () => error,
        (queueError: unknown) => queueError,
      );
      if (failure instanceof TooMuch) return { lower: done, upper: end };
      throw isMigratorError(failure) ? failure.with({ checkpoint: seq }) : failure;
    }
  }

  /** Puts rows into batches as they are. Returns the last, which may be empty. */
  async #fillPlain(
    range: KeyRange,
    push: (compared: ComparedRows, upper: Key) => void,
    room: Room,
  ): Promise<ComparedRows> {
    const keys = new NotedKeys(this.#prepared.description);
    const batches = new PlainBatches(this.#job, keys);
    const onFull = ({ batch, rows, rejects, last }: FilledBatch): void =>
      push({ batch, rows, rejects, keys: keys.take() }, last);
    await batches.fill(range, null, onFull, room);
    return { rejects: [], keys: keys.take(), ...batches.last() };
  }

  /** The same for what a pipeline makes of them. */
  async #fill(
    pipeline: RowPipeline,
    range: KeyRange,
    push: (compared: ComparedRows, upper: Key) => void,
    room: Room,
  ): Promise<ComparedRows> {
    const batches = new ComparisonBatches(this.#options, this.#prepared, this.#job);
    let lastKey = range.upper;
    for await (const page of pages(this.#job, range, null)) {
      for (const row of page.rows) {
        const processed = pipeline.process(row);
        const outcome = processed instanceof Promise ? await orStopped(processed, this.#job.stop) : processed;
        if (!batches.put(row, outcome)) {
          push(batches.take(), lastKey);
          await room();
          batches.put(row, outcome);
        }
        lastKey = keyOf(this.#prepared.description, row);
      }
    }
    return batches.take();
  }

  async #batch(
    seq: number,
    compared: ComparedRows,
    span: KeyRange | null,
    findings: Findings,
  ): Promise<void> {
    const { keys, rows, rejects } = compared;
    const found = await this.#compare(compared, span);
    const suspects = [...found.missing, ...found.different.map(({ row }) => row)].map((row) => keys.at(row));
    const { missing, different } = await this.#lookup.again(suspects);
    const extra = await this.#lookup.absent(found.extra ?? []);
    findings.rows += rows;
    findings.expectedRows += keys.length;
    findings.rejectedRows += rejects.length;
    this.#rows += rows;
    this.#progress();
    await this.#found(findings, {
      missing: missing.map((key) => ({ seq, key })),
      different: different.map(({ key, columns }) => ({ seq, key, columns })),
      extra: extra.map((key) => ({ seq, key })),
    });
  }

  async #found(all: Findings, found: Found): Promise<void> {
    for (const kind of findingKinds) note(all, kind, found[kind]);
    await this.#mend?.(this.#prepared, found);
  }

  /** Looks for `count` keys that only the sink has: behind the plan's end, where most are, then from its first key on. */
  async #strayRows(count: number, known: readonly RowFinding[], end: Key | null): Promise<RowFinding[]> {
    const strays = new Map<string, RowFinding>();
    for (const start of end === null ? [null] : [end, null]) {
      for (let after: Key | null = start; strays.size < count;) {
        const from: Key | null = after;
        const keys: readonly Key[] = await this.#calls.retrying('read keys', (context) =>
          this.#verifier.keys(from, 5_000, context),
        );
        const absent = await this.#lookup.absent(keys);
        for (const key of without(
          absent,
          known.map((finding) => finding.key),
        ))
          strays.set(keyText(key), { seq: null, key });
        const last = keys.at(-1);
        if (!last) break;
        after = last;
      }
    }
    return [...strays.values()];
  }

  async #compare({ batch, rows }: ComparedRows, span: KeyRange | null): Promise<Comparison> {
    let calls = 0;
    const found = await this.#calls.retrying('compare a batch', async (context) => {
      calls += 1;
      try {
        return await this.#verifier.compare(batch, span, context);
      } catch (error) {
        if (!isMigratorError(error) || !error.shrink || rows < 2) throw error;
        this.#limit.tooMuch(rows);
        const delayMs = retryDelay(this.#options.retry, 1, error, Math.random());
        this.#calls.retried({ operation: 'compare a batch', attempt: 1, delayMs, error });
        await sleep(delayMs, context.signal);
        throw new TooMuch();
      }
    });
    this.#limit.taken(rows, 0);
    // After a failure another request may still be on its way with it.
    if (calls === 1) batch.release?.();
    return found;
  }

  /** Null: the run was asked to stop before it was done. */
  async #unlessStopped<T>(call: () => Promise<T>): Promise<T | null> {
    return await call().catch((error: unknown) => {
      if (this.#control.stopped && error === this.#control.stop.reason) return null;
      throw error;
    });
  }

  /** True: a range of keys means the same on both sides. */
  get #keepsKey(): boolean {
    return this.#prepared.pipeline?.keepsKey !== false;
  }

  #progress(): void {
    this.#calls.emit('verify:progress', {
      migration: this.#prepared.migration,
      rows: this.#rows,
      checkedCheckpoints: this.#checked,
      totalCheckpoints: this.#total,
    });
  }
}
