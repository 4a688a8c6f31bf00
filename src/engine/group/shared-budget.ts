import type { Budget } from '../options.ts';

/** One table's part in the budget of a group. */
export interface BudgetShare {
  /** What the other tables leave of the budget, at the moment at which it is asked. */
  readonly budget: Budget;
  /** To be called with the rows of every batch that this table wrote. */
  committed(rows: number): void;
}

/**
 * A budget that several runs spend together. Each counts what it spends itself, and reads its limits anew before every batch: they shrink
 * by what the others wrote. Runs that follow each other spend the budget exactly; runs at the same time exceed it by no more than the
 * batches that are in flight at the end.
 */
export class SharedBudget {
  readonly #limits: Budget;
  readonly #started = performance.now();
  #rows = 0;
  #batches = 0;

  constructor(limits: Budget) {
    this.#limits = limits;
  }

  /** True: no further table is to begin. False until a batch was written, so that the smallest budget makes progress. */
  get spent(): boolean {
    const { rows = Infinity, batches = Infinity, milliseconds = Infinity } = this.#limits;
    if (this.#batches === 0) return false;
    return this.#batches >= batches || this.#rows >= rows || this.#elapsed() >= milliseconds;
  }

  /** The part of a run that begins now. */
  share(): BudgetShare {
    let ownRows = 0;
    let ownBatches = 0;
    const { rows, batches, milliseconds } = this.#limits;
    const left = (limit: number | undefined, others: () => number): number | undefined =>
      limit === undefined ? undefined : Math.max(1, limit - others());
    const othersRows = (): number => this.#rows - ownRows;
    const othersBatches = (): number => this.#batches - ownBatches;
    const budget = {
      milliseconds: left(milliseconds, () => Math.floor(this.#elapsed())),
      get rows(): number | undefined {
        return left(rows, othersRows);
      },
      get batches(): number | undefined {
        return left(batches, othersBatches);
      },
    };
    return {
      budget,
      committed: (count) => {
        ownRows += count;
        ownBatches += 1;
        this.#rows += count;
        this.#batches += 1;
      },
    };
  }

  #elapsed(): number {
    return performance.now() - this.#started;
  }
}
