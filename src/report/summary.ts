import type { CheckpointFailure, PauseReason, Progress, RunResult } from '../contract/index.ts';
import type { GroupProgress } from '../engine/index.ts';
import { type GroupResult, oneLine, type TableResult } from '../errors.ts';
import { count, duration } from './format.ts';

/** Checkpoints that failed are listed up to this number. */
const mostFailures = 5;

/** Of a bar. */
const barWidth = 20;

/**
 * What a run did, or where a migration stands, as Markdown: a table with a line for each migration, and below it what
 * failed, with what to do. Of one table or of a group; names and messages cannot break out of their place.
 *
 * @example In a job of GitHub Actions:
 * ```ts
 * await appendFile(process.env.GITHUB_STEP_SUMMARY, renderSummary(await group.run()));
 * ```
 */
export function renderSummary(of: RunResult | GroupResult | Progress | GroupProgress): string {
  if ('totals' in of) return document(groupTitle(of), of, of.tables.map(tableLine));
  if ('batches' in of) return document(`Migration ${of.status}`, of, [runLine(of)]);
  return document('Progress', null, ('tables' in of ? of.tables : [of]).map(progressLine));
}

type Mark = keyof typeof marks;
const marks = { completed: '✅', paused: '⏸️', failed: '❌', skipped: '⏸️', running: '🔄' } as const;

/** A line of the table, and what stands about it below. */
interface Line {
  readonly migration: string;
  readonly mark: Mark;
  readonly status: string;
  readonly progress: Progress | null;
  /** Null where it is about no run. */
  readonly run: Pick<RunResult, 'rows' | 'milliseconds'> | null;
  readonly notes: readonly string[];
}

type End = Pick<RunResult, 'status' | 'reason' | 'resumeAt' | 'milliseconds'>;

function document(title: string, end: End | null, lines: readonly Line[]): string {
  const notes = lines.flatMap(({ notes: those }) => those);
  return [
    `### ${end === null ? '📊' : marks[end.status]} ${title}`,
    ...(end === null ? [] : ['', endOf(end)]),
    '',
    ...table(lines, end !== null),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
  ].join('\n');
}

function groupTitle({ status, totals: { tables, completed } }: GroupResult): string {
  return tables === 1
    ? `Migration ${status}`
    : `Migration ${status}: ${count(completed)} of ${count(tables)} tables are complete`;
}

function endOf({ status, reason, resumeAt, milliseconds }: End): string {
  const took = `It took ${duration(milliseconds)}.`;
  if (status === 'completed') return took;
  const why = reason === null ? '' : ` ${reasons[reason]}`;
  const when = resumeAt === null ? '' : ` Rows are taken again from ${resumeAt.toISOString()} on.`;
  const next = status === 'failed' ? 'tries again what failed' : 'goes on';
  return `${took}${why}${when} What was copied is saved; the next run ${next}.`;
}

const reasons: Readonly<Record<PauseReason, string>> = {
  budget: 'The time that the run was given is used up.',
  signal: 'The run was asked to stop.',
  quota: 'A quota of the sink is used up.',
};

function table(lines: readonly Line[], ofRun: boolean): string[] {
  const head = ['Table', 'Status', 'Checkpoints', 'Rows'];
  const rule = ['---', '---', '---', '---:'];
  if (ofRun) {
    head.push('In this run', 'Rate');
    rule.push('---:', '---:');
  }
  const rows = lines.map(({ migration, mark, status, progress, run }) => {
    const cells = [
      plain(migration),
      `${marks[mark]} ${status}`,
      progress === null ? '' : bar(progress),
      progress === null ? '' : count(progress.rows),
    ];
    if (ofRun) cells.push(run === null ? '' : count(run.rows), run === null ? '' : rateOf(run));
    return cells;
  });
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function bar({ percent, checkpoints: { completed, total } }: Progress): string {
  if (total === 0) return 'none';
  // Rounded down: a bar is full where everything is done, and not before.
  const filled = Math.floor((percent / 100) * barWidth);
  return `\`${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}\` ${count(completed)} of ${count(total)}`;
}

function rateOf({ rows, milliseconds }: Pick<RunResult, 'rows' | 'milliseconds'>): string {
  return rows === 0 ? '' : `${count((rows * 1_000) / Math.max(milliseconds, 1))} rows/s`;
}

function tableLine(one: TableResult): Line {
  const { migration, status } = one;
  if (one.status === 'skipped') {
    const notes = [note('skipped', migration, plain(one.message))];
    return { migration, mark: 'skipped', status: 'not begun', progress: null, run: null, notes };
  }
  if (one.status !== 'failed') return runLine(one.result);
  const { error, result } = one;
  const notes = [
    note('failed', migration, `${plain(error.code)}: ${plain(error.message)} **${plain(error.help)}**`),
    // The message names the first.
    ...failureNotes(result?.failures.slice(1) ?? []),
    ...rejectNotes(result?.progress ?? null),
  ];
  return { migration, mark: status, status, progress: result && known(result), run: result, notes };
}

/** Durable progress. A run that ended before it asked for it does not know of any, which is not to say that there is none. */
function known({ status, progress }: Pick<RunResult, 'status' | 'progress'>): Progress | null {
  return status !== 'completed' && progress.checkpoints.total === 0 ? null : progress;
}

function runLine(run: RunResult): Line {
  const { migration, status, progress, failures } = run;
  const notes = [...failuresOf(migration, failures), ...rejectNotes(progress)];
  return { migration, mark: status, status, progress: known(run), run, notes };
}

function progressLine(progress: Progress): Line {
  const { migration, checkpoints, failures } = progress;
  const [mark, status] = standing(checkpoints);
  const notes = [...failuresOf(migration, failures), ...rejectNotes(progress)];
  return { migration, mark, status, progress, run: null, notes };
}

function standing({ total, completed, failed, inProgress }: Progress['checkpoints']): [Mark, string] {
  if (total === 0) return ['skipped', 'not begun'];
  if (completed === total) return ['completed', 'completed'];
  if (failed > 0) return ['failed', `${count(failed)} failed`];
  return inProgress > 0 ? ['running', 'in progress'] : ['paused', 'not complete'];
}

function failuresOf(migration: string, failures: readonly CheckpointFailure[]): string[] {
  if (failures.length === 0) return [];
  const some = failures.length === 1 ? 'A checkpoint' : `${count(failures.length)} checkpoints`;
  return [
    note('failed', migration, `${some} failed. **The next run tries again.**`),
    ...failureNotes(failures),
  ];
}

function failureNotes(failures: readonly CheckpointFailure[]): string[] {
  const shown = failures.slice(0, mostFailures).map(({ seq, code, message }) => {
    return `  - checkpoint ${seq}: ${plain(code)}: ${plain(message)}`;
  });
  const more = failures.length - shown.length;
  return more > 0 ? [...shown, `  - and ${count(more)} more`] : shown;
}

function rejectNotes(progress: Progress | null): string[] {
  if (progress === null || progress.rejected === 0) return [];
  const rows = progress.rejected === 1 ? 'A row was' : `${count(progress.rejected)} rows were`;
  return [
    `- ⚠️ ${plain(progress.migration)}: ${rows} set aside. **\`rejects()\` lists them with their reasons.**`,
  ];
}

function note(mark: Mark, migration: string, text: string): string {
  return `- ${marks[mark]} ${plain(migration)}: ${text}`;
}

/** A text in one line that is shown as it is: nothing in it makes a cell, a link, an image, an element or a formula. */
function plain(text: string): string {
  // Within a word a `_` means nothing, and names are full of them.
  return oneLine(text).replace(/[\\`*~[\]<>|&$#@!]|(?<!\w)_|_(?!\w)/g, '\\$&');
}
