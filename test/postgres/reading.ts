import type pg from 'pg';
import type { PageRequest, Source, TextRow } from 'resumable-migrator';
import { textRowOf } from '../../src/engine/rows/byte-rows.ts';
import { poolOf } from '../support/pool.ts';

/** Reads everything in pages, as texts or as bytes. */
export async function readAll(
  source: Source<object>,
  upper: readonly string[],
  bytes: boolean,
  from: PageRequest['lower'] = null,
): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  const { keyIndexes } = await source.describe();
  const onRow = (row: TextRow): void => void rows.push(row);
  let lower = from;
  for (;;) {
    const before = rows.length;
    const page = await source.readPage({
      lower,
      upper,
      limit: 150,
      onRow,
      ...(bytes && {
        onBytes: (some) => {
          for (let row = 0; row < some.rows; row += 1) rows.push(textRowOf(some, row));
        },
      }),
    });
    if (page.done) return rows;
    // The engine takes such a page for a fault.
    if (rows.length === before) throw new Error('A page without rows that is not the last.');
    const last = rows.at(-1) as TextRow;
    lower = { key: keyIndexes.map((index) => last[index] as string), inclusive: false };
  }
}

interface Wire {
  readonly connection: {
    readonly stream: { write(bytes: Uint8Array): boolean; emit(name: string, chunk: unknown): boolean };
  };
}

/** A pool with one connection, and the formats that its Bind messages ask for: one list a query of rows. */
export function watched(
  connectionString: string,
  answered: (chunk: Buffer) => Buffer = (chunk) => chunk,
): {
  readonly pool: pg.Pool;
  readonly formats: number[][];
} {
  const pool = poolOf({ connectionString, max: 1 });
  const formats: number[][] = [];
  pool.on('connect', (client) => {
    const { stream } = (client as unknown as Wire).connection;
    const { write, emit } = stream;
    stream.write = function watch(bytes: Uint8Array) {
      const found = formatsOf(Buffer.from(bytes));
      if (found.length > 1) formats.push(found);
      return write.call(this, bytes);
    };
    stream.emit = function change(name: string, chunk: unknown) {
      return emit.call(this, name, name === 'data' ? answered(chunk as Buffer) : chunk);
    };
  });
  return { pool, formats };
}

/** The formats at the end of a Bind message; of pg's own there is one for all columns. */
function formatsOf(bytes: Buffer): number[] {
  if (bytes[0] !== 0x42) return [];
  let at = 9;
  const parameters = bytes.readInt16BE(at);
  at += 2;
  for (let index = 0; index < parameters; index += 1) at += 4 + bytes.readInt32BE(at);
  return Array.from({ length: bytes.readInt16BE(at) }, (_, index) => bytes.readInt16BE(at + 2 + index * 2));
}
