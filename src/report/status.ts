import type { CheckpointFailure, KeyRange, Progress } from '../contract/index.ts';
import type { GroupProgress } from '../engine/index.ts';
import { oneLine, showKey } from '../errors.ts';
import { count, showRange } from './format.ts';
import { columns, wrap } from './layout.ts';

/** What a part of the text says, by which it may be coloured. The names are those of Node's `styleText`. */
export type StatusStyle = 'green' | 'yellow' | 'red' | 'dim';

/** How {@link renderStatus} shows progress. */
export interface StatusOptions {
  /** Columns that a line fills at the most. Default 92. Single words that are longer stay whole. */
  readonly width?: number | undefined;
  /** Colours a part of the text. Default: the text as it is, without any codes. */
  readonly colour?: ((style: StatusStyle, text: string) => string) | undefined;
}

type Layout = Required<{ [Name in keyof StatusOptions]: NonNullable<StatusOptions[Name]> }>;

const longestBar = 24;
const shortestBar = 6;
const shortestName = 8;

/**
 * Durable progress as plain text for people: how much is done, the checkpoints by their states, where a run goes on,
 * and what failed. Of a group: a table of its tables first, then each that is not complete.
 *
 * @example
 * ```ts
 * console.log(renderStatus(await migrator.status()));
 * ```
 */
export function renderStatus(progress: Progress | GroupProgress, options: StatusOptions = {}): string {
  const layout: Layout = { width: options.width ?? 92, colour: options.colour ?? ((_, text) => text) };
  const lines = 'tables' in progress ? groupLines(progress, layout) : tableLines(progress, layout);
  return lines.join('\n');
}

function groupLines(group: GroupProgress, layout: Layout): string[] {
  const { tables } = group;
  const completed = tables.filter(({ checkpoints }) => standing(checkpoints).style === 'green').length;
  const details = tables.flatMap((table) => {
    const facts = [...columns(resumeFacts(table), layout.width), ...failureLines(table.failures, layout)];
    return facts.length === 0 ? [] : ['', oneLine(table.migration), ...facts];
  });
  return [
    `${count(completed)} of ${count(tables.length)} ${tables.length === 1 ? 'table' : 'tables'} completed`,
    '',
    ...grid(tables, group, layout),
    ...details,
  ];
}

function tableLines(progress: Progress, { width, colour }: Layout): string[] {
  const { checkpoints, percent, rows, rejected, failures } = progress;
  const { style, word } = standing(checkpoints);
  const title = `${oneLine(progress.migration)}: ${colour(style, word)}`;
  if (checkpoints.total === 0) return [title];
  const { total, completed, inProgress, pending, failed } = checkpoints;
  const states = [`${count(completed)} of ${count(total)} completed`];
  if (inProgress > 0) states.push(`${count(inProgress)} in progress`);
  if (pending > 0) states.push(`${count(pending)} pending`);
  if (failed > 0) states.push(`${count(failed)} failed`);
  const shown = Math.min(longestBar, width - 26);
  const done = shown < shortestBar ? '' : `${barOf(percent, shown, style, colour)}  `;
  const facts: [string, string][] = [
    ['Rows', count(rows)],
    ['Set aside', rejected === 0 ? '' : `${count(rejected)} rows`],
    ['Checkpoints', states.join(', ')],
    ...resumeFacts(progress),
  ];
  // Not among the facts: a text with colours cannot be cut into lines by its length.
  const [first = '', ...rest] = columns([['Done', percentOf(percent)], ...facts], width);
  return [
    title,
    '',
    first.replace(/\S+$/, (figure) => `${done}${figure}`),
    ...rest,
    ...failureLines(failures, { width, colour }),
  ];
}

/** Where a migration stands, in a word or two. */
function standing({ total, completed, failed, inProgress }: Progress['checkpoints']): {
  readonly style: StatusStyle;
  readonly word: string;
} {
  if (total === 0) return { style: 'dim', word: 'nothing is planned yet' };
  if (completed === total) return { style: 'green', word: 'completed' };
  if (failed > 0) return { style: 'red', word: `${count(failed)} failed` };
  return { style: 'yellow', word: inProgress > 0 ? 'in progress' : 'not completed' };
}

function resumeFacts({ lastCompleted, next }: Progress): [string, string][] {
  if (next === null) return [];
  const after = next.cursor === null ? '' : oneLine(`, copied up to ${showKey(next.cursor)}`);
  return [
    ['Last completed', lastCompleted === null ? '' : placeOf(lastCompleted.seq, lastCompleted.range)],
    ['Next', `${placeOf(next.seq, next.range)}${after}`],
  ];
}

function placeOf(seq: number, range: KeyRange): string {
  return oneLine(`checkpoint ${seq}, keys ${showRange(range)}`);
}

function failureLines(failures: readonly CheckpointFailure[], { width, colour }: Layout): string[] {
  if (failures.length === 0) return [];
  return [
    '',
    `Failures (${count(failures.length)}); the next run tries again`,
    ...failures.flatMap(({ seq, code, message }) => [
      `  ${colour('red', oneLine(code))}, checkpoint ${seq}`,
      ...wrap(message, width - 4).map((line) => `    ${oneLine(line)}`),
    ]),
  ];
}

const head = ['rows', 'completed', 'in progress', 'pending', 'failed'] as const;

function grid(tables: readonly Progress[], group: GroupProgress, { width, colour }: Layout): string[] {
  const lines = [...tables, { ...group, migration: 'in all' }].map((one) => ({
    name: oneLine(one.migration),
    percent: one.percent,
    style: standing(one.checkpoints).style,
    cells: figuresOf(one).map(count),
  }));
  const widths = head.map((title, index) =>
    Math.max(title.length, ...lines.map(({ cells }) => cells[index]?.length ?? 0)),
  );
  // Two columns between all, and the percentage.
  const figures = widths.reduce((sum, one) => sum + 2 + one, 0) + '  100.0%'.length;
  const longestName = Math.max('table'.length, ...lines.map(({ name }) => name.length));
  const room = width - 2 - figures;
  const nameWidth = Math.max(shortestName, Math.min(longestName, room));
  const barRoom = Math.min(longestBar, room - nameWidth - 2);
  const barWidth = barRoom < shortestBar ? 0 : barRoom;
  const put = (name: string, bar: string, percent: string, cells: readonly string[]): string =>
    [
      `  ${shortened(name, nameWidth).padEnd(nameWidth)}`,
      ...(barWidth === 0 ? [] : [bar]),
      percent.padStart('100.0%'.length),
      ...cells.map((cell, index) => cell.padStart(widths[index] ?? 0)),
    ].join('  ');
  const [titles, ...rows] = [
    put('table', ' '.repeat(barWidth), 'done', head),
    ...lines.map(({ name, percent, style, cells }) =>
      put(name, barOf(percent, barWidth, style, colour), percentOf(percent), cells),
    ),
  ];
  return [colour('dim', titles ?? ''), ...rows];
}

function figuresOf({ rows, checkpoints }: Pick<Progress, 'rows' | 'checkpoints'>): number[] {
  const { completed, inProgress, pending, failed } = checkpoints;
  return [rows, completed, inProgress, pending, failed];
}

function shortened(name: string, room: number): string {
  return name.length <= room ? name : `${name.slice(0, room - 1)}…`;
}

/** Rounded down, like the figure beside it: a bar is full where everything is done, and not before. */
function barOf(percent: number, width: number, style: StatusStyle, colour: Layout['colour']): string {
  if (width <= 0) return '';
  const filled = Math.floor((percent / 100) * width);
  const rest = '░'.repeat(width - filled);
  return `${filled === 0 ? '' : colour(style, '█'.repeat(filled))}${rest === '' ? '' : colour('dim', rest)}`;
}

function percentOf(percent: number): string {
  return `${(Math.floor(percent * 10) / 10).toFixed(1)}%`;
}
