import {
  isMigratorError,
  type KeyRange,
  type PlanPreview,
  ResumableMigrator,
  type RunResult,
} from 'resumable-migrator';
import { D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import type { Configuration } from './configuration.ts';
import type { Output } from './output.ts';
import { reportConfiguration, reportPlan, RunReport } from './report.ts';

/** Copies one table, and tells as it goes. Rejects with whatever stopped it. */
export async function copyTable(
  table: string,
  configuration: Configuration,
  output: Output,
  signal: AbortSignal,
): Promise<RunResult> {
  const { databaseUrl, accountId, databaseId, apiToken, apiBaseUrl, concurrency } = configuration;
  const { checkpointSize, batchSize, batchDelayMs, resume, verbose } = configuration;
  reportConfiguration(output, table, configuration);

  const source = new PostgresKeysetSource({
    connectionString: databaseUrl,
    table,
    maxConnections: concurrency + 1,
  });
  const sink = new D1RestSink({
    accountId,
    databaseId,
    apiToken,
    baseUrl: apiBaseUrl,
    // D1 has no schemas: public.cities becomes cities.
    table: table.slice(table.indexOf('.') + 1),
  });
  await using migrator = new ResumableMigrator({
    source,
    sink,
    checkpointSize,
    concurrency,
    batchSize,
    batchDelayMs,
  });

  new RunReport(output, { verbose }).watch(migrator);
  output.line(`📊 Analyzing ${table}...`);
  if (!resume) await startAnew(migrator, output, signal);
  const plan = await migrator.plan({ exactCount: true, signal });
  reportPlan(output, table, plan, await wholeRange(source, plan, signal));

  try {
    return await migrator.run({ signal });
  } finally {
    output.bar(null);
  }
}

/** Forgets the checkpoints, once it is clear that a run would get as far as making new ones. */
async function startAnew(
  migrator: ResumableMigrator<object, object>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  try {
    await migrator.plan({ signal });
  } catch (error) {
    // A plan that cannot be continued is a reason to start anew; all else would stop the new plan as well.
    if (!isMigratorError(error) || (error.code !== 'PLAN_MISMATCH' && error.code !== 'PLAN_INCOMPLETE'))
      throw error;
  }
  await migrator.reset({ signal });
  output.line('   Cleared the checkpoints of earlier runs (RESUME_MODE=false)');
}

/** The first and the last key of the table; of keys that are no integers only what the new plan covers. */
async function wholeRange(
  source: PostgresKeysetSource,
  { key, newRange }: PlanPreview,
  signal: AbortSignal,
): Promise<KeyRange | null> {
  if (key.length !== 1 || key[0]?.type !== 'integer') return newRange;
  let lower: KeyRange['lower'] = null;
  let upper: KeyRange['upper'] | null = null;
  // One huge range, or a few where the ids span all of 64 bits.
  for await (const ranges of source.ranges({ size: Number.MAX_SAFE_INTEGER, after: null }, { signal })) {
    lower ??= ranges[0]?.lower ?? null;
    upper = ranges.at(-1)?.upper ?? upper;
  }
  return upper && { lower, upper };
}
