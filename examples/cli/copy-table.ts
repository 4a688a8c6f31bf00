import {
  type KeyRange,
  type PlanPreview,
  renderPlan,
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
  reportConfiguration(output, table, configuration);
  const { resume, verbose } = configuration;
  const source = sourceOf(table, configuration);
  await using migrator = migratorOf(table, configuration, source);

  new RunReport(output, { verbose }).watch(migrator);
  output.line(`📊 Analyzing ${table}...`);
  if (!resume) await startAnew(migrator, output, signal);
  // The run looks at every value anyway, and refuses by itself what the plan calls an error.
  const plan = await migrator.plan({ exactCount: true, values: 'none', signal });
  reportPlan(output, table, plan, await wholeRange(source, plan, signal));

  try {
    return await migrator.run({ signal });
  } finally {
    output.bar(null);
  }
}

/** Shows what copying the table would do, and changes nothing. */
export async function planTable(
  table: string,
  configuration: Configuration,
  output: Output,
  signal: AbortSignal,
): Promise<PlanPreview> {
  await using migrator = migratorOf(table, configuration, sourceOf(table, configuration));
  const plan = await migrator.plan({ signal });
  for (const line of renderPlan(plan).split('\n')) output.line(line);
  return plan;
}

function sourceOf(table: string, { databaseUrl, concurrency }: Configuration): PostgresKeysetSource {
  return new PostgresKeysetSource({
    connectionString: databaseUrl,
    table,
    maxConnections: concurrency + 1,
  });
}

function migratorOf(
  table: string,
  configuration: Configuration,
  source: PostgresKeysetSource,
): ResumableMigrator<Record<string, unknown>, Record<string, unknown>> {
  const { accountId, databaseId, apiToken, apiBaseUrl } = configuration;
  const { checkpointSize, concurrency, batchSize, batchDelayMs } = configuration;
  const sink = new D1RestSink({
    accountId,
    databaseId,
    apiToken,
    baseUrl: apiBaseUrl,
    // D1 has no schemas: public.cities becomes cities.
    table: table.slice(table.indexOf('.') + 1),
  });
  return new ResumableMigrator({ source, sink, checkpointSize, concurrency, batchSize, batchDelayMs });
}

/** Forgets the checkpoints, once it is clear that a run would get as far as making new ones. */
async function startAnew(
  migrator: ResumableMigrator<object, object>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const { findings } = await migrator.plan({ values: 'none', signal });
  // A plan that cannot be continued is a reason to start anew; all else would stop the new plan as well.
  const stops = findings.some(
    ({ severity, code }) => severity === 'error' && code !== 'PLAN_MISMATCH' && code !== 'PLAN_INCOMPLETE',
  );
  if (stops) return;
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
