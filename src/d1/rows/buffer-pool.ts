import type { Layout } from './layout.ts';

/** Buffers that are kept: about as many as are sent, ready and being filled at the same time. */
const kept = 8;

/** What encoders of one target have in common. */
export class BufferPool {
  /** The fields that one of them needed last: others need about the same, and would find out with rows in their hands. */
  layout: Layout | null = null;
  /** Memory for batches that is used again: two million bytes each time would keep the garbage collector busy. */
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #size = 64_000;

  /** Of any size: whoever writes into it lets it {@link grow}. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(this.#size);
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#free.length < kept) this.#free.push(buffer);
  }

  /** A buffer of so many bytes at least, with the first `used` of another. */
  grow(buffer: Uint8Array<ArrayBuffer>, used: number, needed: number): Uint8Array<ArrayBuffer> {
    const grown = new Uint8Array(Math.max(needed, buffer.length * 2));
    grown.set(buffer.subarray(0, used));
    this.#size = Math.max(this.#size, grown.length);
    return grown;
  }
}
