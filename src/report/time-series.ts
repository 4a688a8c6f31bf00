/** What happened in one stretch of time. */
export interface TimeSlot {
  /** Rows of the source that were durably dealt with. */
  readonly rows: number;
  readonly batches: number;
  /** Rows of the smallest and of the largest batch; 0 where there was none. */
  readonly smallestBatch: number;
  readonly largestBatch: number;
  /** Of all batches together, and of the slowest. */
  readonly batchMs: number;
  readonly slowestBatchMs: number;
  readonly retries: number;
  readonly waits: number;
  readonly failures: number;
}

/** A run over time, in slots of equal length. */
export interface TimeSeries {
  /** When the first slot begins, in ISO 8601. */
  readonly start: string;
  readonly slotMs: number;
  readonly slots: readonly TimeSlot[];
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** Slots that are kept at the most, however long it takes. */
export const maxSlots = 120;

/** How long the first slots are: a copy of some seconds shows a curve too. */
const firstSlotMs = 250;

/**
 * Sums over time in a fixed number of slots: past the last, two neighbours become one that is twice as long. A slot costs an addition, and
 * an hour as little memory as a minute.
 */
export class TimeSeriesRecorder {
  #start: number | null = null;
  #slotMs = firstSlotMs;
  #slots: Mutable<TimeSlot>[] = [];

  /** Time begins here, unless it has begun. */
  begin(at: number): void {
    this.#start ??= at;
  }

  batch(at: number, rows: number, milliseconds: number): void {
    merge(this.#slotAt(at), {
      ...emptySlot(),
      rows,
      batches: 1,
      smallestBatch: rows,
      largestBatch: rows,
      batchMs: milliseconds,
      slowestBatchMs: milliseconds,
    });
  }

  count(at: number, what: 'retries' | 'waits' | 'failures'): void {
    this.#slotAt(at)[what] += 1;
  }

  /** Time goes on to here, with nothing in it. */
  reach(at: number): void {
    this.#slotAt(at);
  }

  toJSON(): TimeSeries | null {
    if (this.#start === null) return null;
    return {
      start: new Date(this.#start).toISOString(),
      slotMs: this.#slotMs,
      slots: this.#slots.map((slot) => ({ ...slot })),
    };
  }

  #slotAt(at: number): Mutable<TimeSlot> {
    this.#start ??= at;
    // A clock that is set back must not make a hole: what happens before the beginning counts to it.
    const elapsed = Math.max(0, at - this.#start);
    while (elapsed >= this.#slotMs * maxSlots) this.#halve();
    const index = Math.floor(elapsed / this.#slotMs);
    while (this.#slots.length <= index) this.#slots.push(emptySlot());
    return this.#slots[index] ?? emptySlot();
  }

  #halve(): void {
    const halved: Mutable<TimeSlot>[] = [];
    for (const [index, slot] of this.#slots.entries()) {
      const into = halved[index >> 1];
      if (into) merge(into, slot);
      else halved.push(slot);
    }
    this.#slots = halved;
    this.#slotMs *= 2;
  }
}

function emptySlot(): Mutable<TimeSlot> {
  return {
    rows: 0,
    batches: 0,
    smallestBatch: 0,
    largestBatch: 0,
    batchMs: 0,
    slowestBatchMs: 0,
    retries: 0,
    waits: 0,
    failures: 0,
  };
}

function merge(into: Mutable<TimeSlot>, slot: TimeSlot): void {
  if (slot.batches > 0) {
    into.smallestBatch =
      into.batches === 0 ? slot.smallestBatch : Math.min(into.smallestBatch, slot.smallestBatch);
  }
  into.largestBatch = Math.max(into.largestBatch, slot.largestBatch);
  into.slowestBatchMs = Math.max(into.slowestBatchMs, slot.slowestBatchMs);
  for (const sum of ['rows', 'batches', 'batchMs', 'retries', 'waits', 'failures'] as const)
    into[sum] += slot[sum];
}
