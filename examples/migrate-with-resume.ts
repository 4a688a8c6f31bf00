/**
 * Copies PostgreSQL tables into Cloudflare D1, with the variables and the output of the resumable migration guide.
 * `npx node examples/migrate-with-resume.ts --help` explains it; `npm run demo` shows it without any account.
 */
import type { GroupPlan, GroupResult, RunResult } from 'resumable-migrator';
import { budgetExitCode } from './cli/budget.ts';
import { readConfiguration, type Environment } from './cli/configuration.ts';
import { copyTables, planTables } from './cli/copy-tables.ts';
import { exitCodeOf, printFailure } from './cli/failure.ts';
import { HELP } from './cli/help.ts';
import { Interrupts } from './cli/interrupts.ts';
import { Output } from './cli/output.ts';
import { showStatus } from './cli/status.ts';
import { summarize, summarizeFailure } from './cli/step-summary.ts';

async function main(args: readonly string[], env: Environment): Promise<number> {
  const output = new Output(env);
  try {
    const configuration = readConfiguration(args, env);
    if (!configuration) {
      output.line(HELP.trimEnd());
      return 0;
    }
    using interrupts = new Interrupts(output, { copies: !configuration.status });
    if (configuration.status) {
      const code = await showStatus(configuration, output, interrupts.signal);
      return interrupts.exitCode ?? code;
    }
    if (configuration.plan) {
      return planExitCode(await planTables(configuration, output, interrupts.signal));
    }
    const group = await copyTables(configuration, output, interrupts.signal);
    summarize(output, group, env);
    const paused = interrupts.exitCode ?? budgetExitCode(group, configuration.budgetMinutes);
    return report(output, group, env) ?? paused ?? 1;
  } catch (error) {
    printFailure(output, error, env);
    if (!args.includes('--status')) summarizeFailure(output, error, env);
    return exitCodeOf(error);
  }
}

/** 1 where a run would be refused, or would fail; 2 where the configuration keeps a table from being planned. */
function planExitCode({ tables }: GroupPlan): number {
  const codes = tables.map(({ plan, error }) => {
    if (error) return exitCodeOf(error);
    return plan.findings.some(({ severity }) => severity === 'error') ? 1 : 0;
  });
  return Math.max(0, ...codes);
}

/** Says what became of every table that is not complete. The exit code; undefined where the run was interrupted. */
function report(output: Output, group: GroupResult, env: Environment): number | undefined {
  const failed = group.tables.filter((table) => table.status === 'failed');
  const [only] = group.tables;
  for (const table of group.tables) {
    if (table.status === 'paused') reportPause(output, table.result, env);
    else if (table.status === 'skipped' && group.tables.length > 1) {
      output.line();
      output.line(output.colour('yellow', `⏸️ ${table.migration} was not begun. ${table.message}`));
    } else if (table.status === 'failed') {
      if (group.tables.length > 1) output.error(`\n❌ Migration of ${table.migration} failed`);
      printFailure(output, table.error, env);
    }
  }
  if (group.tables.length > 1) reportTogether(output, group);
  else if (only?.status === 'skipped') reportPause(output, null, env);
  if (group.status === 'completed') return 0;
  if (failed.length === 0) return undefined;
  if (failed.every(({ error }) => exitCodeOf(error) === 2)) return 2;
  output.error(`   What was copied is saved. To go on with the rest: ${again(env)}`);
  return 1;
}

function reportTogether(output: Output, { totals, status }: GroupResult): void {
  const { tables, completed, rows } = totals;
  output.line();
  const mark = status === 'completed' ? '✅' : status === 'failed' ? '❌' : '⏸️';
  output.line(`${mark} ${completed} of ${tables} tables completed, ${rows} records copied in this run`);
}

function reportPause(output: Output, result: RunResult | null, env: Environment): void {
  output.line();
  if (result === null || result.progress.checkpoints.total === 0) {
    output.line('⏸️ Paused before anything of this table was copied in this run');
  } else {
    const { completed, total } = result.progress.checkpoints;
    output.line(
      output.colour('yellow', `⏸️ Migration of ${result.migration} paused; what was copied is saved`),
    );
    output.line(`   Records copied: ${result.rows} in this run, ${result.progress.rows} in all`);
    output.line(`   Checkpoints: ${completed} of ${total} completed`);
  }
  if (result?.resumeAt) {
    output.line(`   A quota of D1 is used up. It takes rows again from ${result.resumeAt.toISOString()} on`);
  }
  output.line(`   To resume: ${again(env)}`);
}

/** The way to go on. RESUME_MODE=false would start anew instead, so it is not to be repeated. */
function again(env: Environment): string {
  const script = env['npm_lifecycle_event'] ?? '';
  const args = process.argv.slice(2).map((arg) => ` ${arg}`);
  const command = script.startsWith('migrate:resume')
    ? `npm run ${script}`
    : `npx node examples/migrate-with-resume.ts${args.join('')}`;
  const unset = /^(false|0)$/i.test(env['RESUME_MODE']?.trim() ?? '') ? ' (without RESUME_MODE=false)' : '';
  return `run the same command again${unset}: ${command}`;
}

// A log reader that went away (`| head`) is no reason to stop copying.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
process.exitCode = await main(process.argv.slice(2), process.env);
