import { MigratorError } from '../errors.ts';

/** Every adapter call that leaves the process, by the role that it belongs to. */
export type EffectName =
  | `source.${'describe' | 'ranges' | 'readPage' | 'readRows' | 'countRows' | 'findOversizedRow' | 'references'}`
  | `sink.${'ask' | 'prepare' | 'create' | 'finish' | 'commit' | 'write' | 'isEmpty' | 'countRows' | 'compare' | 'keys' | 'delete'}`
  | `rejects.${'prepare' | 'list' | 'remove' | 'clear'}`
  | `store.${'prepare' | 'readPlan' | 'append' | 'adopt' | 'claim' | 'renew' | 'advance' | 'release' | 'read' | 'summarize' | 'list' | 'reopen' | 'clear'}`;

/** Which effect: the nth of all (the first is 1), or the nth of one name. */
export type EffectPoint = number | { readonly effect: EffectName; readonly nth: number };

/** `before`: the call never reaches the other side. `after`: it took effect there, and the answer is lost. */
export type Moment = 'before' | 'after';

/** What every call of a process rejects with once it has crashed. Not a {@link MigratorError}: nobody retries it. */
export class CrashError extends Error {
  override readonly name: string = 'CrashError';
}

/** A process that stands still: see {@link CrashPoints.freezeAt}. */
export interface Freeze {
  /** Resolves when the point is reached and the process stands still. */
  readonly reached: Promise<void>;
  /** Lets it go on, from the very instruction where it stopped. */
  thaw(): void;
}

/** The error of an answer that never came: the write may have taken effect or not. */
export function lostAnswer(): MigratorError {
  return new MigratorError('SINK_UNREACHABLE', 'The answer was lost (injected by a test).', {
    help: 'Nothing to do: a test asked for it.',
    retryable: true,
    ambiguous: true,
  });
}

interface Fault {
  readonly point: EffectPoint;
  readonly when: Moment;
  /** Rejects where the fault is a failure or a crash; resolves after a thaw. */
  strike(): Promise<void>;
}

/**
 * Counts the effects of one process and makes it crash, fail or freeze at a chosen one. Wrappers of the adapters
 * are made by `CrashPoints`; here is what they share.
 */
export class FaultInjector {
  readonly #effects: EffectName[] = [];
  readonly #faults: Fault[] = [];
  #crash: CrashError | null = null;
  #frozen: Promise<void> | null = null;

  /** The names of the effects so far, in the order in which they began. */
  get effects(): readonly EffectName[] {
    return this.#effects;
  }

  /** Effects so far. */
  get count(): number {
    return this.#effects.length;
  }

  /** True once the process is dead. */
  get crashed(): boolean {
    return this.#crash !== null;
  }

  /**
   * Crashes the process at this effect. From then on every call rejects with a {@link CrashError}, those in flight as
   * well: a dead process does nothing more and learns nothing more. May be called for several points; the first that
   * is reached counts.
   *
   * @example
   * ```ts
   * new CrashPoints().at(17, 'after'); // the 17th effect takes place, and nobody hears of it
   * new CrashPoints().at({ effect: 'sink.commit', nth: 2 }, 'before');
   * ```
   */
  at(point: EffectPoint, when: Moment): this {
    return this.#add(point, when, () => {
      this.#crash ??= new CrashError(`The process crashed ${when} ${describePoint(point)}.`);
      return Promise.reject(this.#crash);
    });
  }

  /**
   * Makes one call fail; the process lives on. `before`: nothing was written. `after`: it was, and the error says
   * otherwise: the "error after commit".
   *
   * @param error - default: a retryable and ambiguous {@link MigratorError}, as for an answer that never came.
   * @example
   * ```ts
   * new CrashPoints().failAt({ effect: 'sink.commit', nth: 1 }, 'after');
   * ```
   */
  failAt(point: EffectPoint, when: Moment, error: unknown = lostAnswer()): this {
    return this.#add(point, when, () => Promise.reject(error));
  }

  /**
   * Freezes the process at this effect, as a laptop that sleeps or a paused container: no call begins and no answer
   * arrives until it is thawed.
   *
   * @example
   * ```ts
   * const freeze = crash.freezeAt({ effect: 'sink.commit', nth: 1 }, 'before');
   * const run = migrator.run();
   * await freeze.reached;
   * // ... let the lease end, let another process take over ...
   * freeze.thaw();
   * await run;
   * ```
   */
  freezeAt(point: EffectPoint, when: Moment): Freeze {
    const reached = gate();
    const thawed = gate();
    this.#add(point, when, async () => {
      this.#frozen = thawed.opened;
      reached.open();
      await thawed.opened;
    });
    return { reached: reached.opened, thaw: thawed.open };
  }

  /** Runs one effect of the process, with the fault that is due at it. For wrappers of adapters of your own. */
  async effect<T>(name: EffectName, call: () => Promise<T>): Promise<T> {
    await this.#alive();
    const position = this.#effects.push(name);
    const nth = this.#effects.filter((effect) => effect === name).length;
    const due = this.#faults.filter(({ point }) =>
      typeof point === 'number' ? point === position : point.effect === name && point.nth === nth,
    );
    const strike = async (moment: Moment): Promise<void> => {
      for (const fault of due) if (fault.when === moment) await fault.strike();
    };
    await strike('before');
    // Both outcomes wait here: a dead process hears of neither, a frozen one later.
    const outcome = await Promise.resolve()
      .then(call)
      .then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
    await this.#alive();
    await strike('after');
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  async #alive(): Promise<void> {
    if (this.#frozen) await this.#frozen;
    if (this.#crash) throw this.#crash;
  }

  #add(point: EffectPoint, when: Moment, strike: () => Promise<void>): this {
    this.#faults.push({ point, when, strike });
    return this;
  }
}

function describePoint(point: EffectPoint): string {
  return typeof point === 'number' ? `effect ${point}` : `${point.effect} number ${point.nth}`;
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
