import type { D1Batch } from '../../src/d1/rows/encoder.ts';
import { isBehind, kinds } from '../../src/d1/rows/layout.ts';

const textOf = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);

/** The rows of a batch, read out of its text as the statement does in SQL. */
export function rowsOf({ text, layout, nulls, uneven, listAt, rows }: D1Batch): (string | null)[][] {
  const bytes = new TextEncoder().encode(text.toString());
  const begins =
    listAt === null
      ? Array.from({ length: rows }, (_, row) => row * layout.bytes)
      : (JSON.parse(textOf(bytes.subarray(listAt - 1))) as number[]).map((begin) => begin - 1);
  const field = (begin: number, index: number): string => {
    const at = begin + (layout.offsets[index] as number);
    return textOf(bytes.subarray(at, at + (layout.widths[index] as number)));
  };
  return begins.map((begin) =>
    Array.from(layout.kinds, (kind, column) => {
      const own = field(begin, layout.fields[column] as number);
      if (nulls[column] && own.trim() === '') return null;
      // What SQLite reckons.
      if (kind === kinds.scaled) return String(Number(own) / Number(`1e${layout.scales[column]}`));
      if (kind === kinds.short) return uneven[column] ? own.trimEnd() : own;
      if (!isBehind(kind)) return own.trim();
      const startField = layout.startField(column);
      const start = begin + layout.bytes + (startField < 0 ? 0 : Number(field(begin, startField)));
      return textOf(bytes.subarray(start, start + Number(own)));
    }),
  );
}

/** How many rows a statement writes. */
export function rowsSent(statement: string, [text, listAt]: readonly unknown[]): number {
  const bytes = new TextEncoder().encode(String(text));
  const rowBytes = /\(SELECT key \* (\d+) \+ 1 AS at/.exec(statement)?.[1];
  if (rowBytes !== undefined) return bytes.length / Number(rowBytes);
  return (JSON.parse(textOf(bytes.subarray(Number(listAt) - 1))) as unknown[]).length;
}
