import { count, counted, moment } from '../format.ts';
import type { MigrationRecord, RecordedVerification } from '../record.ts';

/** What became of a migration, the worst first. */
export const states = [
  'failed',
  'differs',
  'paused',
  'running',
  'begun',
  'none',
  'completed',
  'verified',
] as const;

export type State = (typeof states)[number];

/** A sign and a word for each, so that none is told by its colour alone. */
export const labels: Readonly<Record<State, readonly [sign: string, word: string]>> = {
  failed: ['✕', 'Failed'],
  differs: ['≠', 'Differs'],
  paused: ['‖', 'Paused'],
  running: ['▸', 'Running'],
  begun: ['◐', 'Not complete'],
  none: ['○', 'Not begun'],
  completed: ['✓', 'Completed'],
  verified: ['✓', 'Completed and compared'],
};

export function stateOf({ error, runs, progress, verification, failures }: MigrationRecord): State {
  const last = runs.at(-1);
  const counts = progress?.checkpoints;
  if (last?.status === 'running' && !error) return 'running';
  if (error || last?.status === 'failed' || failures.length > 0 || (counts?.failed ?? 0) > 0) return 'failed';
  if (verification && differs(verification)) return 'differs';
  if (last?.status === 'paused') return 'paused';
  if (last?.status !== 'completed') {
    if (!counts || counts.total === 0) return 'none';
    if (counts.completed < counts.total) return 'begun';
  }
  return verification?.equal === true ? 'verified' : 'completed';
}

/** True where something is known to differ; a comparison that is not complete may have found nothing yet. */
export function differs({ equal, complete, counts, differingCheckpoints }: RecordedVerification): boolean {
  const found = counts ? counts.missing + counts.different + counts.extra : (differingCheckpoints ?? 0);
  return found > 0 || (complete && !equal);
}

/** What became of it, and what to do next, in a sentence or two. */
export function sentenceOf(record: MigrationRecord): string {
  const last = record.runs.at(-1);
  const failed = Math.max(record.failures.length, record.progress?.checkpoints.failed ?? 0);
  switch (stateOf(record)) {
    case 'failed': {
      if (record.error)
        return 'The run was stopped by an error. What was copied is saved; the next run goes on.';
      return `${counted(failed, 'checkpoint')} failed. What was copied is saved; the next run tries the rest again.`;
    }
    case 'differs':
      return 'The comparison found that the two sides are not the same. repair() mends what it found.';
    case 'paused': {
      if (last?.resumeAt)
        return `A quota of the sink is used up. It takes rows again from ${moment(last.resumeAt)} on; the next run goes on.`;
      const why = last?.reason === 'budget' ? 'its budget was used up' : 'it was asked to stop';
      return `The run paused because ${why}. The next run goes on where it stopped.`;
    }
    case 'running':
      return 'The run had not ended when this was recorded.';
    case 'begun':
      return 'Not everything is copied. The next run goes on where the last one stopped.';
    case 'none':
      return 'Nothing is planned or copied yet.';
    case 'completed': {
      const { checkpoints } = record.progress ?? {};
      if (checkpoints?.total === 0) return 'There were no rows to copy.';
      const all = checkpoints ? `All ${count(checkpoints.total)} checkpoints are` : 'Everything is';
      return record.verification
        ? `${all} completed. They were compared in part, and nothing that was compared differs.`
        : `${all} completed. The two sides were not compared in this report.`;
    }
    default:
      return record.verification?.mode === 'full'
        ? 'Everything is copied, and every value of every row is the same on both sides.'
        : 'Everything is copied, and both sides have the same number of rows in every checkpoint.';
  }
}
