import { isMigratorError, type MigratorErrorCode } from 'resumable-migrator';
import { ConfigurationError, type Environment } from './configuration.ts';
import type { Output } from './output.ts';

/** Errors that the same command would end with again: the operator has to change something first. */
const wrongConfiguration: ReadonlySet<MigratorErrorCode> = new Set<MigratorErrorCode>([
  'INVALID_OPTION',
  'SOURCE_CREDENTIALS',
  'SOURCE_TABLE_NOT_FOUND',
  'SOURCE_COLUMN_NOT_FOUND',
  'SOURCE_KEY_REQUIRED',
  'SOURCE_KEY_NULLABLE',
  'SOURCE_KEY_NOT_UNIQUE',
  'SINK_CREDENTIALS',
  'SINK_DATABASE_NOT_FOUND',
  'SINK_TABLE_NOT_FOUND',
  'SINK_COLUMN_MISSING',
  'SINK_NOT_EMPTY',
  'DELIVERY_REFUSED',
  'PLAN_MISMATCH',
  'PLAN_INCOMPLETE',
  'GROUP_CYCLE',
]);

/** Wrong configuration too, unless the error says that the same call may succeed later. */
const wrongAddress: ReadonlySet<MigratorErrorCode> = new Set<MigratorErrorCode>([
  'SOURCE_UNREACHABLE',
  'SINK_PROTOCOL',
]);

/** 2 where the operator has to change the configuration, else 1. */
export function exitCodeOf(error: unknown): 1 | 2 {
  if (error instanceof ConfigurationError) return 2;
  if (!isMigratorError(error)) return 1;
  return wrongConfiguration.has(error.code) || (wrongAddress.has(error.code) && !error.retryable) ? 2 : 1;
}

/** Prints what failed and what to do. The stack is for whoever set DEBUG. */
export function printFailure(output: Output, error: unknown, env: Environment): void {
  output.bar(null);
  const debug = (env['DEBUG'] ?? '') !== '';
  if (error instanceof ConfigurationError) {
    output.error(`❌ ${error.message}`);
  } else if (isMigratorError(error)) {
    output.error(`❌ ${error.code}: ${error.message}`);
    output.error(`   ${error.help}`);
    const failures = error.result?.failures ?? [];
    // The message names the first failure.
    for (const { code, message } of failures.slice(1, 6)) output.error(`   ${code}: ${message}`);
    if (failures.length > 6)
      output.error(`   ... and ${failures.length - 6} more: see error_message in migration_checkpoints.`);
  } else {
    output.error(`❌ ${error instanceof Error ? error.message : String(error)}`);
    if (!debug) output.error('   This should not happen. Set DEBUG=1 to see where, and please report it.');
  }
  if (debug) printStack(output, error);
}

function printStack(output: Output, error: unknown): void {
  for (let at: unknown = error; at instanceof Error; at = at.cause) output.error(at.stack ?? at.message);
}
