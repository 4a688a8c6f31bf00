import {
  isMigratorError,
  MigratorError,
  type MigratorErrorCode,
  type MigratorErrorFacts,
  type Redactor,
} from '../errors.ts';

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
    [
      '53',
      'SOURCE_UNREACHABLE',
      {
        help: 'The server is short of connections or memory; the migrator tries again. A lower concurrency needs fewer connections.',
        retryable: true,
      },
    ],
    ['40', 'SOURCE_FAILED', { help: again, retryable: true }],
  ];

const bySystemCode: Readonly<Record<string, MigratorErrorFacts>> = {
  ECONNREFUSED: { help: checkAddress, retryable: true },
  ENOTFOUND: { help: checkAddress, retryable: true },
  EAI_AGAIN: { help: checkAddress, retryable: true },
  ETIMEDOUT: { help: checkAddress, retryable: true },
  EHOSTUNREACH: { help: checkAddress, retryable: true },
  ECONNRESET: { help: again, retryable: true },
  EPIPE: { help: again, retryable: true },
};

/** Turns whatever the driver threw into a {@link MigratorError}, without secrets. */
export function fromDriver(error: unknown, redact: Redactor): unknown {
  if (isMigratorError(error) || !(error instanceof Error) || error.name === 'AbortError') return error;
  const code = codeOf(error);
  const cause = redact.cause(error);
  const message = redact.text(error.message || code || error.name);
  const make = (kind: MigratorErrorCode, facts: MigratorErrorFacts): MigratorError =>
    new MigratorError(kind, `PostgreSQL: ${message}`, { ...facts, cause });
  const system = bySystemCode[code];
  if (system) return make('SOURCE_UNREACHABLE', system);
  const known = bySqlState.find(([prefix]) => code.startsWith(prefix));
  if (known) return make(known[1], known[2]);
  if (/connection (terminated|ended|closed)|timeout exceeded|not queryable/i.test(error.message)) {
    return make('SOURCE_UNREACHABLE', { help: again, retryable: true });
  }
  if (/password|SASL|SCRAM/i.test(error.message)) {
    return make('SOURCE_CREDENTIALS', { help: 'Check user and password in DATABASE_URL.' });
  }
  return make('SOURCE_FAILED', { help: 'PostgreSQL refused the query; its message says why.' });
}

/** SQLSTATE or the system's code; of several tries to connect, the first one's. */
function codeOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string') return error.code;
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return first instanceof Error ? codeOf(first) : '';
}
