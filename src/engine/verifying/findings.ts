import type { Key } from '../../contract/index.ts';

/** Findings of each kind that a result lists; the counts go on beyond. */
const listedFindings = 1_000;

/** One row that is not the same on both sides. */
export interface RowFinding {
  /** The checkpoint's `seq`; null for a row outside every checkpoint. */
  readonly seq: number | null;
  /** The key of its row in the source. */
  readonly key: Key;
}

/** What `verify({ mode: 'full' })` found. */
export interface FullVerification {
  readonly migration: string;
  readonly mode: 'full';
  /**
   * `paused`: the signal or the budget ended it; go on with `from: result.resumeFrom`. Where that is null only the rows of
   * the tables were not counted.
   */
  readonly status: 'completed' | 'paused';
  /** The `seq` of the first checkpoint that was not compared; null when all were. */
  readonly resumeFrom: number | null;
  /** True: every row of both tables was compared, and every value is the same. So `rows` and `sourceRows` are, and `expectedRows` and `sinkRows`. */
  readonly equal: boolean;
  /** Rows of the source that were compared. */
  readonly rows: number;
  /** Rows that the sink should have of them: as many, unless a transform makes more or fewer or rows are set aside. */
  readonly expectedRows: number;
  /** Rows of the source that cannot be copied, and so should not be in the sink. */
  readonly rejectedRows: number;
  /**
   * Whole tables; null where a part was compared only. More rows in the source than `rows`: some came after the end of the plan,
   * or while it was compared. They were not compared; a run copies those after the end, and so does `repair()`.
   */
  readonly sourceRows: number | null;
  readonly sinkRows: number | null;
  readonly checkedCheckpoints: number;
  readonly uncheckedCheckpoints: number;
  readonly counts: { readonly missing: number; readonly different: number; readonly extra: number };
  /** Rows that only the source has, the first thousand of them; so with the others. */
  readonly missing: readonly RowFinding[];
  /** Rows with other values, and in which columns. */
  readonly different: readonly (RowFinding & { readonly columns: readonly string[] })[];
  /**
   * Rows that only the sink has. Where the transform declares a key of the sink's own they can be counted only
   * (`counts.extra`), not named: this is empty then, and `repair()` leaves them.
   */
  readonly extra: readonly RowFinding[];
}

/** What comparing one checkpoint gave. */
export interface Findings {
  rows: number;
  expectedRows: number;
  rejectedRows: number;
  readonly counts: { missing: number; different: number; extra: number };
  readonly missing: RowFinding[];
  readonly different: (RowFinding & { readonly columns: readonly string[] })[];
  readonly extra: RowFinding[];
}

/** Whatever can be wrong with a row. */
export const findingKinds = ['missing', 'different', 'extra'] as const;

/** Nothing found yet. */
export function noFindings(): Findings {
  return {
    rows: 0,
    expectedRows: 0,
    rejectedRows: 0,
    counts: { missing: 0, different: 0, extra: 0 },
    missing: [],
    different: [],
    extra: [],
  };
}

/** All that was found, listed or not. */
export const countOf = ({ counts }: Pick<Findings, 'counts'>): number =>
  counts.missing + counts.different + counts.extra;

/** Counts findings, and lists the first of them: memory must not grow with what is wrong. */
export function note<Kind extends (typeof findingKinds)[number]>(
  all: Findings,
  kind: Kind,
  found: Findings[Kind],
): void {
  all.counts[kind] += found.length;
  const list: RowFinding[] = all[kind];
  list.push(...found.slice(0, listedFindings - list.length));
}

/** The findings of several checkpoints as one. */
export function merge(all: readonly Findings[]): Findings {
  const merged = noFindings();
  for (const one of all) {
    merged.rows += one.rows;
    merged.expectedRows += one.expectedRows;
    merged.rejectedRows += one.rejectedRows;
    for (const kind of findingKinds) {
      note(merged, kind, one[kind]);
      merged.counts[kind] += one.counts[kind] - one[kind].length;
    }
  }
  return merged;
}
