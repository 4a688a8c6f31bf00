import { EventEmitter } from 'eventemitter3';
import type { TappedSocket } from './wire-tap.ts';

/** What a Worker's `connect()` gives: https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/. */
export interface TcpSocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when it is closed; rejects where it breaks. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
}

/** A Worker's `connect()`. */
export type TcpConnect = (address: string) => TcpSocket;

/** Bytes that are read at a time, where so many have come. */
const readBytes = 65_536;

type Written = (error?: unknown) => void;

/**
 * The socket that pg works with in a Worker, for connections without TLS, as those to Hyperdrive are. pg's own reads 4,096 bytes at a
 * time, each with a turn of the event loop: a tenth of a copy's time. This one reads what has come, and sends in one piece what belongs
 * together.
 */
export class WorkersSocket extends EventEmitter {
  writable: boolean = false;
  destroyed: boolean = false;
  onShared: TappedSocket['onShared'] = null;
  readonly #connect: TcpConnect;
  #socket: TcpSocket | null = null;
  #writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  /** What is held back while it is corked; null: nothing is. */
  #corked: Uint8Array[] | null = null;
  #isClosed = false;
  /** Null: it reads. */
  #rest: PromiseWithResolvers<void> | null = null;

  constructor(connect: TcpConnect) {
    super();
    this.#connect = connect;
  }

  connect(port: number, host: string): this {
    this.#open(`${host.includes(':') ? `[${host}]` : host}:${port}`).catch((error: unknown) =>
      this.#closed(error),
    );
    return this;
  }

  /** Holds back what is written, until {@link uncork}. */
  cork(): void {
    this.#corked ??= [];
  }

  uncork(): void {
    const held = this.#corked ?? [];
    this.#corked = null;
    if (held.length > 0) this.write(Buffer.concat(held));
  }

  write(data: Uint8Array, encoding?: unknown, callback?: Written): boolean {
    const done = (typeof encoding === 'function' ? encoding : callback) as Written | undefined;
    if (this.#corked && !done) this.#corked.push(data);
    // What breaks while it is written breaks the connection, which says so itself.
    else void this.#send(data, done ?? (() => undefined));
    return true;
  }

  /** Closes it, behind what was written. */
  end(): this {
    this.uncork();
    this.writable = false;
    this.#socket?.close().catch(() => undefined);
    return this;
  }

  destroy(): this {
    this.destroyed = true;
    this.#corked = null;
    return this.end();
  }

  /** Hands over nothing, and reads no more than it has asked for. */
  pause(): this {
    this.#rest ??= Promise.withResolvers();
    return this;
  }

  resume(): this {
    this.#rest?.resolve();
    this.#rest = null;
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  async #open(address: string): Promise<void> {
    const socket = this.#connect(address);
    this.#socket = socket;
    this.#writer = socket.writable.getWriter();
    socket.closed.then(
      () => this.#closed(null),
      (error: unknown) => this.#closed(error),
    );
    this.#listen(socket).catch((error: unknown) => this.#closed(error));
    await this.#writer.ready;
    this.writable = true;
    this.emit('connect');
  }

  async #listen({ readable }: TcpSocket): Promise<void> {
    const reader = readable.getReader({ mode: 'byob' });
    let buffer = new ArrayBuffer(readBytes);
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      while (this.#rest) await this.#rest.promise;
      if (done) break;
      buffer = value.buffer;
      if (this.onShared) this.onShared(value);
      else this.emit('data', Buffer.from(value));
    }
    this.emit('end');
  }

  async #send(data: Uint8Array, done: Written): Promise<void> {
    try {
      if (!this.#writer) throw new Error('The connection is closed.');
      await this.#writer.write(data);
    } catch (error) {
      done(error);
      return;
    }
    done();
  }

  /** @param error - what broke it; null: it was closed. */
  #closed(error: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.writable = false;
    this.#writer = null;
    if (error !== null && !this.destroyed) this.emit('error', error);
    this.emit('close');
  }
}
