import type { Finding, Fingerprint, SinkTarget, StoredPlan } from '../../contract/index.ts';
import { MigratorError, type MigratorErrorCode } from '../../errors.ts';

/** What a sink finds with the code of an error keeps a run from beginning, as that error. */
export function foundErrors(migration: string, findings: readonly Finding[]): MigratorError[] {
  return findings.flatMap(({ code, message, help }) =>
    isErrorCode(code) ? [new MigratorError(code, message, { migration, help })] : [],
  );
}

/** The codes of errors that a sink may tell of; a test compares them with all that there are. */
export const ofSinks: RegExp =
  /^SINK_(UNREACHABLE|CREDENTIALS|DATABASE_NOT_FOUND|TABLE_NOT_FOUND|COLUMN_MISSING|NOT_EMPTY|RATE_LIMITED|OVERLOADED|QUOTA_EXHAUSTED|PROTOCOL|FAILED)$/;

function isErrorCode(code: string): code is MigratorErrorCode {
  return ofSinks.test(code);
}

/** Findings of severity `error` that have no code of an error. */
export function planRefused(migration: string, errors: readonly Finding[]): MigratorError {
  return new MigratorError(
    'PLAN_REFUSED',
    `The plan cannot be carried out: ${errors.map(({ code, message }) => `${code}: ${message}`).join(' ')}`,
    { migration, help: errors.map(({ help }) => help).join(' ') },
  );
}

/** What a table lacks whose rows cannot be found again. */
export const rowKey = 'a primary key or a unique index on the key columns';

/** Rows without a key need a transaction around rows and checkpoint. */
export function deliveryRefused(migration: string, { identity }: SinkTarget): MigratorError {
  return new MigratorError(
    'DELIVERY_REFUSED',
    `${identity} has no key to find a row by, and rows and checkpoints cannot be written in one transaction here.`,
    {
      migration,
      help: `Give the sink table ${rowKey}, or keep the checkpoints in the sink's own database, behind an endpoint whose batches are atomic.`,
    },
  );
}

/** The table has rows already that a first run could double. */
export function notEmpty(migration: string, target: SinkTarget): MigratorError {
  return new MigratorError(
    'SINK_NOT_EMPTY',
    `${target.identity} has rows already, and no key to find a row by: copying from the start could double them.`,
    {
      migration,
      help: `Empty the table, or give it ${rowKey}, so that rows are upserted.`,
    },
  );
}

/** Why a stored plan cannot be continued; null where it can. */
export function storedPlanProblem(
  migration: string,
  stored: StoredPlan,
  fingerprint: Fingerprint,
): MigratorError | null {
  if (stored.settings === null) return null;
  if (stored.lastSeq !== stored.checkpoints) return checkpointsMissing(migration, stored);
  const before = stored.settings.fingerprint;
  const changed = Object.keys({ ...before, ...fingerprint }).filter(
    (setting) => before[setting] !== fingerprint[setting],
  );
  return changed.length === 0 ? null : planMismatch(migration, before, fingerprint, changed);
}

/** The stored plan was made with other settings; `changed` names them. */
function planMismatch(
  migration: string,
  before: Fingerprint,
  fingerprint: Fingerprint,
  changed: readonly string[],
): MigratorError {
  const changes = changed.map(
    (setting) => `${setting} was ${before[setting] ?? 'not set'}, now ${fingerprint[setting] ?? 'not set'}`,
  );
  return new MigratorError(
    'PLAN_MISMATCH',
    `The stored plan was made with other settings: ${changes.join('; ')}.`,
    {
      migration,
      help: 'Run with the former settings to go on with it, give this migration another name, or forget the plan with reset() (RESUME_MODE=false) and start anew.',
    },
  );
}

/** Someone deleted checkpoints in the middle of the plan. */
function checkpointsMissing(migration: string, { lastSeq, checkpoints }: StoredPlan): MigratorError {
  return planIncomplete(
    migration,
    `The plan ends at checkpoint ${lastSeq}, but ${lastSeq - checkpoints} of its checkpoints are not there any more`,
  );
}

/** Someone deleted checkpoints under a run that counted on them. */
export function checkpointsGone(migration: string, gone: number, known: number): MigratorError {
  return new MigratorError(
    'PLAN_INCOMPLETE',
    `${gone} of ${known} checkpoints that this run knew are not in the store any more: they were deleted while it copied, by reset() or by hand.`,
    {
      migration,
      help: 'Run again: what is not planned any more is planned and copied anew. Where that was meant to start anew, that is all. Where only some in the middle are gone, the next run is refused until reset() (RESUME_MODE=false) forgets the others too.',
    },
  );
}

/** Checkpoints without settings that cannot be taken over. */
export function gapsBetween(migration: string): MigratorError {
  return planIncomplete(migration, 'The stored checkpoints do not cover the keys without a gap');
}

function planIncomplete(migration: string, what: string): MigratorError {
  return new MigratorError('PLAN_INCOMPLETE', `${what}; the rows between them would never be copied.`, {
    migration,
    help: "Delete all checkpoints of this migration (reset(), or RESUME_MODE=false) to plan it anew. To copy a range again, set its status to 'pending' and its cursor to NULL instead of deleting it.",
  });
}
