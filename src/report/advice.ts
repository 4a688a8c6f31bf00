import type { MigratorErrorCode } from '../error-codes.ts';

/** What to do about each code, where the error itself is not at hand. `docs/errors.md` says the same; a test compares the two. */
export const advice: Readonly<Record<MigratorErrorCode, string>> = {
  INVALID_OPTION: 'Correct the option that the message names. Nothing was read or written.',
  SOURCE_UNREACHABLE:
    'Check host, port and database name, and that this machine may connect. Passing faults are tried again by themselves.',
  SOURCE_CREDENTIALS: 'Check user and password, and that the user may read the table.',
  SOURCE_TABLE_NOT_FOUND: 'Check the name and the schema (schema option); grant SELECT.',
  SOURCE_COLUMN_NOT_FOUND: 'Check the names in columns and key; the help line lists those that exist.',
  SOURCE_KEY_REQUIRED: 'Pass key: the columns of a unique index that cannot be null.',
  SOURCE_KEY_NULLABLE: 'Choose other columns, or declare them NOT NULL.',
  SOURCE_KEY_NOT_UNIQUE: 'Choose the columns of a unique index, or create one.',
  SOURCE_CHANGED:
    'Run again: the run goes on where key, columns and types are the same; where they are not, PLAN_MISMATCH says what changed.',
  SOURCE_FAILED:
    "Read PostgreSQL's message. Deadlocks and serialization failures are tried again by themselves.",
  SINK_UNREACHABLE: "Check the network and the API's address. What was written stays written; run again.",
  SINK_CREDENTIALS: 'Check the API token (permission "D1: Edit") and the account id.',
  SINK_DATABASE_NOT_FOUND: 'Check the database id: the UUID that wrangler d1 list shows.',
  SINK_TABLE_NOT_FOUND: 'Create the table, or leave createTable at if-missing.',
  SINK_COLUMN_MISSING: "Add the columns to the D1 table, or choose the source's with columns.",
  SINK_NOT_EMPTY: 'Empty the table, or give it a primary key or unique index on the key columns.',
  SINK_RATE_LIMITED:
    'It passes; the migrator waits as long as the API asks. Leave batchSize unset, so that few requests are needed.',
  SINK_OVERLOADED: 'The migrator waits and makes batches smaller. Lower concurrency if it stays.',
  SINK_QUOTA_EXHAUSTED: 'Run again after midnight UTC (free plan), or make room in the database.',
  SINK_PROTOCOL:
    "Check the API's address: something else answers there, or answers are cut short on the way.",
  SINK_FAILED:
    "Read D1's message. A broken constraint is mended at the source or in the table; then run again.",
  DELIVERY_REFUSED:
    "Give the table a key, or keep the checkpoints in the sink's own database behind an endpoint with atomic batches.",
  ROW_TOO_LARGE: 'Shorten the row that the message names by its key, or leave it or its large column out.',
  VALUE_REFUSED: 'Change the value of the row that the message names by its key, or leave the row out.',
  TRANSFORM_FAILED:
    "The message names the column, the cause is what map threw. See transform.md; onReject: 'set-aside' goes on without the row.",
  ROW_INVALID:
    "Correct the row at the source or the schema; the cause is what the schema says. onReject: 'set-aside' goes on without the row.",
  PLAN_MISMATCH: 'Use the former settings, another name, or reset() (RESUME_MODE=false).',
  PLAN_INCOMPLETE: 'reset() (RESUME_MODE=false) and run again.',
  PLAN_REFUSED: 'Read what the message lists; plan() shows the same in findings. Nothing was written.',
  PLAN_MISSING: 'Call run() first.',
  CHECKPOINTS_FAILED:
    'Read the first failure in the message (all of them are in error.result.failures), mend it, run again.',
  GROUP_CYCLE:
    "Copy one of them without the referring column (columns), or drop the foreign key in D1 and use order: 'given'. Nothing was written.",
  GROUP_FAILED:
    'Read the first failure in the message (all tables are in error.group.tables), mend it, run the group again.',
  VERIFY_UNSUPPORTED: 'Follow the help line.',
  INTERNAL: 'Please report it, with the message and what led to it.',
};
