import type { CheckpointStatus, Progress } from '../contract/index.ts';

/** Neighbouring checkpoints, and how many of them are in which state. */
export interface StripCell {
  /** The `seq` of the first and of the last of them. */
  readonly from: number;
  readonly to: number;
  readonly pending: number;
  readonly inProgress: number;
  readonly completed: number;
  readonly failed: number;
}

/** Cells at the most: as many squares as one takes in at a glance. */
const maxCells = 240;

/** Checkpoints whose state is kept, a byte each. A plan of more is shown by its counts alone. */
const maxKept = 1_000_000;

const stored: readonly CheckpointStatus[] = ['pending', 'in_progress', 'completed', 'failed'];

/** The state of every checkpoint, as far as it was told. */
export class CheckpointStrip {
  #states = new Uint8Array(256);
  #total = 0;

  set(seq: number, status: CheckpointStatus): void {
    this.grow(seq);
    if (seq <= maxKept) this.#states[seq - 1] = stored.indexOf(status);
  }

  /** The plan has at least so many. */
  grow(total: number): void {
    this.#total = Math.max(this.#total, total);
    const kept = Math.min(this.#total, maxKept);
    if (kept <= this.#states.length) return;
    const longer = new Uint8Array(Math.min(maxKept, 2 ** Math.ceil(Math.log2(kept))));
    longer.set(this.#states);
    this.#states = longer;
  }

  /** Durable progress: it names the first that is not completed, so all before that are. */
  progress({ checkpoints, next, failures }: Progress): void {
    this.grow(checkpoints.total);
    const { total } = checkpoints;
    const completed = next ? next.seq - 1 : checkpoints.completed === total ? total : 0;
    this.#states.fill(stored.indexOf('completed'), 0, Math.min(completed, maxKept));
    for (const { seq } of failures) this.set(seq, 'failed');
  }

  /** A run ended: what it had not finished it gave back. */
  giveBack(): void {
    const claimed = stored.indexOf('in_progress');
    for (let at = this.#states.indexOf(claimed); at >= 0; at = this.#states.indexOf(claimed, at))
      this.#states[at] = stored.indexOf('pending');
  }

  cells(): StripCell[] {
    const kept = Math.min(this.#total, maxKept);
    const size = Math.ceil(kept / maxCells);
    const cells: StripCell[] = [];
    for (let first = 0; first < kept; first += size) {
      const states = this.#states.subarray(first, Math.min(first + size, kept));
      const counts = stored.map((_, state) => states.reduce((sum, one) => sum + (one === state ? 1 : 0), 0));
      const [pending = 0, inProgress = 0, completed = 0, failed = 0] = counts;
      cells.push({ from: first + 1, to: first + states.length, pending, inProgress, completed, failed });
    }
    return cells;
  }
}
