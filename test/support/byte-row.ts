import type { ByteRow, TextRow } from 'resumable-migrator';

/** A row as bytes among others: some values stand in the bytes, some as texts beside them. */
export function byteRowOf(row: TextRow, isText: (column: number) => boolean = () => false): ByteRow {
  const parts = row.map((value) => new TextEncoder().encode(value ?? ''));
  // What an encoder must not run into.
  const around = new Uint8Array([0x22, 0x5c]);
  const source = Buffer.concat([around, ...parts, around]);
  let at = around.length;
  const starts = new Int32Array(row.length);
  const ends = new Int32Array(row.length);
  for (const [column, part] of parts.entries()) {
    starts[column] = row[column] === null ? -1 : isText(column) ? -2 : at;
    at += part.length;
    ends[column] = at;
  }
  return { source, starts, ends, texts: row.map((value) => value ?? '') };
}
