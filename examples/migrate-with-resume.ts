/**
 * Copies PostgreSQL tables into Cloudflare D1, with the variables and the output of the resumable migration guide.
 * `node examples/migrate-with-resume.ts --help` explains it; `npm run demo` shows it without any account.
 */
import type { RunResult } from 'resumable-migrator';
import { type Configuration, readConfiguration, type Environment } from './cli/configuration.ts';
import { copyTable, planTable } from './cli/copy-table.ts';
import { exitCodeOf, printFailure } from './cli/failure.ts';
import { HELP } from './cli/help.ts';
import { Interrupts } from './cli/interrupts.ts';
import { Output } from './cli/output.ts';

async function main(args: readonly string[], env: Environment): Promise<number> {
  const output = new Output(env);
  using interrupts = new Interrupts(output);
  let started = false;
  try {
    const configuration = readConfiguration(args, env);
    if (!configuration) {
      output.line(HELP.trimEnd());
      return 0;
    }
    if (configuration.plan) return await planAll(configuration, output, interrupts, env);
    for (const table of configuration.tables) {
      if (started) output.line();
      started = true;
      const result = await copyTable(table, configuration, output, interrupts.signal);
      if (result.status !== 'completed') {
        reportPause(output, result, env);
        return interrupts.exitCode ?? 1;
      }
      reportCompletion(output, result);
      if (interrupts.signal.aborted && table !== configuration.tables.at(-1)) {
        reportPause(output, null, env);
        return interrupts.exitCode ?? 1;
      }
    }
    return 0;
  } catch (error) {
    if (error === interrupts.signal.reason) {
      reportPause(output, null, env);
      return interrupts.exitCode ?? 1;
    }
    printFailure(output, error, env);
    const exitCode = exitCodeOf(error);
    if (started && exitCode === 1)
      output.error(`   What was copied is saved. To go on with the rest: ${again(env)}`);
    return exitCode;
  }
}

/** Shows the plan of every table; a table that cannot be planned does not hide the others. */
async function planAll(
  configuration: Configuration,
  output: Output,
  { signal }: Interrupts,
  env: Environment,
): Promise<number> {
  let exitCode = 0;
  for (const [index, table] of configuration.tables.entries()) {
    if (index > 0) output.line();
    try {
      const { findings } = await planTable(table, configuration, output, signal);
      if (findings.some(({ severity }) => severity === 'error')) exitCode = Math.max(exitCode, 1);
    } catch (error) {
      if (signal.aborted) throw error;
      printFailure(output, error, env);
      exitCode = Math.max(exitCode, exitCodeOf(error));
    }
  }
  return exitCode;
}

function reportCompletion(output: Output, { rows, milliseconds, progress }: RunResult): void {
  const seconds = Math.max(milliseconds, 1) / 1000;
  output.line();
  output.line(output.colour('green', `✅ Migration of ${progress.migration} completed`));
  output.line(`   Records copied: ${rows} in this run, ${progress.rows} in all`);
  output.line(`   Checkpoints: ${progress.checkpoints.completed} of ${progress.checkpoints.total} completed`);
  output.line(`   Time: ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s`);
}

function reportPause(output: Output, result: RunResult | null, env: Environment): void {
  output.line();
  if (result === null || result.progress.checkpoints.total === 0) {
    output.line('⏸️ Paused before anything of this table was copied');
  } else {
    const { completed, total } = result.progress.checkpoints;
    output.line(
      output.colour('yellow', `⏸️ Migration of ${result.migration} paused; what was copied is saved`),
    );
    output.line(`   Records copied: ${result.rows} in this run, ${result.progress.rows} in all`);
    output.line(`   Checkpoints: ${completed} of ${total} completed`);
  }
  output.line(`   To resume: ${again(env)}`);
}

/** The way to go on. RESUME_MODE=false would start anew instead, so it is not to be repeated. */
function again(env: Environment): string {
  const script = env['npm_lifecycle_event'] ?? '';
  const args = process.argv.slice(2).map((arg) => ` ${arg}`);
  const command = script.startsWith('migrate:resume')
    ? `npm run ${script}`
    : `node examples/migrate-with-resume.ts${args.join('')}`;
  const unset = /^(false|0)$/i.test(env['RESUME_MODE']?.trim() ?? '') ? ' (without RESUME_MODE=false)' : '';
  return `run the same command again${unset}: ${command}`;
}

// A log reader that went away (`| head`) is no reason to stop copying.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
process.exitCode = await main(process.argv.slice(2), process.env);
