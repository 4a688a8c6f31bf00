/** Columns and rows as D1's `/raw` gives them. */
export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
}

/** A value of a row: blobs, which D1 sends as arrays, do not occur here. */
export type Value = string | number | null;

/** A query's answer as lines of text: numbers to the right, `(no rows)` where there are none. */
export function textTable({ columns, rows }: QueryResult): string[] {
  if (rows.length === 0) return ['(no rows)'];
  const cells = rows.map((row) => row.map((value) => (value === null ? '' : String(value))));
  const widths = columns.map((name, index) =>
    Math.max(name.length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
  const numeric = columns.map((_, index) =>
    rows.every((row) => /^(null|-?[\d.,]+)$/.test(String(row[index]))),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) =>
        numeric[index] ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(columns), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(line)];
}
