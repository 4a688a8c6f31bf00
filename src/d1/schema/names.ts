import type { Finding, RowShape } from '../../contract/index.ts';

/** Columns of a table at the most (Cloudflare's documentation, D1 limits). */
const maxColumns = 100;

/** Names that D1 and SQLite keep for themselves. Those of columns are free. */
export function isReserved(name: string): boolean {
  return /^(_cf_|sqlite_)/i.test(name);
}

/** What keeps a table of these columns from being made, or its rows from being written. */
export function nameFindings(table: string, { columns }: RowShape): Finding[] {
  const findings: Finding[] = [];
  const refuse = (code: string, column: string | null, message: string, help: string): void => {
    findings.push({ code, severity: 'error', column, message, help });
  };
  if (isReserved(table)) {
    refuse(
      'NAME_REFUSED',
      null,
      `D1 takes no table of the name ${table}: names that begin with _cf_ or sqlite_ are its own.`,
      'Give the sink another `table`.',
    );
  }
  // SQLite's names differ without regard to ASCII case.
  const byName = Map.groupBy(columns, ({ name }) =>
    name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()),
  );
  for (const twins of byName.values()) {
    const [first, second] = twins;
    if (!first || !second) continue;
    refuse(
      'NAMES_COLLIDE',
      second.name,
      `D1 takes ${twins.map(({ name }) => name).join(' and ')} for one column: case makes no difference in its names.`,
      'Rename one of them with the `columns` option of the source.',
    );
  }
  if (columns.length > maxColumns) {
    refuse(
      'TOO_MANY_COLUMNS',
      null,
      `D1 takes ${maxColumns} columns a table, and ${columns.length} would come.`,
      'Choose fewer with the `columns` option of the source, or copy the table in two parts with the same key.',
    );
  }
  return findings;
}
