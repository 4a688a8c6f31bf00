import type { ProgressEvent } from 'resumable-migrator';
import { oneLine, type Output } from './output.ts';
import { progressLine, progressLines } from './progress-bar.ts';

/** Where a table stands in a run. */
export type TableState =
  | { readonly is: 'waiting' }
  | { readonly is: 'analyzing' }
  | { readonly is: 'copying'; readonly progress: ProgressEvent }
  | { readonly is: 'completed' | 'paused'; readonly rows: number }
  | { readonly is: 'failed'; readonly code: string };

/** A line for each table below everything else that is printed. Of one table: its bar while it is copied. */
export class LiveView {
  readonly #output: Output;
  readonly #states: Map<string, TableState>;

  constructor(output: Output, tables: readonly string[]) {
    this.#output = output;
    this.#states = new Map(tables.map((table) => [table, { is: 'waiting' }]));
  }

  set(table: string, state: TableState): void {
    this.#states.set(table, state);
    if (this.#states.size > 1) {
      this.#output.bar((columns, rows) => this.#lines(columns, rows).join('\n'));
    } else if (state.is === 'copying') {
      this.#output.bar((columns) => progressLine(state.progress, columns));
    } else {
      this.#output.bar(null);
    }
  }

  end(): void {
    this.#output.bar(null);
  }

  /** One row of the terminal stays free for the cursor, and one for what is printed above. */
  #lines(columns: number, rows: number): string[] {
    const all = [...this.#states];
    const room = Math.max(1, rows - 2);
    const shown = all.length <= room ? all : mostTelling(all, room - 1);
    const names = shown.map(([table]) => oneLine(table));
    const nameWidth = Math.min(Math.max(...names.map(({ length }) => length)), Math.floor(columns / 3));
    const textWidth = columns - nameWidth - 2;
    const bars = progressLines(
      shown.flatMap(([, state]) => (state.is === 'copying' ? [state.progress] : [])),
      textWidth,
    ).values();
    const lines = shown.map(([, state], index) => {
      const name = shortened(names[index] ?? '', nameWidth).padEnd(nameWidth);
      const text = state.is === 'copying' ? (bars.next().value ?? '') : this.#textOf(state, textWidth - 1);
      return `${name}  ${text}`;
    });
    const hidden = all.filter((one) => !shown.includes(one)).map(([, { is }]) => is);
    return hidden.length === 0 ? lines : [...lines, shortened(hiddenLine(hidden), columns - 1)];
  }

  #textOf(state: Exclude<TableState, { is: 'copying' }>, room: number): string {
    const output = this.#output;
    switch (state.is) {
      case 'waiting':
        return output.colour('dim', shortened('waiting', room));
      case 'analyzing':
        return shortened('analyzing', room);
      case 'completed':
        return output.colour('green', shortened(`completed  ${state.rows} records`, room));
      case 'paused':
        return output.colour('yellow', shortened(`paused  ${state.rows} records`, room));
      default:
        return output.colour('red', shortened(`failed  ${state.code}`.trimEnd(), room));
    }
  }
}

const order: readonly TableState['is'][] = [
  'failed',
  'copying',
  'analyzing',
  'paused',
  'waiting',
  'completed',
];

/** As many as there is room for: what moves and what failed before what only waits, each where it stood. */
function mostTelling(all: readonly [string, TableState][], room: number): [string, TableState][] {
  const ranked = new Set(
    all.toSorted(([, a], [, b]) => order.indexOf(a.is) - order.indexOf(b.is)).slice(0, room),
  );
  return all.filter((one) => ranked.has(one));
}

function hiddenLine(hidden: readonly TableState['is'][]): string {
  const counts = order.map((is) => [hidden.filter((one) => one === is).length, is] as const);
  return `… ${counts
    .filter(([count]) => count > 0)
    .map(([count, is]) => `${count} ${is}`)
    .join(', ')}`;
}

function shortened(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
}
