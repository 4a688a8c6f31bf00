import type { MigratorErrorCode } from './error-codes.ts';
import type { Key } from './contract/rows.ts';
import type { PauseReason, RunResult } from './contract/results.ts';

export type { MigratorErrorCode };

/** Where an error happened. */
export interface ErrorPlace {
  readonly migration?: string | undefined;
  /** The checkpoint's `seq`. */
  readonly checkpoint?: number | undefined;
  readonly key?: Key | undefined;
  /** The column whose value it is about; messages name it themselves. */
  readonly column?: string | undefined;
}

/** The facts of a {@link MigratorError}. */
export interface MigratorErrorFacts extends ErrorPlace {
  /** What to do next, in a sentence or two. */
  readonly help: string;
  /** True: the same call may succeed later. Default false. */
  readonly retryable?: boolean | undefined;
  /** True: a write may have taken effect although it is reported as failed. Default false. */
  readonly ambiguous?: boolean | undefined;
  /** True: the call asked for too much at once; a smaller one may succeed. Default false. */
  readonly shrink?: boolean | undefined;
  /** Milliseconds to wait before the next try, where the other side said so. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
  readonly result?: RunResult | undefined;
  readonly group?: GroupResult | undefined;
}

/** What became of one table of a group. */
export type TableResult =
  | {
      readonly migration: string;
      /** `paused`: the signal or the budget ended it; the next run goes on. */
      readonly status: 'completed' | 'paused';
      readonly result: RunResult;
    }
  | {
      readonly migration: string;
      readonly status: 'failed';
      readonly error: MigratorError;
      /** Null where the table failed before its run began. */
      readonly result: RunResult | null;
    }
  | {
      readonly migration: string;
      /** Not begun in this run; what earlier runs copied stays. */
      readonly status: 'skipped';
      /** `parents`: tables that its rows refer to are not complete. */
      readonly reason: 'parents' | PauseReason;
      /** The migrations of these tables. */
      readonly parents: readonly string[];
      /** The reason as a sentence. */
      readonly message: string;
    };

/** What a run of a group did. A rejection that follows from failed tables carries the same as `error.group`. */
export interface GroupResult {
  /** `failed` is found on errors alone. */
  readonly status: 'completed' | 'paused' | 'failed';
  /** Why it paused. */
  readonly reason: PauseReason | null;
  /** When the next run can go on, where a quota of a sink ended this one; null: at once. */
  readonly resumeAt: Date | null;
  /**
   * Every table, in the order of copying; first those that could not be described. One of these whose source has no name
   * before it is asked is called `(table 3)`, by the order of adding.
   */
  readonly tables: readonly TableResult[];
  readonly totals: {
    readonly tables: number;
    readonly completed: number;
    readonly paused: number;
    readonly failed: number;
    readonly skipped: number;
    /** Rows of the source, batches and checkpoints of this run alone. */
    readonly rows: number;
    /** Rows that this run wrote, and rows of the source that it set aside. */
    readonly written: number;
    readonly rejected: number;
    readonly batches: number;
    readonly completedCheckpoints: number;
  };
  readonly milliseconds: number;
}

const brand = Symbol.for('resumable-migrator.error');

/**
 * The one class of errors that this package throws on purpose.
 *
 * @example
 * ```ts
 * try {
 *   await migrator.run();
 * } catch (error) {
 *   if (!isMigratorError(error)) throw error;
 *   console.error(error.code, error.message, error.help);
 * }
 * ```
 */
export class MigratorError extends Error {
  override readonly name: string = 'MigratorError';
  readonly code: MigratorErrorCode;
  readonly help: string;
  /** True: the same call may succeed later. Of a run or a group: everything that failed in it may. */
  readonly retryable: boolean;
  readonly ambiguous: boolean;
  readonly shrink: boolean;
  readonly retryAfterMs: number | undefined;
  readonly place: ErrorPlace;
  /** The run's summary, on errors that `run()` rejects with. */
  readonly result: RunResult | undefined;
  /** The group's result, on errors that the `run()` of a group rejects with. */
  readonly group: GroupResult | undefined;
  /** The message without its place. */
  readonly summary: string;

  constructor(code: MigratorErrorCode, summary: string, facts: MigratorErrorFacts) {
    super(
      oneLine(summary + describePlace(facts)),
      facts.cause === undefined ? undefined : { cause: facts.cause },
    );
    this.code = code;
    this.summary = oneLine(summary);
    this.help = oneLine(facts.help);
    this.retryable = facts.retryable ?? false;
    this.ambiguous = facts.ambiguous ?? false;
    this.shrink = facts.shrink ?? false;
    this.retryAfterMs = facts.retryAfterMs;
    const { migration, checkpoint, key, column } = facts;
    this.place = { migration, checkpoint, key, ...(column === undefined ? {} : { column }) };
    this.result = facts.result;
    this.group = facts.group;
    Object.defineProperty(this, brand, { value: true });
  }

  /** The same error with more facts: its place, or the run's result. */
  with(facts: Partial<MigratorErrorFacts>): MigratorError {
    return withFacts(this, facts);
  }
}

/** Outside of the class: one that names itself is given another name by the bundler, and that is what Node prints. */
function withFacts(error: MigratorError, facts: Partial<MigratorErrorFacts>): MigratorError {
  const copy = new MigratorError(error.code, error.summary, {
    ...(error as MigratorErrorFacts),
    cause: error.cause,
    ...error.place,
    ...facts,
  });
  if (error.stack) copy.stack = error.stack.replace(error.message, () => copy.message);
  return copy;
}

/** True for a {@link MigratorError}, of this or of another installed copy of the package. */
export function isMigratorError(error: unknown): error is MigratorError {
  return typeof error === 'object' && error !== null && brand in error;
}

/**
 * A text that can forge nothing where it is shown: line breaks, control characters, marks that turn the direction of
 * writing, and halves of surrogate pairs are written as escapes. Names, keys and other programs' messages may hold any.
 */
export function oneLine(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function describePlace(place: ErrorPlace): string {
  const parts: string[] = [];
  if (place.migration !== undefined) parts.push(`migration "${place.migration}"`);
  if (place.checkpoint !== undefined) parts.push(`checkpoint ${place.checkpoint}`);
  if (place.key !== undefined) parts.push(`key ${showKey(place.key)}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** A key as messages show it: `42`, or `(eu, 42)`; long values are cut. */
export function showKey(key: Key): string {
  const shown = key.map((part) => (part.length > 80 ? `${part.slice(0, 77)}...` : part));
  return shown.length === 1 ? String(shown[0]) : `(${shown.join(', ')})`;
}

/** What an option that cannot work is refused with. */
export function invalidOption(message: string, help: string): MigratorError {
  return new MigratorError('INVALID_OPTION', message, { help });
}

/**
 * Refuses names that are not known, and what has no names: an option that is spelled otherwise would be passed over in silence.
 *
 * @param known - with blanks between them.
 */
export function refuseUnknown(taker: string, given: unknown, known: string): void {
  const names = known.split(' ');
  const wrong =
    Object(given) === given
      ? Object.keys(given as object).find((name) => !names.includes(name))
      : String(given);
  if (wrong !== undefined)
    throw invalidOption(`${taker} takes no ${wrong}.`, `It takes an object with ${names.join(', ')}.`);
}

/** What a row that no batch of the sink can hold is refused with. */
export function rowTooLarge(maxRowBytes: number): MigratorError {
  return new MigratorError(
    'ROW_TOO_LARGE',
    `A row is larger than the ${maxRowBytes.toLocaleString('en')} bytes that the sink can store.`,
    {
      help: 'Shorten the row at the source, leave its large column out, or leave the row out with a filter.',
    },
  );
}

/** What rows that one row of the source became are refused with, where no batch of the sink can hold them together. */
export function groupTooLarge(maxBatchBytes: number): MigratorError {
  return new MigratorError(
    'ROW_TOO_LARGE',
    `The rows that one row became are larger than the ${maxBatchBytes.toLocaleString('en')} bytes that one batch can hold.`,
    {
      help: 'They have to be written together, or not at all: make fewer or shorter rows of it in the transform.',
    },
  );
}
