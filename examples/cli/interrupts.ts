import type { Output } from './output.ts';

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

type Interrupt = keyof typeof exitCodes;

/**
 * npm passes a Ctrl-C on that the terminal has delivered already, so one keypress can arrive twice. What follows this
 * soon is the same one.
 */
const sameKeypressMs = 1_000;

/** The first Ctrl-C (or SIGTERM) asks the run to stop; the second ends the process at once. */
export class Interrupts implements Disposable {
  readonly #controller = new AbortController();
  readonly #output: Output;
  readonly #copies: boolean;
  #first: { readonly name: Interrupt; readonly at: number } | null = null;

  /** @param copies - true: something is saved before the run ends, and the first Ctrl-C says so. */
  constructor(output: Output, { copies }: { readonly copies: boolean }) {
    this.#output = output;
    this.#copies = copies;
    for (const name of names) process.on(name, this.#onInterrupt);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The code to exit with; undefined where nobody interrupted. */
  get exitCode(): number | undefined {
    return this.#first ? exitCodes[this.#first.name] : undefined;
  }

  [Symbol.dispose](): void {
    for (const name of names) process.off(name, this.#onInterrupt);
  }

  readonly #onInterrupt = (name: Interrupt): void => {
    const now = performance.now();
    if (this.#first === null) {
      this.#first = { name, at: now };
      if (this.#copies) {
        this.#output.line();
        this.#output.line(
          '🛑 Stopping: the batch in flight is finished and saved. Ctrl-C again ends at once.',
        );
      }
      this.#controller.abort();
    } else if (now - this.#first.at > sameKeypressMs) {
      this.#output.bar(null);
      this.#output.line(
        '🛑 Ended at once. What D1 has confirmed is saved: run the same command again to resume.',
      );
      process.exit(exitCodes[name]);
    }
  };
}

const names = Object.keys(exitCodes) as Interrupt[];
