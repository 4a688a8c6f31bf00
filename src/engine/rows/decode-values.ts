import type { ColumnDescriptor } from '../../contract/index.ts';

/** Turns a canonical text into the value that `map` and `validate` see. */
export type ValueDecoder = (text: string) => unknown;

/** Integers that a number holds exactly. Every other integer may have 64 bits. */
const smallIntegers: ReadonlySet<string> = new Set(
  'smallint integer int2 int4 oid xid cid smallserial serial'.split(' '),
);

/** How the values of a column are decoded; null: its text is the value. */
export function decoderOf({ type, nativeType }: ColumnDescriptor): ValueDecoder | null {
  switch (type) {
    case 'integer':
      return smallIntegers.has(nativeType) ? Number : BigInt;
    case 'float':
      return Number;
    case 'boolean':
      return (text) => text === 'true';
    case 'bytes':
      return fromHex;
    default:
      return null;
  }
}

/** The value of each hexadecimal digit, by its character code. */
const digits: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  Math.max(0, '0123456789abcdef'.indexOf(String.fromCharCode(code))),
);

function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    const high = digits[text.charCodeAt(2 * index)] ?? 0;
    bytes[index] = high * 16 + (digits[text.charCodeAt(2 * index + 1)] ?? 0);
  }
  return bytes;
}
