import {
  isMigratorError,
  MigratorError,
  type MigratorErrorCode,
  type MigratorErrorFacts,
} from '../errors.ts';

/** What a message of D1 means. The first rule that fits decides; over REST, where none fits, the status. */
interface Rule {
  readonly pattern: RegExp;
  readonly code: MigratorErrorCode;
  readonly help: string;
  readonly retryable?: boolean;
  readonly ambiguous?: boolean;
  readonly shrink?: boolean;
  /** True: it passes at midnight UTC. */
  readonly daily?: boolean;
}

const tryAgain = 'This passes by itself; the migrator tries again. If it stays, see the status of D1.';

/** What a trigger raised: its own words, which may hold values of the row. */
const triggerMessage =
  /SQLITE_CONSTRAINT_TRIGGER|^(?!.*(constraint failed|cannot store)).*: SQLITE_CONSTRAINT\b/is;

const overloadHelp =
  'The migrator slows down and sends less at once. A smaller batchSize or concurrency helps if it stays.';

/**
 * Texts as Cloudflare's documentation lists them (D1: debug and retry queries), and as SQLite says them.
 * A write that failed in one of the `ambiguous` ways may have been committed.
 */
const rules: readonly Rule[] = [
  {
    // Before all others: what a trigger says may sound like any of them.
    pattern: triggerMessage,
    code: 'SINK_FAILED',
    help: 'A trigger of the D1 table refuses a row: correct the row at the source, or the trigger.',
  },
  {
    pattern: /daily row (read|write) limit|free tier/i,
    code: 'SINK_QUOTA_EXHAUSTED',
    help: 'The daily limit of the free plan ends at midnight UTC: run again then, or use a paid plan.',
    daily: true,
  },
  {
    pattern: /maximum db size|exceeded maximum db|database or disk is full/i,
    code: 'SINK_QUOTA_EXHAUSTED',
    help: 'The database is full: make room in it, or copy into another.',
  },
  {
    pattern:
      /too many SQL variables|statement too long|string or blob too big|SQLITE_TOOBIG|SQLITE_NOMEM|out of memory/i,
    code: 'SINK_FAILED',
    help: 'The batch is too large for one statement; the migrator makes it smaller.',
    shrink: true,
  },
  {
    pattern: /exceeded timeout|overloaded|memory limit|CPU time limit|exceeded its CPU/i,
    code: 'SINK_OVERLOADED',
    help: overloadHelp,
    retryable: true,
    ambiguous: true,
    shrink: true,
  },
  {
    pattern:
      /code was updated|starting up|Network connection lost|Internal error|transient issue|client disconnected|object to be reset|storage caused|reference =/i,
    code: 'SINK_UNREACHABLE',
    help: tryAgain,
    retryable: true,
    ambiguous: true,
  },
  {
    pattern: /no such table/i,
    code: 'SINK_TABLE_NOT_FOUND',
    help: "Create the table, or let the sink create it (createTable: 'if-missing').",
  },
  {
    pattern: /no column named|no such column/i,
    code: 'SINK_COLUMN_MISSING',
    help: 'Add the column to the sink table, or choose the columns of the source.',
  },
  {
    pattern: /constraint failed|SQLITE_CONSTRAINT/i,
    code: 'SINK_FAILED',
    help: 'A row breaks a constraint of the sink table. Correct the row at the source or the constraint, then run again.',
  },
];

/** The error that a message of D1 stands for, or null where no rule knows it. */
function fromMessage(message: string, cause: unknown): MigratorError | null {
  const rule = rules.find(({ pattern }) => pattern.test(message));
  if (!rule) return null;
  const { code, pattern: _pattern, daily, ...facts } = rule;
  const retryAfterMs = daily ? untilMidnight() : undefined;
  const kept = triggerMessage.test(message) ? undefined : cause;
  return new MigratorError(code, `D1: ${strip(message)}`, { ...facts, retryAfterMs, cause: kept });
}

/** Milliseconds until the next day begins in UTC. */
function untilMidnight(): number {
  const day = 86_400_000;
  return day - (Date.now() % day);
}

/** What a binding threw as a {@link MigratorError}; newer runtimes drop the cause, so the message decides. */
export function fromBinding(error: unknown): unknown {
  if (isMigratorError(error) || !(error instanceof Error) || error.name === 'AbortError') return error;
  return (
    fromMessage(error.message, error) ??
    new MigratorError('SINK_FAILED', `D1: ${strip(error.message)}`, {
      help: 'D1 refused the statement; its message says why.',
      cause: error,
    })
  );
}

/** What is known of an answer of the REST API that is not a success. */
export interface RestFailure {
  readonly status: number;
  readonly headers: Headers;
  /** The API's own code, or null where the body was not its envelope. */
  readonly code: number | null;
  readonly message: string;
}

/** Turns a failed answer into a {@link MigratorError}. */
export function fromRest({ status, headers, code, message }: RestFailure): MigratorError {
  const said = `${strip(message)} (HTTP ${status}${code === null ? '' : `, code ${code}`})`;
  const make = (kind: MigratorErrorCode, facts: MigratorErrorFacts): MigratorError =>
    new MigratorError(kind, `D1 API: ${said}`, facts);
  // In a browser the answer of a redirect is hidden, and has the status 0.
  if (status === 0 || (status >= 300 && status < 400)) {
    return make('SINK_PROTOCOL', {
      help: 'The address sends requests elsewhere, which are not followed: token and rows go nowhere else. Check CLOUDFLARE_API_BASE_URL.',
    });
  }
  if (status === 401 || status === 403 || code === 10000 || code === 7403) {
    return make('SINK_CREDENTIALS', {
      help: 'Check CLOUDFLARE_API_TOKEN (it needs the permission "D1: Edit" for this account) and CLOUDFLARE_ACCOUNT_ID.',
    });
  }
  // 7003: the account's or the database's id cannot be one.
  if (code === 7404 || code === 7003) {
    return make('SINK_DATABASE_NOT_FOUND', {
      help: 'Check D1_DATABASE_ID: it is the UUID that `wrangler d1 list` shows, in the account of CLOUDFLARE_ACCOUNT_ID.',
    });
  }
  if (status === 429 && code !== 7429) {
    return make('SINK_RATE_LIMITED', {
      help: 'The API takes 1,200 requests in 5 minutes for each user. The migrator waits as it is told; larger batches need fewer requests.',
      retryable: true,
      retryAfterMs: retryAfter(headers),
    });
  }
  if (status === 429) {
    return make('SINK_OVERLOADED', {
      help: overloadHelp,
      retryable: true,
      ambiguous: true,
      shrink: true,
      retryAfterMs: retryAfter(headers),
    });
  }
  const known = code === null ? null : fromMessage(message, undefined);
  if (known) return make(known.code, known);
  if (status >= 500 && code !== 10001) {
    return make('SINK_UNREACHABLE', {
      help: tryAgain,
      retryable: true,
      ambiguous: true,
      retryAfterMs: retryAfter(headers),
    });
  }
  if (code === 7400 || status === 404 || code === null) {
    return make('SINK_PROTOCOL', {
      help: 'The address does not answer as the D1 API does. Check CLOUDFLARE_API_BASE_URL.',
    });
  }
  return make('SINK_FAILED', { help: 'D1 refused the statement; its message says why.' });
}

/** Milliseconds from `retry-after` (seconds or a date), or from `Ratelimit`'s `t=`. */
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value !== null && value !== '') {
    const seconds = Number(value);
    if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
    const date = Date.parse(value);
    if (Number.isFinite(date)) return Math.max(0, date - Date.now());
  }
  const reset = /(?:^|[;,\s])t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  return reset === undefined ? undefined : Number(reset) * 1000;
}

function strip(message: string): string {
  if (triggerMessage.test(message)) {
    return 'a trigger refused a row; its message may quote values, and is left out';
  }
  const text = message.replace(/^D1_\w*ERROR: /, '').trim();
  return text.length > 500 ? `${text.slice(0, 497)}...` : text;
}
