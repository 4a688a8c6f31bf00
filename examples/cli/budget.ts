import type { GroupResult } from 'resumable-migrator';

/** EX_TEMPFAIL of sysexits.h: nothing is wrong, and the same command goes on. */
const outOfTime = 75;

/**
 * The API counts its requests over five minutes. A wait for that, for which the budget was too short, is one that the
 * next run waits out; a daily limit is not, and a next run that began at once would only pause again.
 */
const longestWaitMs = 300_000;

/** The code to exit with where the budget ended the run; undefined where something else did. */
export function budgetExitCode(
  { reason, resumeAt }: Pick<GroupResult, 'reason' | 'resumeAt'>,
  budgetMinutes: number | undefined,
): number | undefined {
  if (budgetMinutes === undefined) return undefined;
  const shortWait =
    reason === 'quota' && resumeAt !== null && resumeAt.getTime() - Date.now() <= longestWaitMs;
  return reason === 'budget' || shortWait ? outOfTime : undefined;
}
