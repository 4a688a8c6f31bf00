import type { BatchLimitReason, SourceDescription } from '../../contract/index.ts';

/** Batches in a row that have to go well before larger ones are tried again. */
const patience = 20;

/** A batch that is slow makes the next no smaller than this part of it: one slow answer may have other reasons. */
const smallestStep = 0.25;

/** What is less than this part of something else is less for a reason. */
const clearlyLess = 0.75;

/** More rows than any batch has. Not Infinity: every row is compared with it, and the engine compiles that for small integers. */
export const unlimitedRows: number = 2 ** 30 - 1;

/** Bytes of the first batch of a long copy, by what is known of its rows beforehand; each of the next has twice as many, up to so many times. */
const firstBytes = 500_000;
const mostDoubled = 4;

/** A copy is long that has so many first batches. */
const longCopy = 100;

/** What limits batches, and why it changed. */
export interface LimitChange {
  readonly rows: number;
  readonly previous: number;
  readonly reason: BatchLimitReason;
}

/**
 * The largest batch that is tried now, in rows of the source, for all checkpoints of a run: fewer at once where the sink asks
 * for less or takes too long, and twice as many again once it has taken some. What was too much for a moment must not slow
 * down the hours that follow.
 */
export class BatchLimit {
  readonly #most: number;
  /** Milliseconds that a batch may take; infinite where the host fixes its rows. */
  #targetMs: number;
  /** The batch that was too slow, and the limit before it. */
  #slow: { readonly rows: number; readonly milliseconds: number; readonly limit: number } | null = null;
  readonly #changed: (change: LimitChange) => void;
  /** What was too much first; from there on nothing limits but what the host asks for. */
  #ceiling = Infinity;
  #rows: number;
  #taken = 0;
  /** Rows that the next batch has at the most, as it is one of the first; and how many those may have. */
  #first = unlimitedRows;
  #lastFirst = 0;

  /** @param most - what the host asks for. Without it the time that batches take counts as well. */
  constructor(most: number | undefined, targetMs: number, changed: (change: LimitChange) => void) {
    this.#most = Math.min(most ?? unlimitedRows, unlimitedRows);
    this.#targetMs = most === undefined ? targetMs : Infinity;
    this.#rows = this.#most;
    this.#changed = changed;
  }

  /**
   * Has a long copy begin with small batches, so that the sink works while the first large one is still read and encoded: by code that is
   * not compiled yet.
   */
  begin({
    estimatedRows,
    estimatedRowBytes,
  }: Pick<SourceDescription, 'estimatedRows' | 'estimatedRowBytes'>): void {
    const first = Math.ceil(firstBytes / estimatedRowBytes);
    if (estimatedRows < first * longCopy) return;
    this.#first = first;
    this.#lastFirst = first * mostDoubled;
  }

  /** A batch is full: the next one may be larger. */
  filled(): void {
    this.#first = this.#first < this.#lastFirst ? this.#first * 2 : unlimitedRows;
  }

  get rows(): number {
    return Math.min(this.#rows, this.#first);
  }

  /** Rows to read at a time: where batches are smaller than they were, what is cut beforehand cannot grow with them. */
  get pageRows(): number {
    return this.#rows === this.#most ? Infinity : this.#rows;
  }

  /** A batch of so many rows was too much. */
  tooMuch(rows: number): void {
    this.#shrink(rows, Math.ceil(rows / 2), 'too-much');
  }

  /** A batch was taken, in so many milliseconds. */
  taken(rows: number, milliseconds: number): void {
    if (milliseconds > this.#targetMs) return this.#tooSlow(rows, milliseconds);
    if (this.#rows === this.#most) return;
    // What would be too slow at twice its size says nothing for a larger one.
    this.#taken = milliseconds * 2 > this.#targetMs ? 0 : this.#taken + 1;
    if (this.#taken < patience) return;
    this.#taken = 0;
    const more = this.#rows * 2;
    this.#set(more >= this.#ceiling ? this.#most : more, 'recovered');
  }

  #tooSlow(rows: number, milliseconds: number): void {
    const before = this.#slow;
    const isSmaller = before !== null && rows <= before.rows * clearlyLess;
    if (isSmaller && milliseconds > before.milliseconds * clearlyLess) {
      // Fewer rows take no less time: it is the way there that is long, which smaller batches would only go more often.
      this.#targetMs = milliseconds * 2;
      this.#slow = null;
      this.#set(before.limit, 'recovered');
      return;
    }
    if (before === null || isSmaller) this.#slow = { rows, milliseconds, limit: this.#rows };
    const part = Math.max(smallestStep, this.#targetMs / milliseconds);
    if (rows > 1) this.#shrink(rows, Math.max(1, Math.floor(rows * part)), 'slow');
  }

  #shrink(tried: number, rows: number, reason: BatchLimitReason): void {
    if (this.#rows === this.#most) this.#ceiling = tried;
    this.#taken = 0;
    if (rows < this.#rows) this.#set(rows, reason);
  }

  #set(rows: number, reason: BatchLimitReason): void {
    const previous = this.#rows;
    this.#rows = rows;
    this.#changed({ rows, previous, reason });
  }
}
