import type { ByteRow, TextRow } from 'resumable-migrator';

/** The digits of a decimal number and its places, or null for a text that is none. */
const decimal = /^(?!-0+(\.0*)?$)(-?\d+)(?:\.(\d+))?$/;

/** A row as bytes among others: some values stand in the bytes, some as texts or as decimal numbers beside them. */
export function byteRowOf(
  row: TextRow,
  isText: (column: number) => boolean = () => false,
  isDecimal: (column: number) => boolean = () => false,
): ByteRow {
  const parts = row.map((value) => new TextEncoder().encode(value ?? ''));
  // What an encoder must not run into.
  const around = new Uint8Array([0x22, 0x5c]);
  const source = Buffer.concat([around, ...parts, around]);
  let at = around.length;
  const starts = new Int32Array(row.length);
  const digits = new Float64Array(row.length);
  const places = new Uint8Array(row.length);
  const ends = new Int32Array(row.length);
  for (const [column, part] of parts.entries()) {
    const [, , whole = '', fraction = ''] = decimal.exec(row[column] ?? '') ?? [];
    const isNumber = whole !== '' && `${whole}${fraction}`.replace('-', '').length <= 15;
    const aside = isText(column) ? -2 : isNumber && isDecimal(column) ? -3 : at;
    starts[column] = row[column] === null ? -1 : aside;
    if (aside === -3) {
      digits[column] = Number(whole + fraction);
      places[column] = fraction.length;
    }
    at += part.length;
    ends[column] = at;
  }
  return { source, starts, ends, digits, places, text: (column) => row[column] ?? null };
}
