const text = new TextEncoder();

/** A result column in PostgreSQL's text or in its own form. */
const [textFormat, binaryFormat] = [0, 1];

/**
 * The message that gives the unnamed statement its parameters, as texts, and says in which format each column of the result is
 * wanted: pg's own says it of all of them at once. PostgreSQL's documentation, 54.7, Bind.
 */
export function bindMessage(parameters: readonly string[], isBinary: readonly boolean[]): Uint8Array {
  const values = parameters.map((value) => text.encode(value));
  const size = 12 + 2 * isBinary.length + values.reduce((sum, { length }) => sum + 4 + length, 0);
  const bytes = new Uint8Array(1 + size);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x42;
  view.setInt32(1, size);
  // No names, of neither portal nor statement, and no formats of parameters: they are texts.
  view.setInt16(7 + 2, values.length);
  let at = 11;
  for (const value of values) {
    view.setInt32(at, value.length);
    bytes.set(value, at + 4);
    at += 4 + value.length;
  }
  view.setInt16(at, isBinary.length);
  at += 2;
  for (const binary of isBinary) {
    view.setInt16(at, binary ? binaryFormat : textFormat);
    at += 2;
  }
  return bytes;
}
