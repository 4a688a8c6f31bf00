import type {
  CallContext,
  Delivery,
  Finding,
  Fingerprint,
  PlanSettings,
  RowShape,
  SinkTarget,
  SourceDescription,
  StoredPlan,
} from '../../contract/index.ts';
import { type MigratorError, rowTooLarge } from '../../errors.ts';
import type { EngineOptions } from '../options.ts';
import type { Prepared } from './plan.ts';
import {
  deliveryRefused,
  foundErrors,
  gapsBetween,
  notEmpty,
  planRefused,
  storedPlanProblem,
} from './refusals.ts';
import type { CheckedTransform } from '../rows/transform-options.ts';

export { checkpointsGone } from './refusals.ts';

/** Rows a checkpoint where the host names no number: the guide's. */
const usualCheckpointSize = 50_000;

/** Text of a checkpoint's rows by the source's estimate, which is generous. */
const mostCheckpointBytes = 30_000_000;

/** {@link Prepared}, and everything that keeps a run from beginning. */
export interface Survey {
  /** Where the stored plan cannot be continued, `stored` is null, as it is after a reset. */
  readonly prepared: Prepared;
  /** In the order in which a run refuses them. */
  readonly problems: readonly MigratorError[];
  /** True: checkpoints are stored, whether they can be continued or not. */
  readonly planned: boolean;
}

/** Reads both sides and refuses everything that cannot work. Writes nothing on either side. */
export async function prepare(options: EngineOptions, context: CallContext): Promise<Prepared> {
  const { prepared, problems } = await survey(options, context, options.sink.takesSchema === false);
  const [problem] = problems;
  if (problem) throw problem;
  const { migration, target, stored, pipeline } = prepared;
  // A transform may make a row smaller, and a row that is to be set aside stops nothing.
  if (stored || pipeline) return prepared;
  const key = await options.source.findOversizedRow?.(target.maxRowBytes, context);
  if (key) throw rowTooLarge(target.maxRowBytes).with({ migration, key });
  return prepared;
}

/**
 * Refuses a run whose plan has findings of severity `error`. Nothing is written yet.
 *
 * @throws MigratorError `PLAN_REFUSED`
 */
export function refuseErrors({ migration, description, target }: Prepared): void {
  const errors = [...(description.findings ?? []), ...(target.findings ?? [])].filter(isError);
  if (errors.length > 0) throw planRefused(migration, errors);
}

function isError({ severity }: Finding): boolean {
  return severity === 'error';
}

/**
 * Reads both sides and collects what cannot work. Writes nothing on either side.
 *
 * @param brief - true: the source's schema, and findings that are no errors, are not needed.
 */
export async function survey(
  options: EngineOptions,
  context: CallContext,
  brief: boolean = false,
): Promise<Survey> {
  const { source, sink, store } = options;
  const known = options.name ?? source.name;
  // Both sides at the same time, where that can be: the source first, as its answers take longer. What is wrong with it is told first as well.
  const describing = source.describe(context, brief);
  const early = known === undefined ? null : store.readPlan(known, context);
  const asked = sink.ask?.(context);
  for (const one of [describing, early, asked]) one?.catch(() => undefined);
  const description = await describing;
  const migration = options.name ?? description.name;
  const { key } = description;
  const { transform, validate, onReject } = options;
  // Before the sink's table is looked at: whether it may be made anew depends on it.
  let stored = await (migration === known && early ? early : store.readPlan(migration, context));
  const shape = { ...(await shapeOf(migration, description, transform)), planned: stored !== null };
  const target = await sink.prepare(shape, context, asked);
  const upsert = target.mode === 'upsert';
  const pipeline =
    transform === null && validate === null && onReject === 'stop'
      ? null
      : new (await import('../rows/pipeline.ts')).RowPipeline({
          description,
          shape,
          transform,
          validate,
          upsert,
        });
  const delivery = target.delivery(store);
  const errors = (target.findings ?? []).filter(isError);
  const problems = errors.length === 0 ? [] : foundErrors(migration, errors);
  if (delivery === 'at-least-once' && target.mode === 'insert')
    problems.push(deliveryRefused(migration, target));
  const occupied = stored === null && target.mode === 'insert' && !(await target.isEmpty(context));
  // Another process may have planned and begun between the two questions: then these rows are its own.
  if (occupied) stored = await store.readPlan(migration, context);
  const fingerprint = fingerprintOf(options, description, shape, target, delivery, stored);
  const mismatch = stored && storedPlanProblem(migration, stored, fingerprint);
  if (mismatch) problems.push(mismatch);
  if (occupied && !stored) problems.push(notEmpty(migration, target));
  const usable = mismatch ? null : stored;
  const settings: PlanSettings = {
    fingerprint,
    checkpointSize: usable?.settings?.checkpointSize ?? chosenSize(options.checkpointSize, description),
    integerKey: key.length === 1 && key[0]?.type === 'integer',
  };
  const prepared = { migration, description, shape, pipeline, target, delivery, settings, stored: usable };
  return { prepared, problems, planned: stored !== null };
}

/**
 * The rows that the sink gets: the source's, or what a transform makes of them.
 *
 * @throws MigratorError `INVALID_OPTION` where the transform's columns or key cannot be.
 */
export async function shapeOf(
  migration: string,
  description: SourceDescription,
  transform: CheckedTransform | null,
): Promise<RowShape> {
  const { columns, key, schema } = description;
  if (transform === null) return { migration, columns, key, schema };
  return (await import('../rows/pipeline.ts')).resultShape(migration, description, transform);
}

/** Wide rows make it fewer: batches of one checkpoint are written one after the other, so a copy is fast where there are several. */
function chosenSize(
  asked: EngineOptions['checkpointSize'],
  { estimatedRows, estimatedRowBytes }: SourceDescription,
): number {
  if (typeof asked === 'number') return asked;
  const few = Number((mostCheckpointBytes / estimatedRowBytes).toPrecision(1));
  const usual = asked === undefined ? usualCheckpointSize : sizeByRows(estimatedRows);
  return Math.min(usual, Math.max(1, few));
}

/** The guide's table: checkpoints of a bearable number and size. */
function sizeByRows(rows: number): number {
  if (rows < 100_000) return 10_000;
  if (rows < 500_000) return 25_000;
  return rows < 2_000_000 ? 50_000 : 100_000;
}

function fingerprintOf(
  options: EngineOptions,
  description: SourceDescription,
  shape: RowShape,
  target: SinkTarget,
  delivery: Delivery,
  stored: StoredPlan | null,
): Fingerprint {
  const names = (columns: SourceDescription['columns']): string =>
    columns.map((column) => `${column.name} ${column.nativeType}`).join(', ');
  return {
    source: description.identity,
    sink: target.identity,
    ...(delivery === 'at-least-once' && target.database ? { database: target.database } : {}),
    key: names(description.key),
    columns: names(description.columns),
    // Where the host names none, that of the plan is as good.
    checkpointSize: String(
      options.checkpointSize ?? stored?.settings?.fingerprint['checkpointSize'] ?? usualCheckpointSize,
    ),
    ...description.settings,
    ...target.settings,
    ...(options.transform && {
      transform: options.transform.version,
      'transform.columns': names(shape.columns),
      'transform.key': names(shape.key),
    }),
  };
}

/** Takes over checkpoints that have no settings: an earlier system made them, or someone deleted the first. */
export async function adopt(
  options: EngineOptions,
  { migration, settings }: Prepared,
  context: CallContext,
): Promise<void> {
  if (await options.store.adopt(migration, settings, context)) return;
  const stored = await options.store.readPlan(migration, context);
  if (!stored?.settings) throw gapsBetween(migration);
  checkStoredPlan(migration, stored, settings.fingerprint);
}

/** @throws MigratorError where a stored plan cannot be continued. */
export function checkStoredPlan(migration: string, stored: StoredPlan, fingerprint: Fingerprint): void {
  const problem = storedPlanProblem(migration, stored, fingerprint);
  if (problem) throw problem;
}
