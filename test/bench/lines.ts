/** What is measured, each under a name of its own. */
export type LineName = 'rest-ceiling' | 'rest-copy' | 'rest-verify';

/** What a line of the report is about. */
export interface LineMeaning {
  readonly label: string;
  /** One sentence for whoever reads the figures. */
  readonly meaning: string;
  /** The line that it is held against: the same writes with nothing around them. */
  readonly ceiling: LineName;
}

export const LINES: Readonly<Record<LineName, LineMeaning>> = {
  'rest-ceiling': {
    label: 'ceiling over REST',
    meaning:
      'The requests that the migrator would send, recorded beforehand, are posted from memory back to back. Nothing that writes these statements over this API can be faster.',
    ceiling: 'rest-ceiling',
  },
  'rest-copy': {
    label: 'this package over REST',
    meaning:
      '`run()` with default options in a process of its own: planning, reading, encoding, writing, checkpoints.',
    ceiling: 'rest-ceiling',
  },
  'rest-verify': {
    label: 'full verify over REST',
    meaning: "`verify({ mode: 'full' })` afterwards: every value of every row of both sides.",
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
  /** Median of the rounds' ratios to the ceiling's seconds, and to those of a copy over REST. */
  readonly toCeiling: number | null;
  readonly toCopy: number | null;
  readonly part: number | null;
  readonly inFlight: number | null;
  readonly requests: number | null;
}

/** The figures of a table from the measurements of each round, in the order of {@link LINES}. */
export function figuresOf(rows: number, rounds: readonly (readonly Measured[])[]): LineFigures[] {
  const best = new Map<LineName, Measured[]>();
  for (const line of Object.keys(LINES) as LineName[]) {
    const variants = new Map<number | undefined, Measured[]>();
    for (const one of rounds.flat().filter((measured) => measured.line === line)) {
      variants.set(one.inFlight, [...(variants.get(one.inFlight) ?? []), one]);
    }
    const fastest = [...variants.values()].toSorted(
      (a, b) => median(a.map(secondsOf)) - median(b.map(secondsOf)),
    );
    if (fastest[0]) best.set(line, fastest[0]);
  }
  const scaled = (line: LineName): number[] =>
    (best.get(line) ?? []).map(({ seconds, part }) =>
      part === undefined ? seconds : (seconds * rows) / part,
    );
  return [...best].map(([line, measured]) => {
    const own = scaled(line);
    const ratio = (other: LineName): number | null => {
      const theirs = scaled(other);
      const ratios = own.flatMap((seconds, index) => {
        const divisor = theirs[index];
        return divisor === undefined ? [] : [seconds / divisor];
      });
      return ratios.length > 0 ? round(median(ratios)) : null;
    };
    const seconds = median(own);
    const [first] = measured;
    return {
      line,
      rounds: own.map(round),
      seconds: round(seconds),
      rowsPerSecond: Math.round(rows / seconds),
      toCeiling: ratio(LINES[line].ceiling),
      toCopy: ratio('rest-copy'),
      part: first?.part ?? null,
      inFlight: first?.inFlight ?? null,
      requests: first?.requests ?? null,
    };
  });
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

function secondsOf({ seconds }: Measured): number {
  return seconds;
}
