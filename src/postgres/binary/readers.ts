import { Float8Reader } from './float8.ts';
import { DateReader, TimestampReader } from './moments.ts';
import type { BinaryReader } from './rows.ts';
import { BooleanReader } from './text-reader.ts';

/** The types whose text costs the server more than its own form of them costs us. */
export type BinaryForm = 'bool' | 'float8' | 'date' | 'timestamp' | 'timestamptz';

export function readerOf(form: BinaryForm): BinaryReader {
  switch (form) {
    case 'bool':
      return new BooleanReader();
    case 'float8':
      return new Float8Reader();
    case 'date':
      return new DateReader();
    default:
      return new TimestampReader(form === 'timestamptz');
  }
}
