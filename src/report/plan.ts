import type { Finding, PlanPreview, Severity, SinkPrice } from '../contract/index.ts';
import type { GroupPlan, TablePlan } from '../engine/index.ts';
import { bytes, count, duration } from './format.ts';
import { columns, wrap } from './layout.ts';

type EstimateTotals = Pick<
  PlanPreview['estimate'],
  'requests' | 'quotaMs' | 'rowsWritten' | 'price' | 'storedBytes'
>;

/** Columns that a line fills at the most. Names and statements that are longer stay whole. */
const width = 92;

/**
 * A plan as plain text for people: what would be copied and what it takes, what was found, with help, and the
 * statements that make the table. Of a group: a table of its tables first, then each plan.
 *
 * @example
 * ```ts
 * console.log(renderPlan(await migrator.plan()));
 * ```
 */
export function renderPlan(plan: PlanPreview | GroupPlan): string {
  return ('tables' in plan ? groupLines(plan) : planLines(plan)).join('\n');
}

function planLines(plan: PlanPreview): string[] {
  return [
    plan.migration,
    '',
    ...columns(factsOf(plan), width),
    ...findingLines(plan.findings),
    ...statementLines(plan.statements),
  ];
}

function factsOf(plan: PlanPreview): [string, string][] {
  const { estimate, key, progress } = plan;
  const keyNames = key.map(({ name }) => name).join(', ');
  const facts: [string, string][] = [
    ['From', plan.source],
    ['To', plan.sink],
    ['Rows', about(plan.totalRowsExact) + count(plan.totalRows)],
    ['Text', about(plan.totalBytesExact) + bytes(plan.totalBytes)],
    ['Key', keyNames],
    ['Checkpoints', checkpointsOf(plan)],
  ];
  if (plan.strategy) facts.push(['Ranges', `${plan.strategy.kind}. ${plan.strategy.reason}`]);
  if (progress.checkpoints.total > 0) {
    const { completed, total } = progress.checkpoints;
    facts.push([
      'Copied',
      `${count(progress.rows)} rows, ${count(completed)} of ${count(total)} checkpoints`,
    ]);
  }
  facts.push(
    [
      'Delivery',
      `${plan.delivery}; ${plan.mode === 'upsert' ? 'rows are found by their key and overwritten' : 'rows are only added'}`,
    ],
    ...estimateFacts(estimate),
    ['Values', valuesOf(plan)],
  );
  return facts;
}

/** What copying takes; a text is empty where the sink cannot tell. */
function estimateFacts(
  estimate: EstimateTotals & { readonly maxStoredBytes: number | null },
): [string, string][] {
  return [
    ['Requests', requestsOf(estimate)],
    ['Written', writtenOf(estimate.rowsWritten)],
    ['Price', priceOf(estimate.price)],
    ['Stored', storedOf(estimate)],
  ];
}

function checkpointsOf({
  checkpoints,
  newCheckpoints,
  newCheckpointsExact,
  checkpointSize,
}: PlanPreview): string {
  const added = newCheckpoints === checkpoints ? 'all new' : `${count(newCheckpoints)} new`;
  return `${about(newCheckpointsExact)}${count(checkpoints)} (${added}), up to ${count(checkpointSize)} rows each`;
}

function requestsOf({ requests, quotaMs }: Pick<PlanPreview['estimate'], 'requests' | 'quotaMs'>): string {
  if (requests === null) return '';
  return `about ${count(requests)}${quotaMs === null ? '' : `, ${duration(quotaMs)} at the quota of the API`}`;
}

function writtenOf(rows: number | null): string {
  return rows === null ? '' : `about ${count(rows)} rows, as the sink counts them`;
}

function priceOf(price: SinkPrice | null): string {
  if (price === null) return '';
  const shown = (amount: number): string => `$${amount.toFixed(2)}`;
  const most = `at the most ${shown(price.most)}`;
  return price.least < price.most ? `${most}, ${shown(price.least)} within what a month includes` : most;
}

function storedOf({
  storedBytes,
  maxStoredBytes,
}: Pick<PlanPreview['estimate'], 'storedBytes' | 'maxStoredBytes'>): string {
  if (storedBytes === null) return '';
  const room = maxStoredBytes === null ? '' : ` of ${bytes(maxStoredBytes)} that a database holds`;
  return `about ${bytes(storedBytes)}${room}`;
}

function valuesOf({ values: { choice, rows } }: PlanPreview): string {
  if (choice === 'none') return 'not looked at';
  return choice === 'all'
    ? `all ${count(rows)} rows were looked at`
    : `a sample of ${count(rows)} rows was looked at`;
}

/** What findings of each severity stand under, and what one of them is called. */
const titles: readonly (readonly [Severity, string, string])[] = [
  ['error', 'Errors: a run would be refused, or fail', 'error'],
  ['warning', 'Warnings', 'warning'],
  ['info', 'Notes', 'note'],
];

function findingLines(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return ['', 'Nothing was found that keeps the copy from being exact.'];
  return titles.flatMap(([severity, title]) => {
    const found = findings.filter((finding) => finding.severity === severity);
    if (found.length === 0) return [];
    return ['', `${title} (${found.length})`, ...found.flatMap(oneFinding)];
  });
}

function oneFinding({ code, column, message, help }: Finding): string[] {
  return [
    `  ${code}${column === null ? '' : `, column ${column}`}`,
    ...wrap(message, width - 4).map((line) => `    ${line}`),
    ...wrap(help, width - 7).map((line, index) => `    ${index === 0 ? '->' : '  '} ${line}`),
  ];
}

function statementLines(statements: readonly string[]): string[] {
  if (statements.length === 0) return [];
  return [
    '',
    'Statements',
    ...statements.flatMap((statement) => `${layOut(statement)};`.split('\n').map((line) => `  ${line}`)),
  ];
}

/** A column a line: only spaces between the parts of a statement change, never what stands in quotes. */
function layOut(statement: string): string {
  if (!/^create table/i.test(statement)) return statement;
  let depth = 0;
  return statement.replace(/"(?:[^"]|"")*"|'(?:[^']|'')*'|\(|\)|, ?/g, (part) => {
    if (part === '(') return ++depth === 1 ? '(\n  ' : part;
    if (part === ')') return --depth === 0 ? '\n)' : part;
    return part.startsWith(',') && depth === 1 ? ',\n  ' : part;
  });
}

function groupLines({ tables, totals }: GroupPlan): string[] {
  const rows = tables.map(({ migration, plan }) =>
    plan === null
      ? [migration, '', '', '', '', 'cannot be planned']
      : [
          migration,
          count(plan.totalRows),
          bytes(plan.totalBytes),
          count(plan.checkpoints),
          plan.estimate.requests === null ? '' : count(plan.estimate.requests),
          tally(plan.findings),
        ],
  );
  const requests = totals.requests === null ? '' : count(totals.requests);
  const sum = ['in all', count(totals.rows), bytes(totals.bytes), count(totals.checkpoints), requests, ''];
  return [
    `${count(totals.tables)} ${totals.tables === 1 ? 'table' : 'tables'}, in the order of copying`,
    '',
    ...grid(['table', 'rows', 'text', 'checkpoints', 'requests', 'found'], [...rows, sum]),
    '',
    ...columns(estimateFacts({ ...totals, maxStoredBytes: null }), width),
    ...tables.flatMap(tableLines),
  ];
}

function tableLines({ plan, error, migration, parents }: TablePlan): string[] {
  const rule = ['', '-'.repeat(width), ''];
  if (plan === null) {
    const { code, summary: message, help } = error;
    return [
      ...rule,
      `${migration} cannot be planned`,
      ...oneFinding({ code, severity: 'error', column: null, message, help }),
    ];
  }
  const after = parents.length === 0 ? [] : [`copied after ${parents.join(', ')}`];
  const [title = '', ...rest] = planLines(plan);
  return [...rule, title, ...after, ...rest];
}

function tally(findings: readonly Finding[]): string {
  return titles
    .flatMap(([severity, , word]) => {
      const found = findings.filter((finding) => finding.severity === severity).length;
      return found === 0 ? [] : [`${found} ${word}${found === 1 ? '' : 's'}`];
    })
    .join(', ');
}

/** A table: the first and the last column to the left, figures to the right. */
function grid(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  return [head, ...rows].map((row) =>
    `  ${row.map((cell, index) => (index === 0 || index === head.length - 1 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0))).join('  ')}`.trimEnd(),
  );
}

function about(exact: boolean): string {
  return exact ? '' : 'about ';
}
