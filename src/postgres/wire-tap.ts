/** The little of a socket that is used: Node's, and the one that pg has for Workers. */
export interface TappedSocket {
  listeners(event: 'data'): unknown[];
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  off(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  emit(event: 'data', chunk: Uint8Array): unknown;
}

type Listener = (chunk: Uint8Array) => void;

/** A message is a letter, four bytes of length (themselves included), and its body. PostgreSQL's documentation, 54.7. */
const dataRow = 0x44;
const headerBytes = 5;

/** What the answer to an extended query begins with: ParseComplete, which has no body. */
const parseComplete: readonly number[] = [0x31, 0, 0, 0, 4];

/** Takes a row: where its values begin in the chunk, each behind four bytes of its length (-1 for null). */
export type OnDataRow = (chunk: Uint8Array, start: number) => void;

/**
 * Stands between a socket and pg for one query, and takes the rows out of the stream: pg makes a string of every value, which
 * costs more than all the rest of the way. Every other message reaches pg as it came.
 *
 * Where the stream is not what it should be when it begins, the tap takes itself out, and pg has the rows.
 */
export class WireTap {
  readonly #socket: TappedSocket;
  readonly #onRow: OnDataRow;
  readonly #listeners: readonly Listener[];
  readonly #onData = (chunk: Uint8Array): void => this.#data(chunk);
  #isOpen = true;
  #isChecked = false;
  /** Bytes of a message that goes to pg. */
  #passing = 0;
  /** A row or a header that is not complete, in the chunks in which it came, and the bytes that it needs. */
  #pieces: Uint8Array[] = [];
  #held = 0;
  #needed = 0;

  constructor(socket: TappedSocket, onRow: OnDataRow) {
    this.#socket = socket;
    this.#onRow = onRow;
    this.#listeners = socket.listeners('data') as Listener[];
    for (const listener of this.#listeners) socket.off('data', listener);
    socket.on('data', this.#onData);
  }

  /** Gives the stream back to pg. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#socket.off('data', this.#onData);
    for (const listener of this.#listeners) this.#socket.on('data', listener);
  }

  #data(received: Uint8Array): void {
    const chunk = this.#joined(received);
    if (!chunk) return;
    if (!this.#isChecked) {
      if (chunk.length < headerBytes) return this.#hold(chunk, headerBytes);
      this.#isChecked = true;
      if (!parseComplete.every((byte, index) => chunk[index] === byte)) {
        this.close();
        this.#socket.emit('data', chunk);
        return;
      }
    }
    this.#messages(chunk);
  }

  #messages(chunk: Uint8Array): void {
    let at = 0;
    /** Where what goes to pg begins. */
    let from = 0;
    while (at < chunk.length) {
      if (this.#passing > 0) {
        const step = Math.min(this.#passing, chunk.length - at);
        this.#passing -= step;
        at += step;
        continue;
      }
      const left = chunk.length - at;
      if (left < headerBytes) {
        if (!this.#pass(chunk, from, at)) return;
        return this.#hold(chunk.subarray(at), headerBytes);
      }
      const size = 1 + int32(chunk, at + 1);
      if (chunk[at] !== dataRow) {
        this.#passing = size;
        continue;
      }
      if (!this.#pass(chunk, from, at)) return;
      if (left < size) return this.#hold(chunk.subarray(at), size);
      // Behind the header two bytes say how many values there are.
      this.#onRow(chunk, at + headerBytes + 2);
      at += size;
      from = at;
    }
    this.#pass(chunk, from, at);
  }

  /** Hands a part of the stream to pg. False: with that the query ended, and the rest of the chunk went on without the tap. */
  #pass(chunk: Uint8Array, from: number, to: number): boolean {
    if (to > from) for (const listener of this.#listeners) listener(chunk.subarray(from, to));
    if (this.#isOpen) return true;
    if (to < chunk.length) this.#socket.emit('data', chunk.subarray(to));
    return false;
  }

  #hold(piece: Uint8Array, needed: number): void {
    this.#pieces.push(piece);
    this.#held += piece.length;
    this.#needed = needed;
  }

  /** The held bytes and these in one piece; null where they are still too few. */
  #joined(received: Uint8Array): Uint8Array | null {
    if (this.#held === 0) return received;
    this.#pieces.push(received);
    this.#held += received.length;
    if (this.#held < this.#needed) return null;
    // pg expects Buffers.
    const joined = Buffer.concat(this.#pieces, this.#held);
    this.#pieces = [];
    this.#held = 0;
    return joined;
  }
}

/** A signed integer, most significant byte first. */
export function int32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}
