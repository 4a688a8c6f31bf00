/** Waits for room; null: there is some. */
export type Room = () => Promise<void> | null;

/**
 * Sends the batches of one checkpoint, one after the other, while the next ones are read and encoded. The first failure
 * ends it: what waits behind is dropped.
 */
export class BatchQueue<Queued extends object> {
  readonly #send: (queued: Queued) => Promise<void>;
  readonly #waiting: Queued[] = [];
  #running: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  #room: (() => void) | null = null;

  constructor(send: (queued: Queued) => Promise<void>) {
    this.#send = send;
  }

  /** Takes one more. Never waits: whoever fills the queue asks for {@link room} first. */
  push(queued: Queued): void {
    if (this.#failure) return;
    this.#waiting.push(queued);
    this.#running ??= this.#run();
  }

  /** Waits until no batch waits behind the one in flight; null: none does. Rejects with the first failure. */
  room(): Promise<void> | null {
    return this.#waiting.length === 0 && !this.#failure ? null : this.#untilRoom();
  }

  /** Waits until everything is sent. Rejects with the first failure. */
  async drained(): Promise<void> {
    await this.#running;
    if (this.#failure) throw this.#failure.error;
  }

  async #untilRoom(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#failure) {
      await new Promise<void>((resolve) => (this.#room = resolve));
    }
    if (this.#failure) throw this.#failure.error;
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#send(next);
      } catch (error) {
        this.#failure = { error };
        this.#waiting.length = 0;
      }
      this.#room?.();
    }
    this.#running = null;
  }
}
