import { type RawBuilder, sql } from 'kysely';
import { compiled } from '../connection.ts';
import type { ColumnForm } from '../values/types.ts';
import type { D1Batch } from './encoder.ts';
import { isBehind, kinds, type Layout, notWhole } from './layout.ts';

/**
 * The text of the rows as bytes, in which a place is found without going through characters: the first parameter of a statement. SQLite
 * reckons it once, as it is the same for all values.
 */
const text = 'CAST(?1 AS BLOB)';

/** What a batch is in a statement: a table of its rows, and an expression for each column. */
export class RowsStatement {
  /** The table, as a statement selects from it. */
  readonly from: RawBuilder<unknown>;
  readonly #name: RawBuilder<unknown>;
  readonly #forms: readonly ColumnForm[];
  /** The expressions of the last batch, which most have in common, and what they depend on. */
  #values: readonly RawBuilder<unknown>[] = [];
  #valuesOf = '';

  /** @param target - the table that the rows are for, which no part of the statement may take for this one. */
  constructor(forms: readonly ColumnForm[], target: string) {
    this.#forms = forms;
    this.#name = sql.raw(compiled(sql.id(`rows of ${target}`)).sql);
    this.from = sql`${this.#name} AS batch`;
  }

  /**
   * Makes the table, before which a statement may have no parameters: `place` is the number of a row from 0 on, `at` where it begins in
   * the text, and others are the numbers of {@link packsOf}.
   *
   * `LIMIT -1` leaves nothing out: it keeps SQLite from merging this query with the one around it, which would make each of these anew.
   */
  table(batch: D1Batch): RawBuilder<unknown> {
    const { layout, text: rowsText, listAt } = batch;
    const packs = packsOf(batch, this.#forms);
    // It becomes the first parameter where the statement first asks for it.
    const bytes = [sql`CAST(${rowsText} AS BLOB)`, ...packs.map(() => sql.raw(text))];
    const at = sql.raw(listAt === null ? `key * ${layout.bytes} + 1` : 'value');
    const numbers = packs.map(
      ({ offset, width }, index) =>
        sql`, CAST(substr(${bytes[index]}, ${at} + ${sql.lit(offset)}, ${sql.lit(width)}) AS INTEGER) AS ${sql.raw(`n${index}`)}`,
    );
    const last = bytes[packs.length] as RawBuilder<unknown>;
    const list =
      listAt === null ? zerosFor(last, layout.bytes) : sql`CAST(substr(${last}, ${String(listAt)}) AS TEXT)`;
    return sql`WITH ${this.#name} AS (SELECT ${at} AS at, key AS place${sql.join(numbers, sql``)} FROM json_each(${list}) LIMIT -1)`;
  }

  /** The values of a row of that table, as they are stored. */
  values(batch: D1Batch): readonly RawBuilder<unknown>[] {
    const { layout, nulls, uneven, large } = batch;
    const { kinds: kindOf, widths, scales } = layout;
    const dependsOn = [kindOf, widths, scales, nulls, uneven].join(' ');
    if (dependsOn !== this.#valuesOf) {
      const packed = new Map(
        packsOf(batch, this.#forms).flatMap((pack, index) => unpacked(layout, pack, `batch.n${index}`)),
      );
      this.#values = this.#forms.map(({ columnType }, column) =>
        sql.raw(packed.get(column) ?? valueAt(batch, column, columnType === 'REAL')),
      );
      this.#valuesOf = dependsOn;
    }
    if (large.length === 0) return this.#values;
    return this.#values.map((value, column) => {
      const own = large.find((one) => one.column === column);
      return own ? largeValue(own.pieces, this.#forms[column] as ColumnForm) : value;
    });
  }
}

/** Columns side by side whose digits are read as one number: taking a part out of the text costs SQLite more than reckoning. */
interface Pack {
  readonly first: number;
  columns: number;
  readonly offset: number;
  width: number;
}

/** All that can be read so: digits, which fill every field, and are a 64-bit integer together. */
function packsOf({ layout, nulls, uneven }: D1Batch, forms: readonly ColumnForm[]): readonly Pack[] {
  const { kinds: kindOf, fields, offsets, widths } = layout;
  const packs: Pack[] = [];
  let isOpen = false;
  for (const [column, form] of forms.entries()) {
    const kind = kindOf[column] as number;
    const width = widths[fields[column] as number] as number;
    const isWhole = kind === kinds.scaled || (kind <= kinds.boolean && form.columnType !== 'REAL');
    const last = packs.at(-1);
    const isPacked = isWhole && nulls[column] === 0 && uneven[column] === 0;
    if (isPacked && isOpen && last && last.width + width <= integerDigits) {
      last.columns += 1;
      last.width += width;
    } else if (isPacked)
      packs.push({ first: column, columns: 1, offset: offsets[fields[column] as number] as number, width });
    isOpen = isPacked;
  }
  return packs.filter(({ columns }) => columns > 1);
}

/** The values of the columns of a pack, each with its column. */
function unpacked(
  { kinds: kindOf, fields, widths, scales }: Layout,
  { first, columns }: Pack,
  number: string,
): [column: number, value: string][] {
  let behind = 0;
  return Array.from({ length: columns }, (_, index): [number, string] => {
    const column = first + columns - 1 - index;
    const width = widths[fields[column] as number] as number;
    const whole = `${number}${behind > 0 ? ` / 1${'0'.repeat(behind)}` : ''}${column > first ? ` % 1${'0'.repeat(width)}` : ''}`;
    behind += width;
    return [column, kindOf[column] === kinds.scaled ? `${whole} / 1e${scales[column] as number}` : whole];
  });
}

/** A JSON array of as many zeros as the text has rows: `json_each` counts them. */
function zerosFor(bytes: RawBuilder<unknown>, rowBytes: number): RawBuilder<unknown> {
  const others = sql`length(${bytes}) / ${sql.lit(rowBytes)} - 1`;
  return sql`'[' || replace(hex(zeroblob(${others})), '00', '0,') || '0]'`;
}

/** A sign and digits, or digits alone, that are a 64-bit integer in any case. */
const integerDigits = 18;

/** The value of a column, as it is stored. */
function valueAt({ layout, nulls, uneven }: D1Batch, column: number, isReal: boolean): string {
  const kind = layout.kinds[column] as number;
  const field = layout.fields[column] as number;
  const own = nulls[column] !== 0 ? filled(layout, field) : part(layout, field);
  if (!isBehind(kind)) {
    if (kind === kinds.short)
      return uneven[column] !== 0 ? `rtrim(CAST(${own} AS TEXT))` : `CAST(${own} AS TEXT)`;
    // Both are exact, and a quotient is the double that is nearest to it, as the digits were.
    if (kind === kinds.scaled) return `CAST(${own} AS INTEGER) / 1e${layout.scales[column] as number}`;
    // NUMERIC keeps whatever the digits say, where INTEGER, which costs half, would cut off what is no 64-bit integer.
    const isInteger =
      kind <= kinds.boolean &&
      uneven[column] !== notWhole &&
      (layout.widths[field] as number) <= integerDigits;
    return `CAST(${own} AS ${isReal ? 'REAL' : isInteger ? 'INTEGER' : 'NUMERIC'})`;
  }
  const startField = layout.startField(column);
  const start = startField < 0 ? '' : ` + CAST(${part(layout, startField)} AS INTEGER)`;
  const bytes = `substr(${text}, batch.at + ${layout.bytes}${start}, CAST(${own} AS INTEGER))`;
  if (kind === kinds.hex) return `unhex(${bytes})`;
  const value = `CAST(${bytes} AS TEXT)`;
  if (kind === kinds.text) return value;
  // A number, a text, or mantissa and exponent of a double. What is no array has no parts: the product is null then.
  return `(SELECT coalesce((j->>'$[0]') * pow(2.0, j->>'$[1]'), j->>'$') FROM (SELECT ${value} AS j))`;
}

/** The bytes of a field. */
function part({ offsets, widths }: Layout, field: number): string {
  const offset = offsets[field] as number;
  return `substr(${text}, batch.at${offset === 0 ? '' : ` + ${offset}`}, ${widths[field] as number})`;
}

/** The bytes of a field, or null where it is empty. */
function filled(layout: Layout, field: number): string {
  return `nullif(${part(layout, field)}, x'${'20'.repeat(layout.widths[field] as number)}')`;
}

function largeValue(pieces: readonly string[], { large }: ColumnForm): RawBuilder<unknown> {
  if (large !== 'hex') return sql`${pieces[0]}`;
  return sql`CAST(${sql.join(
    pieces.map((piece) => sql`unhex(${piece})`),
    sql` || `,
  )} AS BLOB)`;
}
