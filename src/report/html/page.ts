import { count, elapsed, moment } from '../format.ts';
import type { MigrationRecord } from '../record.ts';
import { Html, html, table } from './markup.ts';
import { badge, migrationSection, nameOf, runTime } from './sections.ts';
import { labels, stateOf, states } from './state.ts';
import { style } from './style.ts';

/** Options of {@link renderReport}. */
export interface ReportOptions {
  /** Default `Migration report`. */
  readonly title?: string | undefined;
  /** When it was made. Default now. */
  readonly at?: Date | undefined;
}

/**
 * A report as one HTML page that needs nothing else: no script, no font, no request. For one migration, or for several.
 *
 * @example
 * ```ts
 * await writeFile('report.html', renderReport([recorder.toJSON()]));
 * ```
 */
export function renderReport(records: readonly MigrationRecord[], options: ReportOptions = {}): string {
  const { title = 'Migration report', at = new Date() } = options;
  const first = records[0];
  const shown = states.find((state) => records.some((record) => stateOf(record) === state)) ?? 'none';
  // The page's own style is all that it may load or run.
  const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${new Html(policy)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}${records.length === 1 && first ? `: ${first.migration}` : ''}</title>
        <style>
          ${new Html(style)}
        </style>
      </head>
      <body>
        <header class="top">
          <h1>${title}</h1>
          ${badge(shown)}
          <p class="muted">Made <time>${moment(at.toISOString())}</time>. All times are in UTC.</p>
        </header>
        <main>
          ${records.length === 1 ? html`` : overview(records)}${records.map((record, index) => migrationSection(record, `table-${index + 1}`))}
        </main>
        <footer>
          <p class="muted">
            Made by resumable-migrator. The page holds all that it shows; it loads nothing and runs no script.
          </p>
        </footer>
      </body>
    </html> `;
  return page.text;
}

function overview(records: readonly MigrationRecord[]): Html {
  const tally = states.toReversed().flatMap((state) => {
    const found = records.filter((record) => stateOf(record) === state).length;
    return found === 0 ? [] : [`${count(found)} ${labels[state][1].toLowerCase()}`];
  });
  const rows = records.map((record, index) => {
    const { progress, totals, verification } = record;
    const counts = progress?.checkpoints;
    return [
      html`<a href="#table-${index + 1}">${nameOf(record)}</a>`,
      badge(stateOf(record)),
      progress ? count(progress.rows) : '',
      counts ? `${count(counts.completed)} of ${count(counts.total)}` : '',
      totals.runs === 0 ? '' : elapsed(runTime(record)),
      count(totals.retries),
      verification ? (verification.mode === 'full' ? 'every value' : 'numbers of rows') : 'no',
    ];
  });
  const head = ['table', 'state', 'rows', 'checkpoints', 'time', 'retries', 'compared'];
  const said =
    records.length === 0 ? 'Nothing was recorded.' : `${count(records.length)} tables: ${tally.join(', ')}.`;
  return html`<nav class="overview" aria-label="Tables">
    <h2>${said}</h2>
    ${records.length === 0 ? html`` : table('All tables', head, rows, head.slice(2, 6))}
  </nav> `;
}
