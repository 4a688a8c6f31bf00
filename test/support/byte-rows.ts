import type { BatchEncoder, ByteRows, TextRow } from 'resumable-migrator';

/** The digits of a decimal number that is no negative zero: those before the point, and those behind it. */
const decimal = /^(?!-0+(?:\.0*)?$)(-?\d+)(?:\.(\d+))?$/;

/** How a value stands in rows of bytes, where it is none of the usual ones. */
export type Aside = 'text' | 'decimal' | null;

/** Rows as bytes among others: values stand in the bytes, or as texts or decimal numbers beside them. */
export function byteRowsOf(
  rows: readonly TextRow[],
  aside: (column: number) => Aside = () => null,
): ByteRows {
  const columns = rows[0]?.length ?? 0;
  const values = rows.flat();
  const parts = values.map((value) => new TextEncoder().encode(value ?? ''));
  // What an encoder must not run into: between values as well, as where their lengths stand there.
  const around = new Uint8Array([0x22, 0x5c]);
  const source = Buffer.concat([around, ...parts.flatMap((part) => [part, around])]);
  // As of a source whose lists are longer than the rows that it hands over.
  const length = values.length + 3;
  const [starts, ends] = [new Int32Array(length).fill(7), new Int32Array(length).fill(7)];
  const [digits, places] = [new Float64Array(length), new Uint8Array(length)];
  let at = around.length;
  for (const [place, part] of parts.entries()) {
    const how = aside(place % columns);
    const [, whole = '', fraction = ''] = decimal.exec(values[place] ?? '') ?? [];
    const isNumber = whole !== '' && `${whole}${fraction}`.replace(/^-?0*/, '').length <= 15;
    starts[place] = at;
    if (values[place] === null) starts[place] = -1;
    else if (how === 'text') starts[place] = -4 - place;
    else if (how === 'decimal' && isNumber) {
      starts[place] = -3;
      digits[place] = Number(whole + fraction);
      places[place] = fraction.length;
    }
    at += part.length;
    ends[place] = at;
    at += around.length;
  }
  const text = (row: number, column: number): string | null => rows[row]?.[column] ?? null;
  return { rows: rows.length, columns, source, starts, ends, digits, places, isUtf8: true, text };
}

/** A row by itself. */
export const byteRowOf = (row: TextRow, aside?: (column: number) => Aside): ByteRows =>
  byteRowsOf([row], aside);

/** Adds a row as bytes. False: it does not fit beside the others. */
export function addBytes(encoder: BatchEncoder, row: ByteRows): boolean {
  return encoder.addBytes?.(row, 0, 1) === 1;
}
