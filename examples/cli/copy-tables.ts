import {
  type GroupPlan,
  type GroupResult,
  isMigratorError,
  type KeyRange,
  MigrationGroup,
  type PlanPreview,
  type ResumableMigrator,
} from 'resumable-migrator';
import { httpFetch } from 'resumable-migrator/node';
import { renderPlan } from 'resumable-migrator/report';
import { D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import type { Configuration } from './configuration.ts';
import { LiveView } from './live-view.ts';
import type { Lines, Output } from './output.ts';
import { ReportFile } from './report-file.ts';
import { reportConfiguration, reportPlan, RunReport } from './report.ts';

/** Copies the tables, parents before children, and tells as it goes. */
export async function copyTables(
  configuration: Configuration,
  output: Output,
  signal: AbortSignal,
): Promise<GroupResult> {
  const { resume, verbose, budgetMinutes, reportFile, tables, tableConcurrency } = configuration;
  reportConfiguration(output, configuration);
  const { group, parts } = groupOf(configuration);
  await using _closed = group;
  const view = new LiveView(output, tables);
  // Where several are copied at once, a line has to say which of them it is about.
  const linesOf = (table: string): Lines => (tableConcurrency > 1 ? output.labelled(table) : output);
  for (const [migrator, { table }] of parts) {
    new RunReport(linesOf(table), { verbose, view, table }).watch(migrator);
  }
  const report = reportFile === undefined ? null : new ReportFile(reportFile);
  for (const [migrator, { table }] of parts) report?.record(migrator, table);
  let first = true;
  try {
    const result = await group.run({
      signal,
      budget: budgetMinutes === undefined ? undefined : { milliseconds: budgetMinutes * 60_000 },
      beforeTable: async ({ migrator }) => {
        const part = parts.get(migrator);
        if (!part) return;
        const { table, source } = part;
        const lines = linesOf(table);
        view.set(table, { is: 'analyzing' });
        if (!first) lines.line();
        first = false;
        lines.line(`📊 Analyzing ${table}...`);
        try {
          if (!resume) await startAnew(migrator, lines, signal);
          // The run looks at every value anyway, and refuses by itself what the plan calls an error.
          const plan = await migrator.plan({ exactCount: true, values: 'none', signal });
          reportPlan(lines, table, plan, await wholeRange(source, plan, signal));
        } catch (error) {
          if (isMigratorError(error)) view.set(table, { is: 'failed', code: error.code });
          throw error;
        }
      },
    });
    await report?.write(output, result);
    return result;
  } catch (error) {
    if (!isMigratorError(error) || !error.group) throw error;
    await report?.write(output, error.group);
    return error.group;
  } finally {
    view.end();
  }
}

/** Shows what copying the tables would do, and changes nothing. */
export async function planTables(
  configuration: Configuration,
  output: Output,
  signal: AbortSignal,
): Promise<GroupPlan> {
  const { group } = groupOf(configuration);
  await using _closed = group;
  const plan = await group.plan({ signal });
  const [first] = plan.tables;
  const shown = plan.tables.length === 1 && first?.plan ? renderPlan(first.plan) : renderPlan(plan);
  for (const line of shown.split('\n')) output.line(line);
  return plan;
}

interface Part {
  readonly table: string;
  readonly source: PostgresKeysetSource;
}

function groupOf(configuration: Configuration): {
  readonly group: MigrationGroup;
  readonly parts: ReadonlyMap<ResumableMigrator<object, object>, Part>;
} {
  const { tables, checkpointSize, concurrency, batchSize, batchDelayMs } = configuration;
  const group = new MigrationGroup({ concurrency: configuration.tableConcurrency });
  const parts = new Map<ResumableMigrator<object, object>, Part>();
  for (const table of tables) {
    const source = sourceOf(table, configuration);
    const sink = sinkOf(table, configuration);
    const migrator = group.add({ source, sink, checkpointSize, concurrency, batchSize, batchDelayMs });
    parts.set(migrator, { table, source });
  }
  return { group, parts };
}

function sourceOf(table: string, { databaseUrl, concurrency }: Configuration): PostgresKeysetSource {
  return new PostgresKeysetSource({
    connectionString: databaseUrl,
    table,
    maxConnections: concurrency + 1,
  });
}

/** What a table is called in D1, which has no schemas: public.cities becomes cities. */
export function sinkTable(table: string): string {
  return table.slice(table.indexOf('.') + 1);
}

export function sinkOf(
  table: string,
  { accountId, databaseId, apiToken, apiBaseUrl }: Configuration,
): D1RestSink<Record<string, Record<string, unknown>>, string> {
  return new D1RestSink({
    accountId,
    databaseId,
    apiToken,
    baseUrl: apiBaseUrl,
    fetch: httpFetch,
    table: sinkTable(table),
  });
}

/** Forgets the checkpoints, once it is clear that a run would get as far as making new ones. */
async function startAnew(
  migrator: ResumableMigrator<object, object>,
  output: Lines,
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
