import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { int32, skipRows, type TappedSocket, WireTap } from '../../src/postgres/wire-tap.ts';
import { Random } from '../support/random.ts';
import { oneByOne } from '../support/wire-rows.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`wire-tap.test.ts: TEST_SEED=${seed}`);

/** A message of PostgreSQL's protocol, as a server writes it. */
function message(letter: string, body: Uint8Array | string = ''): Buffer {
  const bytes = Buffer.from(body);
  const header = Buffer.alloc(5);
  header.write(letter, 0, 'latin1');
  header.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([header, bytes]);
}

function dataRow(values: readonly (string | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  const parts = values.map((value) => {
    const bytes = Buffer.from(value ?? '');
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : bytes.length);
    return Buffer.concat([length, bytes]);
  });
  return message('D', Buffer.concat([count, ...parts]));
}

const [parsed, bound, ready] = [message('1'), message('2'), message('Z', 'T')];
const notice = message('N', 'SNOTICE\0Mby the way: D\0\0');
const suspended = message('s');
const complete = message('C', 'SELECT 5\0');
const error = message('E', 'SERROR\0C57P01\0Mended\0\0');

type Row = readonly (string | null)[];
const rows: readonly Row[] = [
  ['1', 'one', null],
  ['', '', ''],
  ['3', 'é😀'.repeat(20), 'D\0\0\0\u0004'],
  [null, null, null],
  ['5', 'x'.repeat(200), 'Z'],
];
const answer = Buffer.concat([
  parsed,
  bound,
  ...rows.slice(0, 2).map(dataRow),
  notice,
  dataRow(rows[2] ?? []),
  suspended,
  ...rows.slice(3).map(dataRow),
  notice,
  complete,
  ready,
]);
/** What pg must hear of it. */
const others = ['1', '2', 'N', 's', 'N', 'C', 'Z'];

interface Heard {
  /** What reached the tap. */
  readonly rows: Row[];
  /** Letters of the messages that reached pg, and their bytes. */
  readonly letters: string[];
  readonly bytes: Buffer;
  /** Bytes of a message that is not whole. */
  readonly left: number;
  /** Letters and rows, in the order in which they were heard. */
  readonly order: string[];
  readonly isGivenBack: boolean;
}

/**
 * Sends pieces through a socket with a tap, to a listener that takes messages apart as pg does: it keeps what is not whole, and
 * closes the tap when its query ends.
 *
 * @param isShared - the socket reads into the same memory again and again, and hands it over as it is.
 */
function heard(pieces: readonly Uint8Array[], ends: string = 'Z', isShared: boolean = false): Heard {
  const socket: EventEmitter & Pick<TappedSocket, 'onShared'> = new EventEmitter();
  if (isShared) socket.onShared = null;
  const found: Row[] = [];
  const letters: string[] = [];
  const order: string[] = [];
  const chunks: Uint8Array[] = [];
  let rest = Buffer.alloc(0);
  const pg = (chunk: Uint8Array): void => {
    // Kept as it came, which pg does as well.
    chunks.push(chunk);
    rest =
      rest.length === 0
        ? Buffer.from(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      const size = 1 + rest.readInt32BE(1);
      if (rest.length < size) return;
      const letter = rest.toString('latin1', 0, 1);
      rest = rest.subarray(size);
      letters.push(letter);
      order.push(letter);
      if (letter === ends) tap.close();
    }
  };
  socket.on('data', pg);
  const takeRow = ({ buffer, byteOffset, byteLength }: Uint8Array, start: number): void => {
    const bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
    let at = start;
    const row = Array.from({ length: bytes.readInt16BE(start - 2) }, () => {
      const length = bytes.readInt32BE(at);
      at += 4;
      if (length < 0) return null;
      at += length;
      return bytes.toString('utf8', at - length, at);
    });
    found.push(row);
    order.push(`row ${found.length}`);
  };
  const tap = new WireTap(socket, { take: oneByOne(takeRow) });
  expect(socket.listeners('data')).not.toContain(pg);
  const memory = Buffer.alloc(isShared ? Math.max(0, ...pieces.map(({ length }) => length)) : 0);
  for (const piece of pieces) {
    if (!isShared) {
      socket.emit('data', piece);
      continue;
    }
    memory.set(piece);
    if (socket.onShared) socket.onShared(memory.subarray(0, piece.length));
    else socket.emit('data', piece);
    memory.fill(0xee);
  }
  if (isShared) expect(socket.onShared).toBeNull();
  const listeners = socket.listeners('data');
  const isGivenBack = listeners.length === 1 && listeners[0] === pg;
  return { rows: found, letters, bytes: Buffer.concat(chunks), left: rest.length, order, isGivenBack };
}

/** The stream cut at these places; each piece is memory of its own, as a socket hands it over. */
function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places, stream.length];
  return ends.map((end, index) => Uint8Array.from(stream.subarray(ends[index - 1] ?? 0, end)));
}

function randomPlaces(random: Random, length: number): number[] {
  const count = random.whole(0, random.pick([3, 12, length]));
  return Array.from({ length: count }, () => random.whole(0, length)).toSorted((a, b) => a - b);
}

/** A stream that is cut in many ways, each with what was heard of it. */
function* heardInPieces(
  stream: Uint8Array,
  ends?: string,
  isShared?: boolean,
): Generator<readonly [where: string, found: Heard]> {
  yield ['in one piece', heard([stream], ends, isShared)];
  yield [
    'byte by byte',
    heard(
      cut(
        stream,
        Array.from(stream, (_byte, index) => index),
      ),
      ends,
      isShared,
    ),
  ];
  for (let place = 1; place < stream.length; place += 1) {
    yield [`cut at ${place}`, heard(cut(stream, [place]), ends, isShared)];
  }
  const random = new Random(seed);
  for (let round = 0; round < 500; round += 1) {
    const places = randomPlaces(random, stream.length);
    yield [`seed ${seed}, cut at ${places.join()}`, heard(cut(stream, places), ends, isShared)];
  }
}

describe.each([
  ['comes in memory of its own', false],
  ['comes in memory that is used again', true],
])('a stream that is cut anywhere, and %s,', (_how, isShared) => {
  const whole = heard([answer]);

  test('gives the tap every row, and pg every other message, in their order', () => {
    expect(whole.order.join()).toBe('1,2,row 1,row 2,N,row 3,s,row 4,row 5,N,C,Z');
    for (const [where, found] of heardInPieces(answer, undefined, isShared)) {
      expect(found.rows, where).toEqual(rows);
      expect(found.letters, where).toEqual(others);
      // A row may be told of before a message that came with it: neither waits for the other.
      expect(found.order, where).toEqual(whole.order);
      expect(found.bytes.equals(whole.bytes), where).toBe(true);
      expect([found.left, found.isGivenBack], where).toEqual([0, true]);
    }
  });

  test('gives pg its own listeners back where the query ends in an error, and what comes behind it', () => {
    const failed = Buffer.concat([parsed, bound, ...rows.slice(0, 3).map(dataRow), error, notice, ready]);
    for (const [where, found] of heardInPieces(failed, 'E', isShared)) {
      expect(found.rows, where).toEqual(rows.slice(0, 3));
      expect(found.letters, where).toEqual(['1', '2', 'E', 'N', 'Z']);
      expect([found.left, found.isGivenBack], where).toEqual([0, true]);
    }
  });

  test('leaves everything behind the end of the query to pg, the rows of the next one too', () => {
    const next = Buffer.concat([parsed, bound, dataRow(['next']), complete, ready]);
    for (const [where, found] of heardInPieces(Buffer.concat([answer, next]), undefined, isShared)) {
      expect(found.rows, where).toEqual(rows);
      expect(found.letters, where).toEqual([...others, '1', '2', 'D', 'C', 'Z']);
      expect(found.bytes.subarray(-next.length).equals(next), where).toBe(true);
      expect([found.left, found.isGivenBack], where).toEqual([0, true]);
    }
  });

  test('is noticed to be another one where a byte of it is lost or changed', () => {
    const lost = Buffer.concat([answer.subarray(0, 40), answer.subarray(41)]);
    const changed = Uint8Array.from(answer);
    changed[answer.indexOf('one') + 1] = 0x4e;
    expect(heard([lost])).not.toEqual(whole);
    expect(heard([changed])).not.toEqual(whole);
    expect(heard(cut(answer, [17, 18, 300]))).toEqual(whole);
  });
});

describe('a stream that does not begin as it should', () => {
  const inBothWays = (stream: Uint8Array): (readonly [where: string, found: Heard])[] =>
    [false, true].flatMap((isShared) => [...heardInPieces(stream, 'none', isShared)]);

  test.each([
    ['with an error', Buffer.concat([error, ready]), ['E', 'Z']],
    ['with a notice', Buffer.concat([notice, answer]), 'N12DDNDsDDNCZ'.split('')],
    ['with the end of a parse that says something', Buffer.concat([message('1', 'x'), ready]), ['1', 'Z']],
    ['with a row', Buffer.concat([dataRow(['x']), complete, ready]), ['D', 'C', 'Z']],
  ])('goes to pg whole, and the tap is gone: %s', (_how, stream, letters) => {
    for (const [where, found] of inBothWays(stream)) {
      expect(found.rows, where).toEqual([]);
      expect(found.letters, where).toEqual(letters);
      expect(found.bytes.equals(stream), where).toBe(true);
      expect([found.left, found.isGivenBack], where).toEqual([0, true]);
    }
  });

  test('is not held back where it is shorter than what is looked at, but waits for the rest', () => {
    const socket = new EventEmitter();
    const chunks: Uint8Array[] = [];
    socket.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    const tap = new WireTap(socket, { take: skipRows });
    socket.emit('data', Buffer.from([0x31, 0, 0]));
    expect(chunks).toEqual([]);
    socket.emit('data', Buffer.from([0, 4, 0x32]));
    expect(Buffer.concat(chunks)).toEqual(parsed);
    tap.close();
  });
});

describe('a socket', () => {
  test('with several listeners has all of them back, in their order, however often the tap is closed', () => {
    const socket = new EventEmitter();
    const told: string[] = [];
    const listeners = ['a', 'b', 'c'].map((name) => (): void => void told.push(name));
    for (const listener of listeners) socket.on('data', listener);
    const tap = new WireTap(socket, { take: skipRows });
    socket.emit('data', Buffer.concat([parsed, bound, dataRow(['x'])]));
    expect(told).toEqual(['a', 'b', 'c']);
    tap.close();
    tap.close();
    expect(socket.listeners('data')).toEqual(listeners);
    socket.emit('data', dataRow(['x']));
    expect(told).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  test('that breaks in the middle of a row has its listeners back, and the half row is nobody’s', () => {
    const socket = new EventEmitter();
    const pg = (): void => undefined;
    socket.on('data', pg);
    let found = 0;
    const tap = new WireTap(socket, { take: oneByOne(() => void (found += 1)) });
    socket.emit('data', Buffer.concat([parsed, dataRow(['x']), dataRow(['y'.repeat(50)]).subarray(0, 30)]));
    tap.close();
    expect(found).toBe(1);
    expect(socket.listeners('data')).toEqual([pg]);
  });
});

test('lengths are read as signed numbers of 32 bits', () => {
  const random = new Random(seed);
  const numbers = [0, 1, -1, 255, 256, 2 ** 31 - 1, -(2 ** 31), 65_536, 16_777_216];
  for (let round = 0; round < 200; round += 1) numbers.push(random.whole(-(2 ** 31), 2 ** 31 - 1));
  for (const number of numbers) {
    const bytes = Buffer.alloc(7);
    bytes.writeInt32BE(number, 2);
    expect(int32(bytes, 2)).toBe(number);
  }
});

test.each(['D', 'N'])('a message %s that says it is shorter than its own length is left to pg', (letter) => {
  for (const length of [-1, 0, 3]) {
    const socket: EventEmitter & TappedSocket = new EventEmitter();
    const chunks: Uint8Array[] = [];
    const listener = (chunk: Uint8Array): void => void chunks.push(chunk);
    socket.on('data', listener);
    const tap = new WireTap(socket, { take: skipRows });
    const broken = message(letter, 'rest');
    broken.writeInt32BE(length, 1);
    socket.emit('data', Buffer.concat([parsed, dataRow(['1']), broken]));
    expect(socket.listeners('data')).toEqual([listener]);
    expect(Buffer.concat(chunks).toString('latin1')).toBe(Buffer.concat([parsed, broken]).toString('latin1'));
    tap.close();
  }
});
