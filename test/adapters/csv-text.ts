import type { TextRow } from 'resumable-migrator';

/** Records as CSV: null is an empty field, everything else is quoted. */
export function csvText(records: readonly TextRow[]): string {
  return records
    .map(
      (row) =>
        `${row.map((value) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`)).join(',')}\n`,
    )
    .join('');
}
