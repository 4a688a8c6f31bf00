import type { Key, RunResult, TextRow } from '../../contract/index.ts';
import { Calls } from './calls.ts';
import { outcomeOf } from './comparison.ts';
import { BatchFiller } from '../copying/fill.ts';
import type { EngineOptions } from '../options.ts';
import { keyOf } from '../paging.ts';
import type { Prepared } from '../planning/plan.ts';
import { RunControl } from '../run-control.ts';
import { runMigration, type RunOptions } from '../run.ts';
import type { Emit } from '../copying/scheduler.ts';
import { type FullVerification, noFindings, type RowFinding } from './findings.ts';
import { distinct, keyText, rowsOfKeys, without } from './by-key.ts';
import { type Found, FullVerifier, type Mend } from './verify-full.ts';
import { type CountVerification, prepareStored, reopenDifferences, verifyCounts } from './verify.ts';

/**
 * What to compare, and for how long. With `full` the signal and the budget end it as `paused`. With `count` the signal makes them reject
 * with its reason, and the budget bounds only the run of a repair.
 */
export interface VerifyOptions extends RunOptions {
  /**
   * `count`: the number of rows of every completed checkpoint. `full`: every value of every row. Default `count`.
   */
  readonly mode?: 'count' | 'full' | undefined;
  /** With `full`: the first checkpoint to compare, as `resumeFrom` of a paused result says. Default 1. */
  readonly from?: number | undefined;
}

/** What `verify()` found. */
export type VerifyResult = CountVerification | FullVerification;

/** What `repair()` did. */
export interface RepairResult<Result extends VerifyResult = VerifyResult> {
  /** What the first comparison found: all of it was mended, listed or not, unless the signal came. Slices go on at its `resumeFrom`. */
  readonly before: Result;
  /** The run that copied reopened checkpoints again; null where none had to be. */
  readonly run: RunResult | null;
  /** Rows that were written again or deleted one by one. */
  readonly rows: number;
  /** The last comparison; `before` where nothing was to be mended. `paused` where the budget left too little for it. */
  readonly after: Result;
}

/** Compares both sides. Changes nothing. */
export async function verifyMigration(
  options: EngineOptions,
  verify: VerifyOptions,
  emit: Emit,
): Promise<VerifyResult> {
  if (verify.mode !== 'full') return await verifyCounts(options, new Calls(options, verify.signal, emit));
  const control = new RunControl(verify, options.graceMs);
  try {
    return await verifyFull(options, control, new Calls(options, control.stop, emit, control), verify.from);
  } finally {
    control.dispose();
  }
}

/** Compares every value, until the control says that it is enough. */
async function verifyFull(
  options: EngineOptions,
  control: RunControl,
  calls: Calls,
  from = 1,
  mending?: Mend,
): Promise<FullVerification> {
  try {
    control.stop.throwIfAborted();
    const prepared = await prepareStored(options, calls);
    return await new FullVerifier(options, prepared, control, calls, mending).execute(from);
  } catch (error) {
    if (!control.stopped || error !== control.stop.reason) throw error;
    // Before anything could be compared.
    return {
      migration: calls.migration,
      mode: 'full',
      status: 'paused',
      resumeFrom: from,
      equal: false,
      ...noFindings(),
      sourceRows: null,
      sinkRows: null,
      checkedCheckpoints: 0,
      uncheckedCheckpoints: 0,
    };
  }
}

/**
 * Mends what a comparison finds, and compares again. By counts: copies checkpoints again that differ. In full: writes rows again that miss
 * or differ, and deletes those that only the sink has.
 */
export async function repairMigration(
  options: EngineOptions,
  verify: VerifyOptions,
  emit: Emit,
): Promise<RepairResult> {
  const calls = new Calls(options, verify.signal, emit);
  if (verify.mode === 'full') return await repairFull(options, verify, calls, emit);
  const before = await verifyCounts(options, calls);
  if (before.equal) return { before, run: null, rows: 0, after: before };
  await reopenDifferences(options, before, calls);
  const run = await runMigration(options, verify, emit);
  return { before, run, rows: 0, after: await verifyCounts(options, calls) };
}

/** Knows what the comparisons of a repair have spent of its budget. */
class RepairControl extends RunControl {
  rows = 0;
  batches = 0;

  override admit(rows: number): boolean {
    const admitted = super.admit(rows);
    if (admitted) {
      this.rows += rows;
      this.batches += 1;
    }
    return admitted;
  }
}

async function repairFull(
  options: EngineOptions,
  { signal, from, budget: { milliseconds, ...given } = {} }: VerifyOptions,
  calls: Calls,
  emit: Emit,
): Promise<RepairResult<FullVerification>> {
  const started = performance.now();
  // Less what the run takes of it; read anew before every batch.
  const budget = { milliseconds, rows: given.rows ?? Infinity, batches: given.batches ?? Infinity };
  const control = new RepairControl({ signal, budget }, options.graceMs);
  const comparing = new Calls(options, control.stop, emit, control);
  try {
    let rows = 0;
    const before = await verifyFull(options, control, comparing, from, async (prepared, found) => {
      const mended = await mend(options, prepared, found, calls);
      rows += mended;
    });
    // Rows past the planned end, and checkpoints that are not done, are a run's to copy.
    const unplanned = before.uncheckedCheckpoints > 0 || (before.sourceRows ?? 0) > before.rows;
    let run: RunResult | null = null;
    if (before.equal || (control.stopped && !unplanned && rows === 0))
      return { before, run, rows, after: before };
    if (unplanned) {
      const left = {
        milliseconds: milliseconds && milliseconds - (performance.now() - started),
        rows: budget.rows - control.rows,
        batches: budget.batches - control.batches,
      };
      run = await runMigration(options, { signal, budget: left }, emit);
      budget.rows -= run.rows;
      budget.batches -= run.batches;
    }
    return { before, run, rows, after: await verifyFull(options, control, comparing, from) };
  } finally {
    control.dispose();
  }
}

/** Mends what was found, until the signal. Answers how many rows. */
async function mend(
  options: EngineOptions,
  prepared: Prepared,
  { missing, different, extra }: Found,
  calls: Calls,
): Promise<number> {
  const { signal } = calls.context;
  let mended = 0;
  try {
    const { target, pipeline } = prepared;
    const { readRows } = calls;
    const seqs = new Map(
      [...extra, ...missing, ...different].map(({ key, seq }) => [keyText(key), seq ?? 0]),
    );
    for await (const [rows] of rowsOfKeys(keysOf([...missing, ...different]), readRows)) {
      mended += (await writeAgain(options, prepared, rows, seqs, calls)).length;
    }
    // The source may have such a row, skipped or to be set aside. One that was changed meanwhile stays.
    for await (const [rows, asked] of rowsOfKeys(
      keysOf(extra),
      pipeline === null ? async () => [] : readRows,
    )) {
      const written = await writeAgain(options, prepared, rows, seqs, calls);
      const gone = without(asked, written);
      mended +=
        (await calls.retrying('delete rows', async (context) => target.verifier?.delete(gone, context))) ?? 0;
    }
  } catch (error) {
    if (!signal?.aborted || error !== signal.reason) throw error;
  }
  return mended;
}

const keysOf = (findings: readonly RowFinding[]): Key[] => distinct(findings.map(({ key }) => key));

/** Writes what becomes of rows that were read again. Returns the keys of those that the sink has now. */
async function writeAgain(
  options: EngineOptions,
  prepared: Prepared,
  rows: readonly TextRow[],
  seqs: ReadonlyMap<string, number>,
  calls: Calls,
): Promise<readonly Key[]> {
  const { migration, description, target, pipeline } = prepared;
  const encoder = target.encoder();
  const filler = new BatchFiller({
    description,
    encoder,
    seqOf: (key) => seqs.get(keyText(key)) ?? 0,
    setAside: options.onReject === 'set-aside',
  });
  const written: Key[] = [];
  const flush = async (): Promise<void> => {
    filler.take();
    const batch = encoder.take();
    await calls.retrying('write rows again', (context) => target.write(batch, context));
  };
  for (const row of rows) {
    const outcome = await outcomeOf(prepared, row, calls.context.signal);
    const put = (): boolean => {
      const before = encoder.rows;
      if (!filler.put(row, outcome)) return false;
      if (encoder.rows > before) written.push(keyOf(description, row));
      return true;
    };
    if (put()) continue;
    await flush();
    put();
  }
  if (filler.rows > 0) await flush();
  // What is in the sink now is no rejected row any more.
  if (pipeline && written.length > 0)
    await calls.retrying('forget rejected rows', async (context) =>
      options.sink.rejects?.remove(migration, written, context),
    );
  return written;
}
