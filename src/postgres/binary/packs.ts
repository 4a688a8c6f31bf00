import { type RawBuilder, sql } from 'kysely';
import type { KeyRange, PageRequest } from '../../contract/index.ts';
import type { TableDescription } from '../describe.ts';
import type { PostgresColumn } from '../types/types.ts';

/** How the columns of a row stand in the stream. */
export interface WireColumns {
  /** Those that stand by themselves, in their order. */
  readonly singles: readonly number[];
  /** Behind them: columns whose values stand together in one, as doubles. */
  readonly packs: readonly (readonly number[])[];
}

/** The most doubles that a value of PostgreSQL has which is no list. */
const mostDoubles = 4;

/** Whole numbers below this are handed over by their digits. Doubles are exact up to 2^53. */
const wholeEnd = 1e15;

/** Integers that are exact as doubles whatever they are. */
const smallIntegers: ReadonlySet<string> = new Set(['smallint', 'integer']);

/**
 * A server needs less for one value of several doubles than for several values: for four of them 0.17 µs instead of 0.30 (COPY in binary
 * form to /dev/null, PostgreSQL 18). So numbers travel together, as points, circles and line segments: these keep every bit of theirs,
 * and compute nothing. A number that may well be null stands by itself, as nothing would be left of the others.
 *
 * @param isBinary - for each column, whether it comes in the server's own form where it stands by itself.
 * @param bounded - a column of large integers that are exact as doubles here; see {@link boundedKey}.
 */
export function wireColumns(
  columns: readonly PostgresColumn[],
  isBinary: readonly boolean[],
  bounded: PostgresColumn | null,
  mayBeNull: (column: PostgresColumn) => boolean,
): WireColumns {
  const indexes = [...columns.keys()];
  const doubles = indexes.filter((index) => {
    const column = columns[index] as PostgresColumn;
    const { baseType, codec } = column;
    const isFloat = codec.binary === 'float8' && isBinary[index] === true;
    return !mayBeNull(column) && (isFloat || smallIntegers.has(baseType) || column === bounded);
  });
  const packs: number[][] = [];
  while (doubles.length > 1) {
    // Five are three and two, as one alone would save nothing.
    packs.push(doubles.splice(0, doubles.length === mostDoubles + 1 ? 3 : mostDoubles));
  }
  const packed = new Set(packs.flat());
  return { singles: indexes.filter((index) => !packed.has(index)), packs };
}

/** Every column by itself. */
export function alone(columns: readonly PostgresColumn[]): WireColumns {
  return { singles: [...columns.keys()], packs: [] };
}

/** The key where it is one large integer, of which none on the page is too large for a double; else null. */
export function boundedKey(
  { key }: TableDescription,
  { lower, upper }: { readonly lower?: PageRequest['lower']; readonly upper?: KeyRange['upper'] },
): PostgresColumn | null {
  const [only] = key;
  if (key.length !== 1 || only?.baseType !== 'bigint') return null;
  const ends = [lower?.key[0], upper?.[0]];
  return ends.every((end) => end !== undefined && Math.abs(Number(end)) < wholeEnd) ? only : null;
}

/** One value of two, three or four numbers. */
export function packOf(numbers: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  const [first, second, third, fourth] = numbers.map((number) => sql`CAST(${number} AS pg_catalog.float8)`);
  const point = sql`pg_catalog.point(${first}, ${second})`;
  if (!third) return point;
  return fourth
    ? sql`pg_catalog.lseg(${point}, pg_catalog.point(${third}, ${fourth}))`
    : sql`pg_catalog.circle(${point}, ${third})`;
}
