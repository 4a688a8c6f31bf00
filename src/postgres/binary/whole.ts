import { type BinaryReader, type BinaryRows, valueAt } from './rows.ts';

/** Whole numbers that come as doubles: of up to 15 digits. */
export class WholeReader implements BinaryReader {
  readonly bytes: number = 8;

  read(rows: BinaryRows, column: number): void {
    const { view, starts, digits, places, columns, stride } = rows;
    let fixed = rows.firsts[column] as number;
    for (let row = 0; row < rows.rows; row += 1) {
      const place = row * columns + column;
      digits[place] = view.getFloat64(stride > 0 ? fixed : valueAt(rows, place, 8));
      fixed += stride;
      places[place] = 0;
      starts[place] = -3;
    }
  }
}
