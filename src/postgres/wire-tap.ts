/** The little of a socket that is used: Node's, and the one that pg has for Workers. */
export interface TappedSocket {
  /**
   * Sockets that read into the same memory again and again hand it over as it is, where this is set: it is read before the call
   * returns. Else they emit copies.
   */
  onShared?: Listener | null;
  listeners(event: 'data'): unknown[];
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  off(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  emit(event: 'data', chunk: Uint8Array): unknown;
}

type Listener = (chunk: Uint8Array) => void;

/** A message is a letter, four bytes of length (themselves included), and its body. PostgreSQL's documentation, 54.7. */
const dataRow = 0x44;
const headerBytes = 5;

/** Memory for the beginning of a row: small rows fit. */
const smallestHeld = 1_024;

/** What the answer to an extended query begins with: ParseComplete, which has no body. */
const parseComplete: readonly number[] = [0x31, 0, 0, 0, 4];

/** Takes rows out of the stream. */
export interface WireRows {
  /**
   * Takes the rows that stand whole in a chunk from a place on ({@link rowEnd}), and returns where something else begins. The chunk is
   * somebody else's, who uses it again afterwards.
   */
  take(chunk: Uint8Array, from: number): number;
}

/** Where the values of a row begin, behind its header and two bytes that say how many they are: each behind four bytes of its length, -1 for null. */
export const valuesAt: number = headerBytes + 2;

/**
 * Where the row ends that begins at a place; 0: none stands there whole.
 *
 * @param end - of the chunk.
 */
export function rowEnd(chunk: DataView, at: number, end: number): number {
  if (at + headerBytes > end || chunk.getUint8(at) !== dataRow) return 0;
  const next = at + 1 + chunk.getInt32(at + 1);
  return next > end || next < at + headerBytes ? 0 : next;
}

/** Takes rows as {@link WireRows.take} does, and does nothing with them. */
export function skipRows(chunk: Uint8Array, from: number): number {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let at = from;
  for (let end = rowEnd(view, at, chunk.length); end > 0; end = rowEnd(view, at, chunk.length)) at = end;
  return at;
}

/**
 * Stands between a socket and pg for one query, and takes the rows out of the stream: pg makes a string of every value, which costs more
 * than all the rest. Every other message reaches pg as it came.
 *
 * Where the stream does not begin as it should, the tap takes itself out, and pg has the rows.
 */
export class WireTap {
  readonly #socket: TappedSocket;
  readonly #rows: WireRows;
  readonly #listeners: readonly Listener[];
  readonly #onData = (chunk: Uint8Array): void => this.#data(chunk, false);
  readonly #onShared = (chunk: Uint8Array): void => this.#data(chunk, true);
  #isOpen = true;
  #isChecked = false;
  /** Bytes of a message that goes to pg. */
  #passing = 0;
  /** The beginning of a row or of a header, in memory that is used again, and the bytes that it needs. */
  #held: Uint8Array = new Uint8Array();
  #heldBytes = 0;
  #needed = 0;
  /** True: the chunk at hand is memory that is used again. */
  #isShared = false;

  constructor(socket: TappedSocket, rows: WireRows) {
    this.#socket = socket;
    this.#rows = rows;
    this.#listeners = socket.listeners('data') as Listener[];
    for (const listener of this.#listeners) socket.off('data', listener);
    socket.on('data', this.#onData);
    if ('onShared' in socket) socket.onShared = this.#onShared;
  }

  /** Gives the stream back to pg. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#socket.off('data', this.#onData);
    if ('onShared' in this.#socket) this.#socket.onShared = null;
    for (const listener of this.#listeners) this.#socket.on('data', listener);
  }

  #data(chunk: Uint8Array, isShared: boolean): void {
    let at = 0;
    // What is held needs a few bytes more: only these are put together with it, and all others stay where they are.
    while (this.#heldBytes > 0) {
      const end = Math.min(at + this.#needed - this.#heldBytes, chunk.length);
      this.#hold(chunk, at, end, this.#needed);
      if (this.#heldBytes < this.#needed) return;
      this.#heldBytes = 0;
      this.#isShared = true;
      this.#checked(this.#held.subarray(0, this.#needed), 0);
      if (end === chunk.length) return;
      at = end;
    }
    this.#isShared = isShared;
    this.#checked(chunk, at);
  }

  #checked(chunk: Uint8Array, start: number): void {
    if (!this.#isOpen) return this.#emit(chunk, start);
    if (!this.#isChecked) {
      if (chunk.length - start < headerBytes) return this.#hold(chunk, start, chunk.length, headerBytes);
      this.#isChecked = true;
      if (!parseComplete.every((byte, index) => chunk[start + index] === byte)) {
        this.close();
        return this.#emit(chunk, start);
      }
    }
    this.#messages(chunk, start);
  }

  #messages(chunk: Uint8Array, start: number): void {
    let at = start;
    /** Where what goes to pg begins. */
    let from = start;
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
        return this.#hold(chunk, at, chunk.length, headerBytes);
      }
      const size = 1 + int32(chunk, at + 1);
      if (size < headerBytes) {
        // No message: pg may say so.
        this.close();
        return this.#emit(chunk, from);
      }
      if (chunk[at] !== dataRow) {
        this.#passing = size;
        continue;
      }
      if (!this.#pass(chunk, from, at)) return;
      if (left < size) return this.#hold(chunk, at, chunk.length, size);
      at = this.#rows.take(chunk, at);
      from = at;
    }
    this.#pass(chunk, from, at);
  }

  /** Hands a part of the stream to pg. False: that ended the query, and the rest of the chunk went on without the tap. */
  #pass(chunk: Uint8Array, from: number, to: number): boolean {
    if (to > from) {
      const part = this.#kept(chunk.subarray(from, to));
      for (const listener of this.#listeners) listener(part);
    }
    if (this.#isOpen) return true;
    if (to < chunk.length) this.#emit(chunk, to);
    return false;
  }

  #emit(chunk: Uint8Array, from: number): void {
    this.#socket.emit('data', this.#kept(chunk.subarray(from)));
  }

  /** Adds to what is held. It may stand in the same memory: there it stays. */
  #hold(chunk: Uint8Array, from: number, to: number, needed: number): void {
    const bytes = this.#heldBytes + to - from;
    if (bytes > this.#held.length) {
      // By what has come, never by what a message says of itself.
      const larger = new Uint8Array(Math.max(bytes * 2, smallestHeld));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(chunk.subarray(from, to), this.#heldBytes);
    this.#heldBytes = bytes;
    this.#needed = needed;
  }

  /** The same bytes in memory that stays as it is: a Buffer, as pg expects it. */
  #kept(bytes: Uint8Array): Uint8Array {
    return this.#isShared ? Buffer.from(bytes) : bytes;
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
