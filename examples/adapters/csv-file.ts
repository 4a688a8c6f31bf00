import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CsvError, type Info, parse } from 'csv-parse';
import {
  isMigratorError,
  type Key,
  MigratorError,
  type MigratorErrorCode,
  type TextRow,
} from 'resumable-migrator';

/** The types that a column of a CSV file can be declared as: each has one text for each value, which is checked. */
export type CsvType = 'integer' | 'decimal' | 'text';

/** A record of the file, and where the next one begins. */
export interface CsvRecord {
  readonly row: TextRow;
  /** The line on which the record ends, counted from where reading began. */
  readonly lines: number;
  readonly end: number;
}

/** An error of the source, in the family that the engine knows. */
export function refusal(
  code: MigratorErrorCode,
  message: string,
  help: string,
  cause?: unknown,
): MigratorError {
  return new MigratorError(code, message, { help, cause });
}

/** Changes where the file does: its size, its time, or the file itself behind the name. */
export async function versionOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    throw fileError(file, error);
  }
}

/**
 * Reads records from a byte on, where one must begin. What ends the loop early closes the file.
 * An empty field is null and a quoted empty field an empty text, as in PostgreSQL's own CSV.
 */
export async function* records(
  file: string,
  start: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<CsvRecord, void> {
  const input = createReadStream(file, { start, signal });
  const parser = parse({
    bom: start === 0,
    info: true,
    cast: (value, { quoting }) => (value === '' && !quoting ? null : value),
  });
  input.once('error', (error) => parser.destroy(error));
  try {
    for await (const { record, info } of input.pipe(parser) as AsyncIterable<{ record: TextRow; info: Info }>)
      yield { row: record, lines: info.lines, end: start + info.bytes };
  } catch (error) {
    signal?.throwIfAborted();
    throw fileError(file, error);
  } finally {
    input.destroy();
  }
}

function fileError(file: string, error: unknown): unknown {
  if (isMigratorError(error)) return error;
  if ((error as NodeJS.ErrnoException).code === 'ENOENT')
    return refusal('SOURCE_TABLE_NOT_FOUND', `There is no file ${file}.`, 'Check its path.', error);
  const message = error instanceof CsvError ? error.message : `${file} cannot be read.`;
  return refusal('SOURCE_FAILED', message, 'Mend the file, or write it again.', error);
}

/** Says why a text is no value of its type; null where it is one. There is one text for each value, so `007` is none. */
export function problemOf(type: CsvType, text: string): string | null {
  if (type === 'text') return null;
  if (type === 'decimal') return /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? null : 'is no decimal number';
  if (!/^(0|-?[1-9]\d*)$/.test(text)) return 'is no whole number in its shortest form';
  return BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? null : 'does not fit into 64 bits';
}

/** The order of keys: integers by value, texts by their UTF-8 bytes, as `LC_ALL=C sort` does it. */
export function keyOrder(types: readonly CsvType[]): (a: Key, b: Key) => number {
  return (a, b) => {
    for (const [index, type] of types.entries()) {
      const [left, right] = [a[index] ?? '', b[index] ?? ''];
      if (left === right) continue;
      if (type === 'integer') return BigInt(left) < BigInt(right) ? -1 : 1;
      return Buffer.compare(Buffer.from(left), Buffer.from(right));
    }
    return 0;
  };
}
