import { rowEnd, valuesAt, type WireRows } from '../../src/postgres/wire-tap.ts';

/** Takes the rows of a chunk one by one: its bytes, and where the values of a row begin. */
export function oneByOne(row: (chunk: Uint8Array, start: number) => void): WireRows['take'] {
  return (chunk, from) => {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = from;
    for (let end = rowEnd(view, at, chunk.length); end > 0; end = rowEnd(view, at, chunk.length)) {
      const start = at + valuesAt;
      at = end;
      row(chunk, start);
    }
    return at;
  };
}
