import type { StripCell } from '../checkpoint-strip.ts';
import { count } from '../format.ts';
import type { MigrationRecord } from '../record.ts';
import { type Html, html, table } from './markup.ts';

const kinds = [
  ['completed', 'completed', ''],
  ['inProgress', 'in progress', '▸'],
  ['pending', 'pending', ''],
  ['failed', 'failed', '✕'],
] as const;

/** A square for each checkpoint, or for some neighbours where there are many. */
export function strip({ checkpoints, progress }: MigrationRecord): Html {
  const [first] = checkpoints;
  if (!first) return html``;
  const size = first.to - first.from + 1;
  const sums = kinds.map(([field]) => checkpoints.reduce((sum, cell) => sum + cell[field], 0));
  const total = progress?.checkpoints.total ?? sums.reduce((sum, one) => sum + one, 0);
  const said = kinds.map(([, word], index) => `${count(sums[index] ?? 0)} ${word}`).join(', ');
  const squares =
    size === 1 ? 'A square is one checkpoint' : `A square is ${count(size)} neighbouring checkpoints`;
  return html`<section class="strip-of">
    <h3>Checkpoints</h3>
    <p class="muted">
      ${squares}, in the order of the key; ${count(total)} in
      all.${size === 1 ? '' : ' It is filled as far as they are completed, and marked where one of them failed.'}
    </p>
    <div class="strip" role="img" aria-label="Checkpoints: ${said}">${checkpoints.map(square)}</div>
    <ul class="legend">
      ${kinds.map(([field, word, sign], index) => html`<li><i class="cell ${field}">${sign}</i>${word} <b>${count(sums[index] ?? 0)}</b></li>`)}
    </ul>
    ${notCompleted(checkpoints)}
  </section>`;
}

function square(cell: StripCell): Html {
  const size = cell.to - cell.from + 1;
  const parts = kinds.flatMap(([field, word]) => (cell[field] > 0 ? [`${count(cell[field])} ${word}`] : []));
  const name =
    size === 1 ? `Checkpoint ${count(cell.from)}` : `Checkpoints ${count(cell.from)} to ${count(cell.to)}`;
  const [field, , sign] = kinds.find(([kind]) => kind === worst(cell)) ?? kinds[0];
  const title = `${name}: ${parts.join(', ')}`;
  if (cell.completed === 0 || cell.completed === size)
    return html`<i class="cell ${field}" title="${title}">${sign}</i>`;
  const part = Math.round((cell.completed * 100) / size);
  return html`<i class="cell ${field} partly" style="--part:${part}%" title="${title}">${sign}</i>`;
}

function worst(cell: StripCell): (typeof kinds)[number][0] {
  if (cell.failed > 0) return 'failed';
  if (cell.inProgress > 0) return 'inProgress';
  return cell.pending > 0 ? 'pending' : 'completed';
}

/** Neighbours that are alike become one line; fifty lines at the most. */
function notCompleted(cells: readonly StripCell[]): Html {
  const open = cells.filter(({ from, to, completed }) => completed < to - from + 1);
  if (open.length === 0) return html``;
  const stretches: StripCell[] = [];
  for (const cell of open) {
    const last = stretches.at(-1);
    if (last && last.to === cell.from - 1 && worst(last) === worst(cell))
      stretches[stretches.length - 1] = joined(last, cell);
    else stretches.push(cell);
  }
  const rows = stretches
    .slice(0, 50)
    .map((cell) => [
      cell.from === cell.to ? count(cell.from) : `${count(cell.from)}–${count(cell.to)}`,
      ...kinds.map(([field]) => count(cell[field])),
    ]);
  const head = ['checkpoints', ...kinds.map(([, word]) => word)];
  const more =
    stretches.length > 50
      ? html`<p class="muted">And ${count(stretches.length - 50)} more stretches.</p>`
      : html``;
  return html`<details>
    <summary>Where checkpoints are not completed</summary>
    ${table('Checkpoints that are not completed', head, rows, head.slice(1))}${more}
  </details>`;
}

function joined(a: StripCell, b: StripCell): StripCell {
  return {
    from: a.from,
    to: b.to,
    pending: a.pending + b.pending,
    inProgress: a.inProgress + b.inProgress,
    completed: a.completed + b.completed,
    failed: a.failed + b.failed,
  };
}
