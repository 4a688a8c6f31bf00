import type { Comparison } from './compare.ts';
import { textTable } from './text-table.ts';

/** How long a table took, the kill and the restart included. */
export interface TableFigures {
  readonly table: string;
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

/** The demo's result, for programs: what `--json` prints. */
export interface DemoSummary {
  /** True: both tables are equal on both sides, and no row was written twice. */
  readonly ok: boolean;
  readonly rows: number;
  /** Copying alone: both tables, with the kill and the restart. */
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly requests: number;
  readonly killedAtRows: number;
  readonly rowsCopiedTwice: number;
  readonly rowsLost: number;
  readonly rowsDifferent: number;
  readonly rowsTooMany: number;
  readonly tables: readonly TableFigures[];
  /** Everything: starting the databases, filling them, copying, comparing. */
  readonly demoSeconds: number;
}

export function figures(table: string, rows: number, milliseconds: number): TableFigures {
  return {
    table,
    rows,
    seconds: round(milliseconds / 1000),
    rowsPerSecond: Math.round((rows / milliseconds) * 1000),
  };
}

/** Puts the figures together. `rowsChanged` is what D1 reported for every statement that it carried out. */
export function summarize(parts: {
  readonly tables: readonly TableFigures[];
  readonly comparisons: readonly Comparison[];
  readonly rowsChanged: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly killedAtRows: number;
  readonly demoMilliseconds: number;
}): DemoSummary {
  const sum = (count: (comparison: Comparison) => number): number =>
    parts.comparisons.reduce((total, comparison) => total + count(comparison), 0);
  const rows = parts.tables.reduce((total, table) => total + table.rows, 0);
  const seconds = round(parts.tables.reduce((total, table) => total + table.seconds, 0));
  const rowsCopiedTwice = sum(({ table, d1Rows }) => (parts.rowsChanged[table] ?? 0) - d1Rows);
  const rowsLost = sum(({ missing }) => missing);
  const rowsDifferent = sum(({ different }) => different);
  const rowsTooMany = sum(({ extra }) => extra);
  const compared = sum((comparison) => comparison.rows);
  return {
    ok:
      compared === rows &&
      rowsCopiedTwice === 0 &&
      rowsLost === 0 &&
      rowsDifferent === 0 &&
      rowsTooMany === 0,
    rows,
    seconds,
    rowsPerSecond: Math.round(rows / seconds),
    requests: parts.requests,
    killedAtRows: parts.killedAtRows,
    rowsCopiedTwice,
    rowsLost,
    rowsDifferent,
    rowsTooMany,
    tables: parts.tables,
    demoSeconds: round(parts.demoMilliseconds / 1000),
  };
}

/** The summary, for people. */
export function summaryLines(summary: DemoSummary): string[] {
  const rows = [...summary.tables, { ...summary, table: 'together' }].map(
    ({ table, rows: count, seconds, rowsPerSecond }) => [
      table,
      grouped(count),
      seconds.toFixed(1),
      grouped(rowsPerSecond),
    ],
  );
  return [
    ...textTable({ columns: ['table', 'rows', 'seconds', 'rows/s'], rows }),
    '',
    `requests to the API  ${grouped(summary.requests)} (Cloudflare allows 1,200 in 5 minutes)`,
    `rows copied twice    ${grouped(summary.rowsCopiedTwice)}`,
    `rows lost            ${grouped(summary.rowsLost)}`,
    `rows different       ${grouped(summary.rowsDifferent + summary.rowsTooMany)}`,
  ];
}

export function grouped(count: number): string {
  return count.toLocaleString('en');
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
