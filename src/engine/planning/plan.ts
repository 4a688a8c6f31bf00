import type {
  CallContext,
  Delivery,
  Key,
  KeyRange,
  PlanSettings,
  RowShape,
  SinkTarget,
  SourceDescription,
  StoredPlan,
} from '../../contract/index.ts';
import type { EngineOptions } from '../options.ts';
import type { RowPipeline } from '../rows/pipeline.ts';

/** Both sides, described and checked against each other and against the stored plan. Nothing is written yet. */
export interface Prepared {
  readonly migration: string;
  readonly description: SourceDescription;
  /** The rows that the sink gets. */
  readonly shape: RowShape;
  /** Null: rows travel as they are, and what cannot be copied stops the copy. */
  readonly pipeline: RowPipeline | null;
  readonly target: SinkTarget;
  readonly delivery: Delivery;
  readonly settings: PlanSettings;
  readonly stored: StoredPlan | null;
}

/**
 * Makes the tables and the plan, or lengthens the plan by what came after its end. Safe beside other processes that do the same.
 *
 * @param onAdded - told of each portion of checkpoints that was added here, and where the plan ends then.
 * @returns the plan's first range where all of it was made here, null where nothing is to be copied, else undefined.
 */
export async function ensurePlan(
  options: EngineOptions,
  prepared: Prepared,
  context: CallContext,
  onAdded: (checkpoints: number, lastSeq: number) => void,
): Promise<KeyRange | null | undefined> {
  const { adopt, checkStoredPlan } = await import('./survey.ts');
  const { store, source } = options;
  const { migration, settings } = prepared;
  let lastSeq = prepared.stored?.lastSeq ?? 0;
  let after: Key | null = prepared.stored?.end ?? null;
  const portions = (): AsyncIterator<readonly KeyRange[]> =>
    source.ranges({ size: settings.checkpointSize, after }, context)[Symbol.asyncIterator]();
  let next = portions();
  const portion = next.next();
  // Side by side, since a sink may be far away; and none goes on once this has failed.
  const made = await Promise.allSettled([
    store.prepare(context),
    prepared.target.create(context),
    options.onReject === 'set-aside' && options.sink.rejects?.prepare(context),
    portion,
  ]);
  try {
    for (const each of made) if (each.status === 'rejected') throw each.reason;
    if (prepared.stored?.settings === null) await adopt(options, prepared, context);

    let first: KeyRange | null | undefined = prepared.stored ? undefined : null;
    for (let at = await portion; !at.done; at = await next.next()) {
      const ranges = at.value;
      if (ranges.length === 0) continue;
      if (await store.append(migration, { settings, afterSeq: lastSeq, ranges }, context)) {
        if (lastSeq === 0) [first] = ranges;
        lastSeq += ranges.length;
        after = ranges.at(-1)?.upper ?? after;
        onAdded(ranges.length, lastSeq);
        continue;
      }
      first = undefined;
      // Another process plans too, or an answer was lost after our own append: go on from what is stored.
      const stored = await store.readPlan(migration, context);
      if (stored) checkStoredPlan(migration, stored, settings.fingerprint);
      lastSeq = stored?.lastSeq ?? 0;
      after = stored?.end ?? null;
      await next.return?.();
      next = portions();
    }
    return first;
  } finally {
    await next.return?.();
  }
}
