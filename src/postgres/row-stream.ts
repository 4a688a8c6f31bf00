import { bindMessage } from './bind-message.ts';
import { skipRows, type TappedSocket, WireTap, type WireRows } from './wire-tap.ts';

/**
 * How long an answer that nobody waits for gathers in the socket: what a server takes for two million bytes, or for the rows where these are
 * small, half a microsecond each. Milliseconds.
 */
const gatherMs = { least: 16, most: 32, eachRow: 0.0005 };

type WireStream = {
  cork?(): void;
  uncork?(): void;
  pause?(): unknown;
  resume?(): unknown;
} & Partial<WritableTappedSocket>;

interface WritableTappedSocket extends TappedSocket {
  write(bytes: Uint8Array): unknown;
}

/** The little of pg's own connection that its extension point for queries works with, as pg-cursor and others use it. */
interface Wire {
  readonly stream: WireStream;
  parse(query: { readonly text: string; readonly name: ''; readonly types: readonly [] }): void;
  bind(values: { readonly values: readonly (string | null)[] }): void;
  execute(portal: { readonly rows: number }): void;
  flush(): void;
  sync(): void;
}

/** A query, and its parameters as texts. */
export interface RowQuery {
  readonly text: string;
  readonly values: readonly (string | null)[];
}

/** Takes rows as the bytes of the stream. */
export interface ByteTaker extends WireRows {
  /** For each column, whether it is to come in the server's own form; null: all of them as texts. */
  readonly isBinary: readonly boolean[] | null;
  /** The rows come past the tap, in a format that pg cannot read: none of them was handed over. */
  missed(): void;
}

/** Takes rows as the server sends them. */
export interface RowTaker {
  row(values: (string | null)[]): void;
  /** Takes rows as the bytes of the stream instead, where these can be had. */
  readonly bytes?: ByteTaker | undefined;
  /** So many rows at the most, and nobody waits for them. Undefined: somebody does. */
  readonly unhurriedRows?: number | undefined;
  /**
   * How many rows are to be sent before it is asked again; 0: all that there are. Asked once before the first.
   * Null: no more.
   */
  portion(): number | null;
}

/** True for a client that takes {@link RowStream}s: pg's own, and those that are made of it. */
export function takesRowStreams(client: object): boolean {
  const { connection, pipeline } = client as {
    readonly connection?: Partial<Wire> | null;
    readonly pipeline?: unknown;
  };
  // A client that sends queries ahead of their answers has no place for a query of another kind.
  return (
    pipeline !== true &&
    (['parse', 'bind', 'execute', 'flush', 'sync'] as const).every(
      (name) => typeof connection?.[name] === 'function',
    )
  );
}

/** True: with this client rows are taken as bytes, where the taker has a way to. */
export function takesBytes(client: object): boolean {
  const { connection } = client as { readonly connection?: Partial<Wire> | null };
  return isTappable(connection?.stream ?? {});
}

function isTappable(stream: WireStream): stream is WritableTappedSocket {
  return (['listeners', 'on', 'off', 'emit', 'write'] as const).every(
    (name) => typeof stream[name] === 'function',
  );
}

/**
 * A query whose rows are handed over while the socket is read: no result is collected, and no value goes through a type parser. Pass it to
 * `client.query()`, and wait for `done`.
 */
export class RowStream implements WireRows {
  /** Ends when the server has nothing more to say. Rejects with its error, the connection's, or the taker's. */
  readonly done: Promise<void>;
  /** Set by pg where it watches the query: without the call its `query_timeout` runs on. */
  callback: ((error: unknown) => void) | undefined = undefined;
  readonly #query: RowQuery;
  readonly #taker: RowTaker;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  /** The server has been asked to end: what comes now is the rest. */
  #synced = false;
  #failure: { readonly error: unknown } | null = null;
  #tap: WireTap | null = null;
  /** The socket in which the answer gathers. */
  #resting: WireStream | null = null;
  /** Columns come in the server's own form. */
  #isBinary = false;

  constructor(query: RowQuery, taker: RowTaker) {
    this.#query = query;
    this.#taker = taker;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(wire: Wire): null {
    const { bytes } = this.#taker;
    const { stream } = wire;
    const tapped = bytes && isTappable(stream) ? stream : null;
    if (tapped) this.#tap = new WireTap(tapped, this);
    const { text, values } = this.#query;
    // One packet for all of it, where the stream can be told.
    stream.cork?.();
    try {
      wire.parse({ text, name: '', types: [] });
      if (tapped && bytes?.isBinary) {
        this.#isBinary = true;
        tapped.write(bindMessage(values, bytes.isBinary));
      } else {
        wire.bind({ values });
      }
      this.#next(wire);
    } finally {
      stream.uncork?.();
    }
    if (this.#taker.unhurriedRows !== undefined) this.#gather(stream, this.#taker.unhurriedRows);
    return null;
  }

  /**
   * Reads nothing for a while: a server on the same machine has mostly sent the page by then, and wants no processor.
   * What the socket does not hold waits in the server.
   */
  #gather(stream: WireStream, rows: number): void {
    stream.pause?.();
    this.#resting = stream;
    const { least, most, eachRow } = gatherMs;
    setTimeout(() => this.#readOn(), Math.min(most, Math.max(least, rows * eachRow)));
  }

  #readOn(): void {
    this.#resting?.resume?.();
    this.#resting = null;
  }

  // What the taker throws is kept: inside the socket's event it would end the process.

  /** @internal */
  take(chunk: Uint8Array, from: number): number {
    const { bytes } = this.#taker;
    try {
      if (bytes && !this.#failure) return bytes.take(chunk, from);
    } catch (error) {
      this.#failure = { error };
    }
    return skipRows(chunk, from);
  }

  handleRowDescription(): void {}

  handleDataRow({ fields }: { readonly fields: (string | null)[] }): void {
    if (this.#failure) return;
    try {
      if (this.#isBinary) this.#taker.bytes?.missed();
      else this.#taker.row(fields);
    } catch (error) {
      // Thrown inside the socket's event it would end the process.
      this.#failure = { error };
    }
  }

  handlePortalSuspended(wire: Wire): void {
    this.#next(wire);
  }

  handleCommandComplete(_message: unknown, wire: Wire): void {
    this.#sync(wire);
  }

  handleEmptyQuery(wire: Wire): void {
    this.#sync(wire);
  }

  /** An error of the server, of the connection, or of pg, which has waited long enough while rows still come. */
  handleError(error: unknown, wire: Wire): void {
    this.#failure ??= { error };
    if (typeof (error as { readonly severity?: unknown }).severity === 'string') {
      // The server reads nothing until it is asked to end. No row comes any more, and pg does not tell of the end.
      this.#sync(wire);
      this.#tap?.close();
    }
    // Else the tap stays to the end: without it pg would take the rest of a row for messages.
    this.#end();
  }

  handleReadyForQuery(): void {
    this.#tap?.close();
    this.#end();
  }

  #end(): void {
    this.#readOn();
    const { callback } = this;
    this.callback = undefined;
    if (this.#failure) this.#reject(this.#failure.error);
    else this.#resolve();
    callback?.(this.#failure?.error ?? null);
  }

  #next(wire: Wire): void {
    const rows = this.#failure ? null : this.#taker.portion();
    if (rows === null) return this.#sync(wire);
    wire.execute({ rows });
    if (rows > 0) wire.flush();
    else this.#sync(wire);
  }

  #sync(wire: Wire): void {
    if (this.#synced) return;
    this.#synced = true;
    wire.sync();
  }
}
