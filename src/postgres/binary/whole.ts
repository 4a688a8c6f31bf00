import { type BinaryReader, type BinaryRows, valueAt } from './rows.ts';

/** Whole numbers that come as doubles: of up to 15 digits. */
export class WholeReader implements BinaryReader {
  read(rows: BinaryRows, column: number): void {
    const { view, starts, digits, places, columns } = rows;
    for (let row = 0; row < rows.rows; row += 1) {
      const place = row * columns + column;
      digits[place] = view.getFloat64(valueAt(rows, place, 8));
      places[place] = 0;
      starts[place] = -3;
    }
  }
}
