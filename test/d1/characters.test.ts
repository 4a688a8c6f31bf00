import { expect, test } from 'vitest';
import { characterBytes, usualBytes } from '../../src/d1/rows/characters.ts';

/** All beginnings of four bytes, the last of which may be one of a character. */
function* beginnings(): Generator<Uint8Array> {
  const bytes = Uint8Array.of(0, 0, 0, 0x80);
  for (let first = 0; first < 0x100; first += 1) {
    for (let second = 0; second < 0x100; second += 1) {
      // Of the third byte only the two highest bits count.
      for (const third of [0x00, 0x41, 0x80, 0x9f, 0xbf, 0xc0, 0xff]) {
        bytes.set([first, second, third]);
        yield bytes;
      }
    }
  }
}

const isUtf8 = (bytes: Uint8Array): boolean => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).length > 0;
  } catch {
    return false;
  }
};

test('characters of two and three bytes are known by their first four bytes, and nothing else is taken for one', () => {
  const seen = new Set<number>();
  for (const bytes of beginnings()) {
    const usual = usualBytes(new DataView(bytes.buffer).getInt32(0));
    const exact = (bytes[0] as number) < 0x80 ? 0 : characterBytes(bytes, 0, 4);
    if (usual !== (exact === 4 ? 0 : exact)) expect([...bytes]).toBe(`${exact} bytes, and not ${usual}`);
    if (exact > 0) expect(isUtf8(bytes.slice(0, exact)), [...bytes].join(' ')).toBe(true);
    seen.add(exact);
  }
  expect(seen).toEqual(new Set([0, 2, 3, 4]));
});
