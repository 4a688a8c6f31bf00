import { writeAscii } from '../../digits.ts';
import { type BinaryReader, type BinaryRows, valueAt } from './rows.ts';

/** Makes texts of values, behind all that is there. */
export abstract class TextReader implements BinaryReader {
  abstract readonly bytes: number;

  /** Writes the text of the value at `start`: {@link longestText} bytes at the most. Returns where it ends. */
  abstract write(memory: DataView, start: number, at: number): number;

  read(rows: BinaryRows, column: number): void {
    const { view, starts, ends, columns, stride } = rows;
    const { bytes } = this;
    let fixed = rows.firsts[column] as number;
    let at = rows.free;
    for (let row = 0; row < rows.rows; row += 1) {
      const place = row * columns + column;
      const start = stride > 0 ? fixed : valueAt(rows, place, bytes);
      fixed += stride;
      if (start < 0) continue;
      starts[place] = at;
      at = this.write(view, start, at);
      ends[place] = at;
    }
    rows.free = at;
  }
}

export class BooleanReader extends TextReader {
  readonly bytes: number = 1;

  write(memory: DataView, start: number, at: number): number {
    return writeAscii(memory, at, memory.getUint8(start) === 0 ? 'false' : 'true');
  }
}
