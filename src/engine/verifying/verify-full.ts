import pLimit from 'p-limit';
import type {
  CallContext,
  Checkpoint,
  Comparison,
  EncodedBatch,
  Key,
  KeyRange,
  SinkVerifier,
} from '../../contract/index.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import { BatchQueue } from '../batch-queue.ts';
import { unlimitedRows } from '../copying/batch-limit.ts';
import { type FilledBatch, PlainBatches, type PlainJob } from '../copying/batches.ts';
import { keyText, without } from './by-key.ts';
import { type ComparedRows, ComparisonBatches } from './comparison.ts';
import {
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
import { retryEvent, withRetries } from '../retry.ts';
import type { RunControl } from '../run-control.ts';
import type { Emit } from '../copying/scheduler.ts';
import { allCheckpoints } from './verify.ts';

/** A batch that waits to be compared, and the stretch of keys that it stands for. */
interface Compared {
  readonly compared: ComparedRows;
  readonly span: KeyRange | null;
}

/** Compares every value of every row of the completed checkpoints. Changes nothing; memory does not grow with the table. */
export class FullVerifier {
  readonly #options: EngineOptions;
  readonly #prepared: Prepared;
  readonly #control: RunControl;
  readonly #emit: Emit;
  readonly #verifier: SinkVerifier;
  readonly #job: PlainJob;
  readonly #lookup: SourceLookup;
  #rows = 0;
  #checked = 0;
  #total = 0;

  constructor(options: EngineOptions, prepared: Prepared, control: RunControl, emit: Emit) {
    const { target, migration, description } = prepared;
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
    this.#emit = emit;
    this.#verifier = target.verifier;
    this.#job = {
      source: options.source,
      target,
      batchSize: options.batchSize,
      encoders: [],
      batchLimit: { rows: options.batchSize ?? unlimitedRows, pageRows: Infinity },
      description,
      pageSize: options.pageSize,
      retry: options.retry,
      stop: control.stop,
      retried: (notice) => emit('retry', retryEvent(migration, notice)),
    };
    this.#lookup = new SourceLookup(options, this.#prepared, {
      readRows: async (keys) =>
        await this.#try(
          'read rows again',
          async (context) => (await options.source.readRows?.(keys, context)) ?? [],
        ),
      compare: async (batch) => await this.#compare(batch, null),
    });
  }

  /** @param from - the first checkpoint to compare, as `resumeFrom` of an earlier result says. */
  async execute(from: number): Promise<FullVerification> {
    const { migration, stored, target } = this.#prepared;
    this.#total = stored?.checkpoints ?? 0;
    const limit = pLimit(this.#options.concurrency);
    const finished = new Map<number, Findings>();
    let resumeFrom: number | null = null;
    let unchecked = 0;
    if (stored) {
      for await (const checkpoints of allCheckpoints(this.#options, migration, this.#context, from - 1)) {
        const completed = checkpoints.filter(({ status }) => status === 'completed');
        unchecked += checkpoints.length - completed.length;
        const found = await Promise.all(
          completed.map((checkpoint) => limit(() => this.#checkpoint(checkpoint))),
        );
        for (const [index, findings] of found.entries()) {
          const seq = completed[index]?.seq ?? 0;
          if (findings) finished.set(seq, findings);
          else resumeFrom = Math.min(resumeFrom ?? seq, seq);
        }
        if (resumeFrom !== null) break;
      }
    }
    const all = merge(
      [...finished].filter(([seq]) => resumeFrom === null || seq < resumeFrom).map(([, one]) => one),
    );
    const whole = resumeFrom === null && from <= 1;
    const sourceRows = whole
      ? await this.#try('count rows', (context) => this.#options.source.countRows(undefined, context))
      : null;
    const sinkRows = whole
      ? await this.#try('count rows', (context) => target.countRows(undefined, context))
      : null;
    // What no checkpoint's stretch of keys showed: rows outside the plan, or in a sink with another order.
    const strays =
      whole && sinkRows !== null ? sinkRows - (all.expectedRows - all.counts.missing + all.counts.extra) : 0;
    if (strays > 0 && !this.#keepsKey) all.counts.extra += strays;
    else if (strays > 0) note(all, 'extra', await this.#strayRows(strays, all.extra, stored?.end ?? null));
    const { rows, expectedRows, rejectedRows, counts, missing, different, extra } = all;
    const clean = counts.missing + counts.different + counts.extra === 0;
    const sameTotals =
      this.#prepared.pipeline === null
        ? sourceRows === sinkRows
        : sourceRows === rows && sinkRows === expectedRows;
    return {
      migration,
      mode: 'full',
      status: resumeFrom === null ? 'completed' : 'paused',
      resumeFrom,
      equal: whole && clean && unchecked === 0 && sameTotals,
      rows,
      expectedRows,
      rejectedRows,
      sourceRows,
      sinkRows,
      checkedCheckpoints: finished.size,
      uncheckedCheckpoints: unchecked,
      counts,
      missing,
      different,
      extra,
    };
  }

  /** Compares one checkpoint. Null: the run was asked to stop before it was done. */
  async #checkpoint(checkpoint: Checkpoint): Promise<Findings | null> {
    if (this.#control.stopped) return null;
    const { range, seq } = checkpoint;
    const findings = noFindings();
    const queue = new BatchQueue(async ({ compared, span }: Compared) => {
      if (compared.rows > 0 && !this.#control.admit(compared.rows)) throw this.#control.stop.reason;
      await this.#batch(seq, compared, span, findings);
    });
    let { lower } = range;
    const push = (compared: ComparedRows, upper: Key): void => {
      const span = this.#keepsKey ? { lower, upper } : null;
      lower = { key: upper, inclusive: false };
      queue.push({ compared, span });
    };
    try {
      const rest = this.#prepared.pipeline
        ? await this.#fill(this.#prepared.pipeline, range, push, () => queue.room())
        : await this.#fillPlain(range, push, () => queue.room());
      // The rest of the range as well: the sink may have rows there.
      push(rest, range.upper);
      await queue.drained();
    } catch (error) {
      const failure: unknown = await queue.drained().then(
        () => error,
        (queueError: unknown) => queueError,
      );
      if (this.#control.stopped && failure === this.#control.stop.reason) return null;
      throw isMigratorError(failure) ? failure.with({ checkpoint: seq }) : failure;
    }
    this.#checked += 1;
    this.#progress();
    return findings;
  }

  /** Puts rows into batches as they are. Returns the last, which may be empty. */
  async #fillPlain(
    range: KeyRange,
    push: (compared: ComparedRows, upper: Key) => void,
    room: () => Promise<void>,
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
    room: () => Promise<void>,
  ): Promise<ComparedRows> {
    const batches = new ComparisonBatches(this.#options, this.#prepared);
    let lastKey = range.upper;
    for await (const page of pages(this.#job, range, null)) {
      for (const row of page.rows) {
        const processed = pipeline.process(row);
        const outcome = processed instanceof Promise ? await processed : processed;
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
    { batch, keys, rows, rejects }: ComparedRows,
    span: KeyRange | null,
    findings: Findings,
  ): Promise<void> {
    const found = await this.#compare(batch, span);
    findings.rows += rows;
    findings.expectedRows += keys.length;
    findings.rejectedRows += rejects.length;
    this.#rows += rows;
    this.#progress();
    const suspects = [...found.missing, ...found.different.map(({ row }) => row)].map((row) => keys.at(row));
    const { missing, different } = await this.#lookup.again(suspects);
    const extra = await this.#lookup.absent(found.extra ?? []);
    note(
      findings,
      'missing',
      missing.map((key) => ({ seq, key })),
    );
    note(
      findings,
      'different',
      different.map(({ key, columns }) => ({ seq, key, columns })),
    );
    note(
      findings,
      'extra',
      extra.map((key) => ({ seq, key })),
    );
  }

  /** Looks for `count` keys that only the sink has: behind the plan's end, where most are, then from its first key on. */
  async #strayRows(count: number, known: readonly RowFinding[], end: Key | null): Promise<RowFinding[]> {
    const strays = new Map<string, RowFinding>();
    for (const start of end === null ? [null] : [end, null]) {
      for (let after: Key | null = start; strays.size < count;) {
        const from: Key | null = after;
        const keys: readonly Key[] = await this.#try('read keys', (context) =>
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

  async #compare(batch: EncodedBatch, span: KeyRange | null): Promise<Comparison> {
    let calls = 0;
    const found = await this.#try('compare a batch', (context) => {
      calls += 1;
      return this.#verifier.compare(batch, span, context);
    });
    // After a failure another request may still be on its way with it.
    if (calls === 1) batch.release?.();
    return found;
  }

  async #try<T>(operation: string, call: (context: CallContext) => Promise<T>): Promise<T> {
    return await withRetries(
      operation,
      () => call(this.#context),
      this.#options.retry,
      this.#context,
      this.#job.retried,
    );
  }

  /** True: a range of keys means the same on both sides. */
  get #keepsKey(): boolean {
    return this.#prepared.pipeline?.keepsKey !== false;
  }

  get #context(): CallContext {
    return { signal: this.#control.stop };
  }

  #progress(): void {
    this.#emit('verify:progress', {
      migration: this.#prepared.migration,
      rows: this.#rows,
      checkedCheckpoints: this.#checked,
      totalCheckpoints: this.#total,
    });
  }
}
