import {
  isMigratorError,
  MigratorError,
  type MigratorErrorCode,
  type MigratorErrorFacts,
} from '../errors.ts';
import type { Redactor } from '../redactor.ts';

/** Stands in a query's error where the table is not the one that was described. */
export const alteredMark = 'the table was altered: ';

const again = 'The migrator tries again. If it stays, check that the database is up and reachable from here.';
const checkAddress = 'Check host, port and database name in DATABASE_URL, and that this machine may connect.';

/** SQLSTATE classes and codes (PostgreSQL documentation, appendix A), longest first. */
const bySqlState: readonly (readonly [prefix: string, code: MigratorErrorCode, facts: MigratorErrorFacts])[] =
  [
    ['28', 'SOURCE_CREDENTIALS', { help: 'Check user and password in DATABASE_URL.' }],
    ['42501', 'SOURCE_CREDENTIALS', { help: 'Grant the user SELECT on the table.' }],
    ['3D000', 'SOURCE_UNREACHABLE', { help: checkAddress }],
    ['42P01', 'SOURCE_TABLE_NOT_FOUND', { help: "Check the table's name and schema." }],
    [
      '42703',
      'SOURCE_COLUMN_NOT_FOUND',
      { help: 'Check the names of the columns; was one renamed or dropped?' },
    ],
    ['08', 'SOURCE_UNREACHABLE', { help: again, retryable: true }],
    ['57', 'SOURCE_UNREACHABLE', { help: again, retryable: true }],
    // The server ended a transaction that took too long, or was idle.
    ['25P0', 'SOURCE_UNREACHABLE', { help: again, retryable: true }],
    [
      '53',
      'SOURCE_UNREACHABLE',
      {
        help: 'The server is short of connections or memory; the migrator tries again. A lower concurrency needs fewer connections.',
        retryable: true,
      },
    ],
    ['40', 'SOURCE_FAILED', { help: again, retryable: true }],
    [
      '55P03',
      'SOURCE_FAILED',
      { help: 'Something else holds the table. The migrator tries again.', retryable: true },
    ],
  ];

const bySystemCode: Readonly<Record<string, MigratorErrorFacts>> = {
  ECONNREFUSED: { help: checkAddress, retryable: true },
  ENOTFOUND: { help: checkAddress, retryable: true },
  EAI_AGAIN: { help: checkAddress, retryable: true },
  ETIMEDOUT: { help: checkAddress, retryable: true },
  EHOSTUNREACH: { help: checkAddress, retryable: true },
  ENETUNREACH: { help: checkAddress, retryable: true },
  EADDRNOTAVAIL: { help: checkAddress, retryable: true },
  ENETDOWN: { help: again, retryable: true },
  ECONNRESET: { help: again, retryable: true },
  ECONNABORTED: { help: again, retryable: true },
  ERR_STREAM_DESTROYED: { help: again, retryable: true },
  EPIPE: { help: again, retryable: true },
};

/** What pg says of its connections, and the sockets of Workers of theirs: these have no codes. */
const lostConnection =
  /connection (terminated|ended|closed|lost|refused)|timeout exceeded|read timeout|not queryable|cannot connect to/i;

/** What PostgreSQL says in these classes is of connections, names and limits, never of a row's values. */
const withoutValues: ReadonlySet<string> = new Set('08 0A 25 26 28 34 3D 3F 40 42 53 54 55 57 58'.split(' '));

/** What of PostgreSQL's error cannot hold a value. */
const safeFacts = ['code', 'severity', 'schema', 'table', 'column', 'dataType', 'constraint'] as const;

/** Says how errors may be shown. */
export interface ErrorManners {
  readonly redact: Redactor;
  /** True: PostgreSQL's own words, also where they may quote values. */
  readonly values: boolean;
}

/** Turns whatever the driver threw into a {@link MigratorError}, without secrets, and without values of a row. */
export function fromDriver(error: unknown, { redact, values }: ErrorManners): unknown {
  if (isMigratorError(error) || !(error instanceof Error) || error.name === 'AbortError') return error;
  if (error.message.includes(alteredMark)) return sourceChanged();
  const code = codeOf(error);
  if (!values && isSqlState(code) && !withoutValues.has(code.slice(0, 2))) return withheld(error, code);
  const cause = redact.cause(error);
  const message = redact.text(error.message || code || error.name);
  const make = (kind: MigratorErrorCode, facts: MigratorErrorFacts): MigratorError =>
    new MigratorError(kind, `PostgreSQL: ${message}`, { ...facts, cause });
  const system = bySystemCode[code];
  if (system) return make('SOURCE_UNREACHABLE', system);
  const known = bySqlState.find(([prefix]) => code.startsWith(prefix));
  if (known) return make(known[1], known[2]);
  if (lostConnection.test(error.message)) {
    return make('SOURCE_UNREACHABLE', { help: again, retryable: true });
  }
  if (/password|SASL|SCRAM/i.test(error.message)) {
    return make('SOURCE_CREDENTIALS', { help: 'Check user and password in DATABASE_URL.' });
  }
  return make('SOURCE_FAILED', { help: 'PostgreSQL refused the query; its message says why.' });
}

/** What a read stops with whose table is not the one any more that was described. */
export function sourceChanged(): MigratorError {
  return new MigratorError('SOURCE_CHANGED', 'The source table was altered or replaced while it was read.', {
    help: 'No value was read by another type or from another column than before. Run again: the run goes on where key, columns and types are the same, and else says what changed.',
  });
}

/** An error without PostgreSQL's words: they may quote a value. */
function withheld(error: Error, code: string): MigratorError {
  const facts = Object.fromEntries(
    safeFacts.flatMap((name) => {
      const fact: unknown = Reflect.get(error, name);
      return typeof fact === 'string' ? [[name, fact]] : [];
    }),
  );
  const cause = Object.assign(new Error(`SQLSTATE ${code}`), facts);
  return new MigratorError(
    'SOURCE_FAILED',
    `PostgreSQL refused the query with SQLSTATE ${code}; its message may quote values, and is left out.`,
    {
      help: "PostgreSQL's own log has the message; `valuesInErrors: true` of the source shows it here. Appendix A of PostgreSQL's documentation lists the codes.",
      cause,
    },
  );
}

function isSqlState(code: string): boolean {
  // A system's own codes (`EPIPE`) have no digit.
  return /^(?=.*\d)[0-9A-Z]{5}$/.test(code);
}

/** SQLSTATE or the system's code; of several tries to connect, the first that is known. */
function codeOf(error: Error): string {
  const tries: unknown[] = error instanceof AggregateError ? error.errors : [];
  const codes = [error, ...tries].map((one) => {
    const code: unknown = one instanceof Error && 'code' in one ? one.code : '';
    return typeof code === 'string' ? code : '';
  });
  return codes.find((code) => bySystemCode[code]) ?? codes.find((code) => code !== '') ?? '';
}
