/**
 * Every code, and what it means in one line. `docs/errors.md` lists the same; a test compares the two.
 */
export const errorCodes = {
  INVALID_OPTION: 'An option has a value that cannot work, or does not exist.',
  SOURCE_UNREACHABLE: 'The source database did not answer, or the connection broke.',
  SOURCE_CREDENTIALS: 'The source database refused the user or the password.',
  SOURCE_TABLE_NOT_FOUND: 'The source table or view does not exist, or the user may not read it.',
  SOURCE_COLUMN_NOT_FOUND: 'A column that the options name does not exist in the source table.',
  SOURCE_KEY_REQUIRED: 'The source table has no primary key and no key was given.',
  SOURCE_KEY_NULLABLE: 'A key column can be null, so rows could be passed over.',
  SOURCE_KEY_NOT_UNIQUE: 'The key is not unique, so rows could be passed over.',
  SOURCE_CHANGED: 'The source table was altered or replaced while it was read.',
  SOURCE_FAILED: 'The source database answered with an error.',
  SINK_UNREACHABLE: 'The sink did not answer, or its answer was lost.',
  SINK_CREDENTIALS: 'The sink refused the credentials.',
  SINK_DATABASE_NOT_FOUND: 'The sink knows no database of this id.',
  SINK_TABLE_NOT_FOUND: 'The sink table does not exist.',
  SINK_COLUMN_MISSING: 'The sink table lacks columns, or needs some that the source does not have.',
  SINK_NOT_EMPTY: 'Rows would be added to a table that has rows already and no key to find them by.',
  SINK_RATE_LIMITED: 'The sink asks to slow down.',
  SINK_OVERLOADED: 'The sink is overloaded, or a statement took too long or too much memory.',
  SINK_QUOTA_EXHAUSTED: 'A daily or storage limit of the sink is used up.',
  SINK_PROTOCOL: 'The sink answered in a form that is not understood.',
  SINK_FAILED: 'The sink answered with an error.',
  DELIVERY_REFUSED: 'The sink cannot promise exactly-once here, and rows without a key need it.',
  ROW_TOO_LARGE: 'A row is larger than the sink can store.',
  VALUE_REFUSED: 'The sink has no exact form for a value.',
  TRANSFORM_FAILED: 'The transform threw, or gave something that is no row of the result.',
  ROW_INVALID: 'A row does not pass the validation.',
  PLAN_MISMATCH: 'The stored plan was made with other settings.',
  PLAN_INCOMPLETE: 'Checkpoints of the plan are missing in the store.',
  PLAN_REFUSED: 'The plan has findings of severity error, so a run would fail.',
  PLAN_MISSING: 'There is no plan yet.',
  CHECKPOINTS_FAILED: 'The run ended with failed checkpoints.',
  GROUP_CYCLE: 'Tables of a group refer to each other in a cycle.',
  GROUP_FAILED: 'Tables of a group failed.',
  VERIFY_UNSUPPORTED: 'The two sides cannot be compared in this way.',
  INTERNAL: 'Something that should not happen: please report it.',
} as const;

/** One of {@link errorCodes}. */
export type MigratorErrorCode = keyof typeof errorCodes;
