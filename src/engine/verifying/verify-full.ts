import pLimit from 'p-limit';
import type {
  CallContext,
  Checkpoint,
  Comparison,
  EncodedBatch,
  Key,
  KeyRange,
  SinkVerifier,
  TextRow,
} from '../../contract/index.ts';
import { isMigratorError, MigratorError } from '../../errors.ts';
import { comparedRows, type ComparedRows, ComparisonBatches } from './comparison.ts';
import {
  type Findings,
  type FullVerification,
  merge,
  noFindings,
  note,
  type RowFinding,
} from './findings.ts';
import type { EngineOptions } from '../options.ts';
import { keyOf, pages, type PageReader, sameKey } from '../paging.ts';
import type { Prepared } from '../planning/plan.ts';
import { retryEvent, withRetries } from '../retry.ts';
import type { RunControl } from '../run-control.ts';
import type { Emit } from '../copying/scheduler.ts';
import { allCheckpoints } from './verify.ts';

/** Keys that are looked up in the source at a time. */
const lookupKeys = 500;

/** Compares every value of every row of the completed checkpoints. Changes nothing; memory does not grow with the table. */
export class FullVerifier {
  readonly #options: EngineOptions;
  readonly #prepared: Prepared;
  readonly #control: RunControl;
  readonly #emit: Emit;
  readonly #verifier: SinkVerifier;
  readonly #reader: PageReader;
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
          help: "Use mode 'count', or give the sink table a primary key or a unique index on the key columns.",
        },
      );
    }
    this.#options = options;
    this.#prepared = prepared;
    this.#control = control;
    this.#emit = emit;
    this.#verifier = target.verifier;
    this.#reader = {
      source: options.source,
      description,
      pageSize: options.pageSize,
      retry: options.retry,
      stop: control.stop,
      retried: (notice) => emit('retry', retryEvent(migration, notice)),
    };
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
    const { description, pipeline } = this.#prepared;
    const findings = noFindings();
    const batches = new ComparisonBatches(this.#options, this.#prepared);
    let lower = checkpoint.range.lower;
    let lastKey = checkpoint.range.upper;
    let inFlight: Promise<void> = Promise.resolve();

    const flush = async (last: boolean): Promise<void> => {
      const compared = batches.take();
      const upper = last ? checkpoint.range.upper : lastKey;
      const span = this.#keepsKey ? { lower, upper } : null;
      lower = { key: upper, inclusive: false };
      await inFlight;
      if (compared.rows > 0 && !this.#control.admit(compared.rows)) throw this.#control.stop.reason;
      inFlight = this.#batch(checkpoint.seq, compared, span, findings);
      inFlight.catch(() => undefined); // awaited by the next flush or at the end
    };

    try {
      for await (const page of pages(this.#reader, checkpoint.range, null)) {
        for (const row of page.rows) {
          const processed = pipeline === null ? [row] : pipeline.process(row);
          const outcome = processed instanceof Promise ? await processed : processed;
          if (!batches.put(row, outcome)) {
            await flush(false);
            batches.put(row, outcome);
          }
          lastKey = keyOf(description, row);
        }
      }
      await flush(true);
      await inFlight;
    } catch (error) {
      await inFlight.catch(() => undefined);
      if (this.#control.stopped && error === this.#control.stop.reason) return null;
      throw isMigratorError(error) ? error.with({ checkpoint: checkpoint.seq }) : error;
    }
    this.#checked += 1;
    this.#progress();
    return findings;
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
    const suspects = [...found.missing, ...found.different.map(({ row }) => row)].map(
      (row) => keys[row] as Key,
    );
    const { missing, different } = await this.#lookAgain(suspects);
    const extra = await this.#notInSource(found.extra ?? []);
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

  /** A row may have changed since its page was read: what differs is read and compared once more. */
  async #lookAgain(
    suspects: readonly Key[],
  ): Promise<{ missing: Key[]; different: { key: Key; columns: readonly string[] }[] }> {
    const missing: Key[] = [];
    const different: { key: Key; columns: readonly string[] }[] = [];
    // Several rows of the sink may come from one of the source.
    const asked = [...new Map(suspects.map((key) => [JSON.stringify(key), key])).values()];
    for (let start = 0; start < asked.length; start += lookupKeys) {
      const rows = await this.#readRows(asked.slice(start, start + lookupKeys));
      for await (const { batch, keys } of comparedRows(this.#options, this.#prepared, rows)) {
        const found = await this.#compare(batch, null);
        missing.push(...found.missing.map((row) => keys[row] as Key));
        different.push(...found.different.map(({ row, columns }) => ({ key: keys[row] as Key, columns })));
      }
    }
    return { missing, different };
  }

  async #notInSource(keys: readonly Key[]): Promise<Key[]> {
    const absent: Key[] = [];
    for (let start = 0; start < keys.length; start += lookupKeys) {
      const asked = keys.slice(start, start + lookupKeys);
      const found = await this.#keysInSink(await this.#readRows(asked));
      const present = new Set(found.map((key) => JSON.stringify(key)));
      absent.push(...asked.filter((key) => !present.has(JSON.stringify(key))));
    }
    return absent;
  }

  /** The keys of those rows of the source that should be in the sink: not skipped, and not set aside. */
  async #keysInSink(rows: readonly TextRow[]): Promise<readonly Key[]> {
    if (this.#prepared.pipeline === null) return rows.map((row) => keyOf(this.#prepared.description, row));
    const found: Key[] = [];
    for await (const { keys } of comparedRows(this.#options, this.#prepared, rows)) found.push(...keys);
    return found;
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
        for (const key of await this.#notInSource(keys)) {
          const isKnown = known.some((finding) => sameKey(finding.key, key));
          if (!isKnown) strays.set(JSON.stringify(key), { seq: null, key });
        }
        const last = keys.at(-1);
        if (!last) break;
        after = last;
      }
    }
    return [...strays.values()];
  }

  async #readRows(keys: readonly Key[]): Promise<readonly TextRow[]> {
    if (keys.length === 0) return [];
    return await this.#try(
      'read rows again',
      async (context) => (await this.#options.source.readRows?.(keys, context)) ?? [],
    );
  }

  async #compare(batch: EncodedBatch, span: KeyRange | null): Promise<Comparison> {
    return await this.#try('compare a batch', (context) => this.#verifier.compare(batch, span, context));
  }

  async #try<T>(operation: string, call: (context: CallContext) => Promise<T>): Promise<T> {
    return await withRetries(
      operation,
      () => call(this.#context),
      this.#options.retry,
      this.#context,
      this.#reader.retried,
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
