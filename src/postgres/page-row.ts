import type { ByteRow } from '../contract/index.ts';
import type { InPlace } from './types/in-place.ts';
import type { PostgresColumn } from './types/types.ts';
import { int32 } from './wire-tap.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** How a value becomes canonical; null for one that is so already. */
interface Conversion {
  readonly inPlace: InPlace | null;
  readonly canonical: (text: string) => string;
}

/** The row of a page at which its reader stands, as the server sent it. */
export class PageRow implements ByteRow {
  source: Uint8Array = new Uint8Array();
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly texts: string[];
  readonly #conversions: readonly (Conversion | null)[];

  constructor(columns: readonly PostgresColumn[]) {
    this.starts = new Int32Array(columns.length);
    this.ends = new Int32Array(columns.length);
    this.texts = columns.map(() => '');
    this.#conversions = columns.map(
      ({ codec: { canonical, inPlace } }) => canonical && { canonical, inPlace },
    );
  }

  /** Reads the values that begin at `at`. Returns where they end. */
  read(source: Uint8Array, at: number): number {
    const { starts, ends } = this;
    const columns = starts.length;
    this.source = source;
    let next = at;
    for (let column = 0; column < columns; column += 1) {
      const length = int32(source, next);
      next += 4;
      if (length < 0) {
        starts[column] = -1;
        continue;
      }
      starts[column] = next;
      next += length;
      ends[column] = next;
      const conversion = this.#conversions[column];
      if (conversion && !conversion.inPlace?.(source, starts, ends, column))
        this.#convert(column, conversion);
    }
    return next;
  }

  #convert(column: number, { canonical }: Conversion): void {
    const text = decoder.decode(this.source.subarray(this.starts[column], this.ends[column]));
    this.texts[column] = canonical(text);
    this.starts[column] = -2;
  }
}
