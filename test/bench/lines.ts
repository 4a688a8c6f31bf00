/** What a line of the report is about. */
export interface LineMeaning {
  readonly label: string;
  /** For whoever reads the figures. */
  readonly meaning: string;
  /** The line that it is held against: the same writes with nothing around them. */
  readonly ceiling: 'rest-ceiling' | 'worker-ceiling';
  /** The copy that it is held against, which goes the same way. Default: the one over REST. */
  readonly copy?: 'api-copy';
}

/** What is measured, each under a name of its own. */
export type LineName =
  | 'rest-ceiling'
  | 'rest-copy'
  | 'rest-verify'
  | 'worker-ceiling'
  | 'worker-copy'
  | 'worker-verify'
  | 'copy-out'
  | 'api-copy'
  | 'dump'
  | 'dump-wrangler'
  | 'sling'
  | 'guide'
  | 'guide-delayed'
  | 'afar';

export const LINES: Readonly<Record<LineName, LineMeaning>> = {
  'rest-ceiling': {
    label: 'ceiling over REST',
    meaning:
      'The requests of a run, recorded beforehand, are posted from memory back to back, by the fastest of 1, 2 and 4 at a time; for the ratio of a round that is the one which was the fastest in the others. Who writes the same statements over this API cannot be faster.',
    ceiling: 'rest-ceiling',
  },
  'rest-copy': {
    label: 'this package over REST',
    meaning:
      '`run()` with default options in a process of its own, with `fetch: httpFetch` as is advised for Node: it plans, reads, encodes, writes, and keeps its checkpoints.',
    ceiling: 'rest-ceiling',
  },
  'rest-verify': {
    label: 'its full verify',
    meaning: "`verify({ mode: 'full' })` after that: every value of every row of both sides.",
    ceiling: 'rest-ceiling',
  },
  'worker-ceiling': {
    label: 'ceiling over the binding',
    meaning:
      'The same statements in a Worker, handed to `batch()` from memory back to back. D1 runs in another process, as within one they would share a thread, which they never do at Cloudflare.',
    ceiling: 'worker-ceiling',
  },
  'worker-copy': {
    label: 'this package in a Worker',
    meaning: '`run()` in a Worker with default options, over Hyperdrive and the binding.',
    ceiling: 'worker-ceiling',
  },
  'worker-verify': {
    label: 'its full verify',
    meaning: "`verify({ mode: 'full' })` in that Worker.",
    ceiling: 'worker-ceiling',
  },
  'copy-out': {
    label: 'reading alone',
    meaning: '`COPY (SELECT * FROM t) TO STDOUT`, read and thrown away.',
    ceiling: 'rest-ceiling',
  },
  'api-copy': {
    label: 'this package through a simulated API',
    meaning:
      'As over REST, with a process before D1 that simulates the API of Cloudflare. The ways that send many small requests go through it as well, and their last column is held against this line.',
    ceiling: 'rest-ceiling',
  },
  dump: {
    label: 'making a dump',
    meaning:
      'A file as `pg_dump --inserts --rows-per-insert=500` writes it, written by code of the benchmark; with fewer rows a statement where 500 are longer than 35,000 bytes, as wrangler gets slow with longer statements.',
    ceiling: 'rest-ceiling',
  },
  'dump-wrangler': {
    label: 'dump and wrangler',
    meaning:
      'Making that file, and `wrangler d1 execute --local --file` on it, which starts a workerd of its own and needs no API.',
    ceiling: 'rest-ceiling',
  },
  sling: {
    label: 'as sling does it',
    meaning:
      '100 bound values a statement, one statement a request, 50 requests at a time; the rows are read in pages, as for the next two.',
    ceiling: 'rest-ceiling',
    copy: 'api-copy',
  },
  guide: {
    label: 'as the guide does it, without its delay',
    meaning:
      '95 bound values a statement (19 rows of the narrow table), one after the other: the script that this project grew out of.',
    ceiling: 'rest-ceiling',
    copy: 'api-copy',
  },
  'guide-delayed': {
    label: 'as the guide does it',
    meaning: 'The same with its 200 ms between two statements; they are reckoned, not waited for.',
    ceiling: 'rest-ceiling',
    copy: 'api-copy',
  },
  afar: {
    label: 'this package from afar',
    meaning: 'Over REST with the distance and the limits of Cloudflare, see below.',
    ceiling: 'rest-ceiling',
  },
};

/** One measurement. */
export interface Measured {
  readonly line: LineName;
  readonly seconds: number;
  /** Rows that were measured, where they are not all of the table: seconds are then those of the part. */
  readonly part?: number;
  /** Requests at a time, where several were tried. */
  readonly inFlight?: number;
  readonly requests?: number;
}

/** All rounds of a line. */
export interface LineFigures {
  readonly line: LineName;
  /** Seconds of each round; where a part was measured, scaled to all rows. */
  readonly rounds: readonly number[];
  /** Their median. */
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Median of the rounds' ratios to the seconds of the ceiling, and to those of the copy that it is held against. */
  readonly toCeiling: number | null;
  readonly toCopy: number | null;
  readonly part: number | null;
  readonly inFlight: number | null;
  readonly requests: number | null;
}

/**
 * The figures of a table from the measurements of each round, in the order of {@link LINES}. Which of several variants of a line stands for
 * it in a ratio the other rounds say: judged by its own, one that was lucky there would be taken for a fast one.
 */
export function figuresOf(rows: number, rounds: readonly (readonly Measured[])[]): LineFigures[] {
  const variants = new Map<LineName, InRounds[]>();
  for (const line of Object.keys(LINES) as LineName[]) {
    const ofLine = rounds.map((all) => all.filter((measured) => measured.line === line));
    const known = [...new Set(ofLine.flat().map(({ inFlight }) => inFlight))].map((inFlight) =>
      ofLine.map((all) => all.find((measured) => measured.inFlight === inFlight)),
    );
    if (known.length > 0) variants.set(line, known);
  }
  const inRound = (line: LineName, index: number): Measured | undefined => {
    const known = variants.get(line) ?? [];
    const others = known.map((variant) => variant.with(index, undefined));
    const [fastest = 0] = fastestOf(rounds.length > 1 ? others : known, rows);
    return known[fastest]?.[index];
  };
  return [...variants].map(([line, known]) => {
    const ratio = (other: LineName): number | null => {
      const ratios = rounds.flatMap((_, index) => {
        const [one, divisor] = [inRound(line, index), inRound(other, index)];
        return one && divisor ? [scaled(one, rows) / scaled(divisor, rows)] : [];
      });
      return ratios.length > 0 ? round(median(ratios)) : null;
    };
    const [fastest = 0] = fastestOf(known, rows);
    const measured = known[fastest] ?? [];
    const own = seconds(measured, rows);
    const first = measured.find((one) => one !== undefined);
    return {
      line,
      rounds: own.map(round),
      seconds: round(median(own)),
      rowsPerSecond: Math.round(rows / median(own)),
      toCeiling: ratio(LINES[line].ceiling),
      toCopy: ratio(LINES[line].copy ?? 'rest-copy'),
      part: first?.part ?? null,
      inFlight: first?.inFlight ?? null,
      requests: first?.requests ?? null,
    };
  });
}

/** The places of variants, by the median of their seconds. */
function fastestOf(variants: readonly InRounds[], rows: number): number[] {
  const medians = variants.map((variant) => median(seconds(variant, rows)));
  return [...medians.keys()].toSorted((a, b) => (medians[a] ?? 0) - (medians[b] ?? 0));
}

/** What was measured of a line in each round; undefined: nothing. */
type InRounds = readonly (Measured | undefined)[];

/** Seconds of the rounds in which something was measured. */
function seconds(measured: InRounds, rows: number): number[] {
  return measured.flatMap((one) => (one ? [scaled(one, rows)] : []));
}

/** Seconds for all rows, where a part of them was measured. */
function scaled(measured: Measured, rows: number): number {
  return (measured.seconds * rows) / (measured.part ?? rows);
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = NaN, high = NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}

export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
