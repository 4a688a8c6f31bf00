import { writeAscii } from '../../digits.ts';
import { Float8Reader } from './float8.ts';
import { DateReader, TimestampReader } from './moments.ts';

/** The types whose text costs the server more than its own form of them costs us. */
export type BinaryForm = 'bool' | 'float8' | 'date' | 'timestamp' | 'timestamptz';

/**
 * Makes the canonical text of a value out of PostgreSQL's own form of it, as the type's send function gives it
 * (`float8send`, `timestamp_send`, `date_send`, `boolsend`: most significant byte first).
 */
export interface BinaryReader {
  /** Bytes of a value. */
  readonly bytes: number;
  /** Values that were read, and those of them that cost as much as they would have cost the server. */
  readonly values?: number;
  readonly slow?: number;
  /** Writes the text of the value at `start`: {@link longestText} bytes at the most. Returns where it ends. */
  write(from: DataView, start: number, to: DataView, at: number): number;
}

/** `+294276-12-31T23:59:59.999999Z` is the longest, with 30 bytes. */
export const longestText = 32;

export function readerOf(form: BinaryForm): BinaryReader {
  switch (form) {
    case 'bool':
      return { bytes: 1, write: writeBoolean };
    case 'float8':
      return new Float8Reader();
    case 'date':
      return new DateReader();
    default:
      return new TimestampReader(form === 'timestamptz');
  }
}

function writeBoolean(from: DataView, start: number, to: DataView, at: number): number {
  return writeAscii(to, at, from.getUint8(start) === 0 ? 'false' : 'true');
}
