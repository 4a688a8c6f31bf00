import type { CallContext, Key, RunResult, TextRow } from '../../contract/index.ts';
import { outcomeOf } from './comparison.ts';
import { BatchFiller } from '../copying/fill.ts';
import type { EngineOptions } from '../options.ts';
import { keyOf } from '../paging.ts';
import type { Prepared } from '../planning/plan.ts';
import { RunControl } from '../run-control.ts';
import { runMigration, type RunOptions } from '../run.ts';
import type { Emit } from '../copying/scheduler.ts';
import type { FullVerification, RowFinding } from './findings.ts';
import { distinct, keyText, rowsOfKeys, without } from './by-key.ts';
import { FullVerifier } from './verify-full.ts';
import { type CountVerification, prepareStored, reopenDifferences, verifyCounts } from './verify.ts';

/** What to compare, and for how long. */
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
  readonly before: Result;
  /** The run that copied reopened checkpoints again; null where none had to be. */
  readonly run: RunResult | null;
  /** Rows that were written again or deleted one by one. */
  readonly rows: number;
  readonly after: Result;
}

/** Compares both sides. Changes nothing. */
export async function verifyMigration(
  options: EngineOptions,
  verify: VerifyOptions,
  emit: Emit,
): Promise<VerifyResult> {
  const context: CallContext = { signal: verify.signal };
  if (verify.mode !== 'full') return await verifyCounts(options, context);
  const prepared = await prepareStored(options, context);
  const control = new RunControl(verify, options.graceMs);
  try {
    return await new FullVerifier(options, prepared, control, emit).execute(verify.from ?? 1);
  } finally {
    control.dispose();
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
  const context: CallContext = { signal: verify.signal };
  const before = await verifyMigration(options, verify, emit);
  if (before.equal) return { before, run: null, rows: 0, after: before };
  if (before.mode === 'count') {
    await reopenDifferences(options, before, context);
    const run = await runMigration(options, verify, emit);
    return { before, run, rows: 0, after: await verifyMigration(options, verify, emit) };
  }
  // Rows past the planned end, and checkpoints that are not done, are a run's to copy.
  const unplanned = before.uncheckedCheckpoints > 0 || (before.sourceRows ?? 0) > before.rows;
  const run = unplanned ? await runMigration(options, verify, emit) : null;
  const prepared = await prepareStored(options, context);
  let rows = 0;
  for (let found = before; ;) {
    const mended = await mend(options, prepared, found, context);
    rows += mended;
    const after = await verifyMigration(options, verify, emit);
    // A result lists its first findings only: where there were more, another round mends those.
    if (after.mode === 'full' && !after.equal && mended > 0 && !listsAll(found)) found = after;
    else return { before, run, rows, after };
  }
}

function listsAll({ counts, missing, different, extra }: FullVerification): boolean {
  return (
    counts.missing === missing.length &&
    counts.different === different.length &&
    counts.extra === extra.length
  );
}

async function mend(
  options: EngineOptions,
  prepared: Prepared,
  found: FullVerification,
  context: CallContext,
): Promise<number> {
  const { target, pipeline } = prepared;
  const read = async (keys: readonly Key[]): Promise<readonly TextRow[]> =>
    (await options.source.readRows?.(keys, context)) ?? [];
  const { missing, different, extra } = found;
  const seqs = new Map([...extra, ...missing, ...different].map(({ key, seq }) => [keyText(key), seq ?? 0]));
  let mended = 0;
  for await (const [rows] of rowsOfKeys(keysOf([...missing, ...different]), read)) {
    mended += (await writeAgain(options, prepared, rows, seqs, context)).length;
  }
  // The source may have such a row, skipped or to be set aside. One that was changed meanwhile stays.
  for await (const [rows, asked] of rowsOfKeys(keysOf(extra), pipeline === null ? async () => [] : read)) {
    const written = await writeAgain(options, prepared, rows, seqs, context);
    mended += (await target.verifier?.delete(without(asked, written), context)) ?? 0;
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
  context: CallContext,
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
    await target.write(encoder.take(), context);
  };
  for (const row of rows) {
    const outcome = await outcomeOf(prepared, row);
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
  if (pipeline && written.length > 0) await options.sink.rejects?.remove(migration, written, context);
  return written;
}
