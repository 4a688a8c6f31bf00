import type {
  CallContext,
  Finding,
  Key,
  KeyRange,
  PlanOptions,
  PlanPreview,
  Progress,
  Severity,
  SinkEstimate,
} from '../../contract/index.ts';
import { invalidOption, type MigratorError } from '../../errors.ts';
import { withDeadline } from './deadline.ts';
import { type EngineOptions, show } from '../options.ts';
import type { Prepared } from './plan.ts';
import { survey } from './survey.ts';
import { emptyProgress, readProgress } from '../progress.ts';
import { retryEvent, type RetryNotice, withRetries } from '../retry.ts';
import type { Emit } from '../copying/scheduler.ts';
import { Spread } from './spread.ts';
import { checkAll, checkSample, sampledRows, ValueCheck } from './value-check.ts';

/** Milliseconds for each of the looks that are given up when they take long. */
const patienceMs = { ranges: 2_000, sample: 3_000, oversized: 3_000 };

/** Ranges whose rows are looked at. */
const sampledRanges = 8;

const unknown: SinkEstimate = {
  requests: null,
  quotaMs: null,
  rowsWritten: null,
  price: null,
  storedBytes: null,
  maxStoredBytes: null,
};

/** Checks the options of a plan. */
function checkPlanOptions({ values = 'sample' }: PlanOptions): void {
  if (['sample', 'all', 'none'].includes(values)) return;
  throw invalidOption(
    `values must not be ${show(values)}.`,
    "It is 'sample' (some pages), 'all' (every row) or 'none'.",
  );
}

/** Shows what a run would do. Writes nothing on either side. */
export async function preflight(options: EngineOptions, plan: PlanOptions, emit: Emit): Promise<PlanPreview> {
  checkPlanOptions(plan);
  return await new Preflight(options, plan, emit).preview();
}

class Preflight {
  readonly #options: EngineOptions;
  readonly #plan: PlanOptions;
  readonly #emit: Emit;
  readonly #context: CallContext;
  #migration: string;

  constructor(options: EngineOptions, plan: PlanOptions, emit: Emit) {
    this.#options = options;
    this.#plan = plan;
    this.#emit = emit;
    this.#context = { signal: plan.signal };
    this.#migration = options.name ?? '';
  }

  async preview(): Promise<PlanPreview> {
    const { source, store } = this.#options;
    const { prepared, problems, planned } = await this.#retrying(() => survey(this.#options, this.#context));
    const { migration, description, target, settings, stored } = prepared;
    this.#migration = migration;
    const progress = planned
      ? await this.#retrying(() => readProgress(store, migration, this.#context))
      : emptyProgress(migration);
    const request = { size: settings.checkpointSize, after: null };
    const strategy = await this.#retrying(
      async () => (await source.rangeStrategy?.(request, this.#context)) ?? null,
    );
    const ranges = await this.#ranges(prepared, progress);
    const check = new ValueCheck(prepared, this.#options.onReject === 'set-aside');
    await this.#look(check, prepared, ranges.spread);
    // A transform may make a row smaller: only what comes out of it counts.
    const oversized = prepared.pipeline ? null : await this.#oversized(target.maxRowBytes);

    const { values: choice = 'sample', exactCount = false } = this.#plan;
    const all = choice === 'all';
    const totalRows = all
      ? check.rows
      : exactCount
        ? await this.#retrying(() => source.countRows(undefined, this.#context))
        : description.estimatedRows;
    const rowBytes = check.rows > 0 ? check.bytes / check.rows : description.estimatedRowBytes;
    const totalBytes = all ? check.bytes : Math.round(totalRows * rowBytes);
    const done = stored ? progress : emptyProgress(migration);
    const left = done.checkpoints.total - done.checkpoints.completed + ranges.count;
    const leftRows = left === 0 ? 0 : Math.max(0, totalRows - done.rows);
    const estimate = await this.#estimate(prepared, check, {
      rows: totalRows,
      leftRows,
      rowBytes: totalRows === 0 ? 0 : totalBytes / totalRows,
      checkpoints: left,
      newCheckpoints: ranges.count,
    });
    return {
      migration,
      source: description.identity,
      sink: target.identity,
      delivery: prepared.delivery,
      mode: target.mode,
      findings: bySeverity([
        ...problems.map(findingOf).filter((finding) => !isAmong(target.findings ?? [], finding)),
        ...(target.findings ?? []),
        ...(description.findings ?? []),
        ...check.findings(oversized),
        ...(estimate.findings ?? []),
      ]),
      columns: prepared.shape.columns,
      key: prepared.shape.key,
      strategy,
      checkpointSize: settings.checkpointSize,
      totalRows,
      totalRowsExact: all || exactCount,
      totalBytes,
      totalBytesExact: all,
      values: { choice, rows: check.rows },
      checkpoints: done.checkpoints.total + ranges.count,
      newCheckpoints: ranges.count,
      newCheckpointsExact: ranges.exact,
      newRange: ranges.ends,
      estimate,
      statements: target.statements ?? [],
      progress,
    };
  }

  /** The ranges that a run would add to the plan; where walking them takes long, how many there will be. */
  async #ranges(
    { migration, description, settings, stored }: Prepared,
    progress: Progress,
  ): Promise<{
    readonly count: number;
    readonly exact: boolean;
    readonly ends: KeyRange | null;
    readonly spread: readonly KeyRange[];
  }> {
    const { source, store } = this.#options;
    const request = { size: settings.checkpointSize, after: stored?.end ?? null };
    let first: KeyRange | null = null;
    let last: KeyRange | null = null;
    let spread = new Spread<KeyRange>(sampledRanges);
    const walk = async (signal: AbortSignal | undefined): Promise<void> => {
      first = last = null;
      spread = new Spread<KeyRange>(sampledRanges);
      for await (const ranges of source.ranges(request, { signal })) {
        first ??= ranges[0] ?? null;
        last = ranges.at(-1) ?? last;
        for (const range of ranges) spread.add(range);
      }
    };
    const exact = await this.#retrying(async () => {
      if (!this.#plan.exactCount) return await withDeadline(patienceMs.ranges, this.#plan.signal, walk);
      await walk(this.#plan.signal);
      return true;
    });
    // What is planned already is looked at as well: the first thousand checkpoints say where.
    const storedRanges = stored ? await this.#retrying(() => store.list(migration, {}, this.#context)) : [];
    const planned = new Spread<KeyRange>(sampledRanges);
    for (const { range } of storedRanges) planned.add(range);
    const rows = Math.max(0, description.estimatedRows - (stored ? progress.rows : 0));
    const expected = exact ? 0 : Math.ceil(rows / settings.checkpointSize);
    const [start, end] = [first, last] as [KeyRange | null, KeyRange | null];
    return {
      count: Math.max(spread.count + (exact ? 0 : 1), expected),
      exact,
      ends: exact && start && end ? { lower: start.lower, upper: end.upper } : null,
      spread: [...planned.items, ...spread.items],
    };
  }

  async #look(check: ValueCheck, prepared: Prepared, spread: readonly KeyRange[]): Promise<void> {
    const { source, pageSize, retry } = this.#options;
    const { description, settings } = prepared;
    const { values = 'sample', signal } = this.#plan;
    if (values === 'sample') {
      await withDeadline(patienceMs.sample, signal, async (deadline) => {
        const context = { signal: deadline };
        const ranges = await this.#retrying(() => this.#sampleOf(description.estimatedRows, spread, context));
        await checkSample(check, source, description, ranges, context, (call) => this.#retrying(call));
      });
    }
    if (values !== 'all') return;
    const reader = {
      source,
      description,
      pageSize,
      retry,
      stop: signal ?? new AbortController().signal,
      retried: (notice: RetryNotice) => this.#retried(notice),
    };
    await checkAll(check, reader, settings.checkpointSize, () => {
      const totalRows = Math.max(check.rows, description.estimatedRows);
      this.#emit('plan:progress', { migration: this.#migration, rows: check.rows, totalRows });
    });
  }

  /** A few large checkpoints have too few beginnings to look at: then the keys are cut smaller for the sample. */
  async #sampleOf(
    estimatedRows: number,
    spread: readonly KeyRange[],
    context: CallContext,
  ): Promise<readonly KeyRange[]> {
    if (spread.length >= sampledRanges || estimatedRows <= sampledRows) return spread;
    const smaller = new Spread<KeyRange>(sampledRanges);
    const request = { size: Math.ceil(estimatedRows / sampledRanges), after: null };
    for await (const ranges of this.#options.source.ranges(request, context)) {
      for (const range of ranges) smaller.add(range);
    }
    return smaller.items;
  }

  /** Asks the source for a row that is too large, unless every row was looked at or none is to be. */
  async #oversized(maxRowBytes: number): Promise<Key | null> {
    const { source } = this.#options;
    let found: Key | null = null;
    if ((this.#plan.values ?? 'sample') !== 'sample') return null;
    await withDeadline(patienceMs.oversized, this.#plan.signal, async (signal) => {
      found = await this.#retrying(
        async () => (await source.findOversizedRow?.(maxRowBytes, { signal })) ?? null,
      );
    });
    return found;
  }

  async #estimate(
    { target, settings }: Prepared,
    check: ValueCheck,
    work: {
      readonly rows: number;
      readonly leftRows: number;
      readonly rowBytes: number;
      readonly checkpoints: number;
      readonly newCheckpoints: number;
    },
  ): Promise<SinkEstimate> {
    const { concurrency, batchSize } = this.#options;
    const { rows, leftRows, rowBytes, checkpoints, newCheckpoints } = work;
    const { checkpointSize } = settings;
    const { sample } = check;
    // A transform may skip rows, or make several of one.
    const each = check.rows > 0 ? check.written / check.rows : 1;
    const common = { checkpoints, newCheckpoints, checkpointSize, concurrency, batchSize, sample };
    const left = await target.estimate?.({
      ...common,
      rows: Math.round(leftRows * each),
      bytes: leftRows * rowBytes,
    });
    const whole = await target.estimate?.({
      ...common,
      rows: Math.round(rows * each),
      bytes: rows * rowBytes,
    });
    if (!left || !whole) return unknown;
    return { ...left, storedBytes: whole.storedBytes, findings: whole.findings };
  }

  async #retrying<T>(call: () => Promise<T>): Promise<T> {
    return await withRetries('plan', call, this.#options.retry, this.#context, (notice) =>
      this.#retried(notice),
    );
  }

  #retried(notice: RetryNotice): void {
    this.#emit('retry', retryEvent(this.#migration, notice));
  }
}

const severities: readonly Severity[] = ['error', 'warning', 'info'];

function bySeverity(findings: readonly Finding[]): Finding[] {
  return severities.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
}

function findingOf({ code, summary, help }: MigratorError): Finding {
  return { code, severity: 'error', column: null, message: summary, help };
}

/** What the sink itself found names its column as well. */
function isAmong(findings: readonly Finding[], { code, message }: Finding): boolean {
  return findings.some((finding) => finding.code === code && finding.message === message);
}
