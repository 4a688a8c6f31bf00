const text = new TextEncoder();

/** A result column in PostgreSQL's text or in its own form. */
const [textFormat, binaryFormat] = [0, 1];

/**
 * The message that gives the unnamed statement its parameters, as texts, and says in which format each column of the result is
 * wanted: pg's own says it of all of them at once. PostgreSQL's documentation, 54.7, Bind.
 */
export function bindMessage(
  parameters: readonly (string | null)[],
  isBinary: readonly boolean[],
): Uint8Array {
  const values = parameters.map((value) => (value === null ? null : text.encode(value)));
  const size = 12 + 2 * isBinary.length + values.reduce((sum, value) => sum + 4 + (value?.length ?? 0), 0);
  const bytes = new Uint8Array(1 + size);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x42;
  view.setInt32(1, size);
  // No names, of neither portal nor statement, and no formats of parameters: they are texts.
  view.setInt16(7 + 2, values.length);
  let at = 11;
  for (const value of values) {
    view.setInt32(at, value?.length ?? -1);
    bytes.set(value ?? [], at + 4);
    at += 4 + (value?.length ?? 0);
  }
  view.setInt16(at, isBinary.length);
  at += 2;
  for (const binary of isBinary) {
    view.setInt16(at, binary ? binaryFormat : textFormat);
    at += 2;
  }
  return bytes;
}

/**
 * A parameter as PostgreSQL reads it, whichever query it goes with: pg's own texts of dates hang on the time zone of this process.
 */
export function parameterText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return `{${value.map(elementText).join(',')}}`;
  return typeof value === 'object' ? JSON.stringify(value) : `${value as string | number | bigint | boolean}`;
}

function elementText(value: unknown): string | null {
  const element = parameterText(value) ?? 'NULL';
  return value === null || value === undefined || Array.isArray(value)
    ? element
    : `"${element.replaceAll(/[\\"]/g, '\\$&')}"`;
}
