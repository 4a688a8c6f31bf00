import { appendFileSync } from 'node:fs';
import type { GroupResult } from 'resumable-migrator';
import { renderSummary } from 'resumable-migrator/report';
import type { Environment } from './configuration.ts';
import { printFailure } from './failure.ts';
import { Output } from './output.ts';

/** Appends what became of a run to the summary of the job, where GitHub Actions runs the command. */
export function summarize(output: Output, result: GroupResult, env: Environment): void {
  append(output, env, (summary) => summary.line(renderSummary(result)));
}

/** The same for a command that failed before a table was begun. */
export function summarizeFailure(output: Output, error: unknown, env: Environment): void {
  append(output, env, (summary) => {
    summary.line('### ❌ Migration failed\n\n```text');
    printFailure(summary, error, env);
    summary.line('```\n');
  });
}

/** A summary that cannot be written changes nothing about what became of the run. */
function append(output: Output, env: Environment, write: (summary: Output) => void): void {
  const path = env['GITHUB_STEP_SUMMARY']?.trim() ?? '';
  if (path === '') return;
  const file = { write: (text: string): void => appendFileSync(path, text) };
  try {
    write(new Output(env, file, file));
  } catch (error) {
    output.error(`⚠️ The summary was not written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
