import type {
  ColumnDescriptor,
  Key,
  KeyBound,
  KeyRange,
  RangeRequest,
  RangeStrategy,
} from '../contract/index.ts';

/** Ranges that are handed on at a time. */
const portion = 500;

/** Fixed ranges are used for sparse ids as well, as long as no more than these are planned. */
const fewRanges = 16n;

/** The first and the last id that are to be read, as texts. */
export interface IntegerEnds {
  readonly first: string;
  readonly last: string;
}

/**
 * Fixed ranges of ids, as the guide has them: from the first id on, `size` ids each, the last one cut at the last id.
 * Null where the ids are so sparse that most ranges would be empty.
 */
export function integerRanges(
  request: RangeRequest,
  ends: IntegerEnds,
  estimatedRows: number,
): readonly KeyRange[][] | null {
  const { first, last, isDense } = fixedRanges(request, ends, estimatedRows);
  if (!isDense) return null;
  const step = BigInt(request.size);
  const portions: KeyRange[][] = [];
  for (let from = first; from <= last; from += step * BigInt(portion)) {
    const ranges: KeyRange[] = [];
    for (let start = from; start <= last && ranges.length < portion; start += step) {
      const end = start + step - 1n;
      ranges.push({
        lower: { key: [String(start)], inclusive: true },
        upper: [String(end < last ? end : last)],
      });
    }
    portions.push(ranges);
  }
  return portions;
}

/** What fixed ranges would be, and whether few enough of them would be empty. */
function fixedRanges(
  { size, after }: RangeRequest,
  ends: IntegerEnds,
  estimatedRows: number,
): { readonly first: bigint; readonly last: bigint; readonly count: bigint; readonly isDense: boolean } {
  const first = after?.[0] === undefined ? BigInt(ends.first) : BigInt(after[0]) + 1n;
  const last = BigInt(ends.last);
  const count = (last - first) / BigInt(size) + 1n;
  // What came after the plan's end was not estimated by itself.
  const expected = after === null ? BigInt(Math.ceil(estimatedRows / size)) : 0n;
  return { first, last, count, isDense: count <= fewRanges || count <= expected * 4n };
}

/** Which ranges are made, and why. `ends` is null where there is no row, or where the key is no single integer. */
export function strategyOf(
  request: RangeRequest,
  key: readonly ColumnDescriptor[],
  ends: IntegerEnds | null,
  estimatedRows: number,
): RangeStrategy {
  const shown = (value: bigint | number): string => value.toLocaleString('en');
  const size = shown(request.size);
  const [only] = key;
  if (key.length !== 1 || only?.type !== 'integer') {
    const names = key.map(({ name, nativeType }) => `${name} ${nativeType}`).join(', ');
    return {
      kind: 'walked',
      reason: `The key (${names}) is no single integer, so every ${size}th row along it ends a checkpoint.`,
    };
  }
  if (!ends) return { kind: 'fixed', reason: 'There are no rows to plan for.' };
  const { first, last, count, isDense } = fixedRanges(request, ends, estimatedRows);
  const span = `${only.name} runs from ${first} to ${last}, with about ${shown(estimatedRows)} rows`;
  return isDense
    ? { kind: 'fixed', reason: `${span}: dense enough for ranges of ${size} ids each.` }
    : {
        kind: 'walked',
        reason: `${span}: too sparse for ranges of ${size} ids (${shown(count)} of them, most without a row), so every ${size}th row ends a checkpoint.`,
      };
}

/**
 * Ranges of `size` rows each, whatever the keys are: `boundary` walks along the key's index. Without a gap between
 * them, so that a row that appears between two keys belongs to a range as well.
 */
export async function* walkedRanges(
  { after }: RangeRequest,
  start: KeyBound | null,
  integerKey: boolean,
  boundary: (after: Key | null) => Promise<Key | null>,
): AsyncGenerator<readonly KeyRange[], void> {
  let ranges: KeyRange[] = [];
  // The first range goes out alone, so that copying can begin; then more and more at a time.
  let size = 1;
  let lower: KeyBound | null = after ? next(after, integerKey) : start;
  for (let previous = after; ;) {
    const upper = await boundary(previous);
    if (!upper) break;
    ranges.push({ lower, upper });
    lower = next(upper, integerKey);
    previous = upper;
    if (ranges.length === size) {
      yield ranges;
      ranges = [];
      size = Math.min(size * 2, portion);
    }
  }
  if (ranges.length > 0) yield ranges;
}

/** Where the range after `key` begins: integers are stored inclusive. */
function next(key: Key, integerKey: boolean): KeyBound {
  return integerKey
    ? { key: [String(BigInt(key[0] ?? '0') + 1n)], inclusive: true }
    : { key, inclusive: false };
}
