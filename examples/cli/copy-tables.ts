import {
  type GroupResult,
  isMigratorError,
  type KeyRange,
  MigrationGroup,
  type PlanPreview,
  type ResumableMigrator,
} from 'resumable-migrator';
import { D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import type { Configuration } from './configuration.ts';
import type { Output } from './output.ts';
import { reportConfiguration, reportPlan, RunReport } from './report.ts';

/** Copies the tables one after the other, parents before children, and tells as it goes. */
export async function copyTables(
  configuration: Configuration,
  output: Output,
  signal: AbortSignal,
): Promise<GroupResult> {
  const { tables, resume, verbose } = configuration;
  const { checkpointSize, concurrency, batchSize, batchDelayMs } = configuration;
  reportConfiguration(output, configuration);
  await using group = new MigrationGroup();
  const parts = new Map<ResumableMigrator<object, object>, { table: string; source: PostgresKeysetSource }>(
    tables.map((table) => {
      const source = sourceOf(table, configuration);
      const sink = sinkOf(table, configuration);
      const migrator = group.add({ source, sink, checkpointSize, concurrency, batchSize, batchDelayMs });
      new RunReport(output, { verbose }).watch(migrator);
      return [migrator, { table, source }] as const;
    }),
  );
  let first = true;
  try {
    return await group.run({
      signal,
      beforeTable: async ({ migrator }) => {
        const part = parts.get(migrator);
        if (!part) return;
        const { table, source } = part;
        if (!first) output.line();
        first = false;
        output.line(`📊 Analyzing ${table}...`);
        if (!resume) await startAnew(migrator, output, signal);
        const plan = await migrator.plan({ exactCount: true, signal });
        reportPlan(output, table, plan, await wholeRange(source, plan, signal));
      },
    });
  } catch (error) {
    if (isMigratorError(error) && error.group) return error.group;
    throw error;
  } finally {
    output.bar(null);
  }
}

function sourceOf(table: string, { databaseUrl, concurrency }: Configuration): PostgresKeysetSource {
  return new PostgresKeysetSource({
    connectionString: databaseUrl,
    table,
    maxConnections: concurrency + 1,
  });
}

function sinkOf(
  table: string,
  { accountId, databaseId, apiToken, apiBaseUrl }: Configuration,
): D1RestSink<Record<string, Record<string, unknown>>, string> {
  return new D1RestSink({
    accountId,
    databaseId,
    apiToken,
    baseUrl: apiBaseUrl,
    // D1 has no schemas: public.cities becomes cities.
    table: table.slice(table.indexOf('.') + 1),
  });
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
