import type {
  CallContext,
  Delivery,
  Key,
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
 * Makes the tables and the plan, or lengthens the plan by what came after its end. Safe beside other processes that
 * do the same.
 *
 * @param onAdded - told of each portion of checkpoints that was added here.
 */
export async function ensurePlan(
  options: EngineOptions,
  prepared: Prepared,
  context: CallContext,
  onAdded: (checkpoints: number) => void,
): Promise<void> {
  const { adopt, checkStoredPlan } = await import('./survey.ts');
  const { store, source } = options;
  const { migration, settings } = prepared;
  await store.prepare(context);
  await prepared.target.create(context);
  if (options.onReject === 'set-aside') await options.sink.rejects?.prepare(context);
  if (prepared.stored?.settings === null) await adopt(options, prepared, context);

  let lastSeq = prepared.stored?.lastSeq ?? 0;
  let after: Key | null = prepared.stored?.end ?? null;
  for (;;) {
    let overtaken = false;
    for await (const ranges of source.ranges({ size: settings.checkpointSize, after }, context)) {
      if (ranges.length === 0) continue;
      if (!(await store.append(migration, { settings, afterSeq: lastSeq, ranges }, context))) {
        overtaken = true;
        break;
      }
      lastSeq += ranges.length;
      after = ranges.at(-1)?.upper ?? after;
      onAdded(ranges.length);
    }
    if (!overtaken) return;
    // Another process plans too, or an answer was lost after our own append: go on from what is stored.
    const stored = await store.readPlan(migration, context);
    if (stored) checkStoredPlan(migration, stored, settings.fingerprint);
    lastSeq = stored?.lastSeq ?? 0;
    after = stored?.end ?? null;
  }
}
