import type { Logger } from 'pino';
import { isMigratorError, type MigrationEvents } from 'resumable-migrator';
import type { AnyMigrator } from './migrator.ts';

/**
 * What a log is told of an event. It says which fields, not which to leave out: keys, cursors, ranges and messages may
 * hold values of rows, and a log goes further than the database. The messages stand in `migration_checkpoints`.
 */
type Entry = readonly [level: 'debug' | 'info' | 'warn' | 'error', fields: Record<string, unknown>];

const entries: { readonly [Name in keyof MigrationEvents]?: (event: MigrationEvents[Name]) => Entry } = {
  'run:start': ({ runId, delivery, concurrency }) => ['info', { runId, delivery, concurrency }],
  'plan:ready': ({ checkpointSize, added, progress: { checkpoints, rows } }) => [
    'info',
    { checkpointSize, added, checkpoints: checkpoints.total, completed: checkpoints.completed, rows },
  ],
  'checkpoint:claimed': ({ seq, rows }) => ['debug', { checkpoint: seq, rows }],
  'checkpoint:completed': ({ seq, rows }) => ['info', { checkpoint: seq, rows }],
  'checkpoint:failed': ({ seq, code }) => ['error', { checkpoint: seq, code }],
  'checkpoint:lost': ({ seq, rows }) => ['warn', { checkpoint: seq, rows }],
  'batch:committed': ({ seq, rows, written, rejected, bytes, end, milliseconds }) => [
    'debug',
    { checkpoint: seq, rows, written, rejected, bytes, end, milliseconds: Math.round(milliseconds) },
  ],
  'batch:limit': ({ rows, previous, reason }) => ['info', { rows, previous, reason }],
  'row:rejected': ({ seq, code }) => ['warn', { checkpoint: seq, code }],
  retry: ({ operation, attempt, delayMs, code }) => [
    'warn',
    { operation, attempt, delayMs: Math.round(delayMs), code },
  ],
  wait: ({ waitMs }) => ['info', { waitMs }],
  'run:end': ({ status, reason, resumeAt, rows, batches, completedCheckpoints, milliseconds, failures }) => [
    status === 'failed' ? 'error' : 'info',
    {
      status,
      reason,
      resumeAt,
      rows,
      batches,
      completedCheckpoints,
      milliseconds,
      failed: failures.length,
    },
  ],
};

/** Logs the events of a migrator, each under its own name. */
export function logEvents(migrator: AnyMigrator, logger: Logger): void {
  for (const name of Object.keys(entries) as (keyof MigrationEvents)[]) logEvent(migrator, name, logger);
  // A listener of this program is broken: its own error says where.
  migrator.on('listener:error', ({ event, error }) => logger.error({ event, err: error }, 'listener:error'));
}

function logEvent(migrator: AnyMigrator, name: keyof MigrationEvents, logger: Logger): void {
  // The entry of a name takes the event of that name, which the compiler cannot follow through a loop.
  const entryOf = entries[name] as ((event: MigrationEvents[typeof name]) => Entry) | undefined;
  if (!entryOf) return;
  migrator.on(name, (event) => {
    const [level, fields] = entryOf(event);
    logger[level](fields, name);
  });
}

/** What may be told of an error outside of the process: never its message, which may name a row's key. */
export function shownError(error: unknown): { readonly code: string; readonly help: string } {
  if (isMigratorError(error)) return { code: error.code, help: error.help };
  return { code: 'UNEXPECTED', help: 'This is a defect of the program; its log has the stack.' };
}

/** Logs why a run failed. An error that nobody made on purpose is logged with its stack. */
export function logFailure(error: unknown, logger: Logger): void {
  logger.error(isMigratorError(error) ? shownError(error) : { err: error }, 'run failed');
}
