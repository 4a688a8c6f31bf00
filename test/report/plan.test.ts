import { expect, test } from 'vitest';
import { type GroupPlan, MigratorError, type PlanPreview } from 'resumable-migrator';
import { renderPlan } from 'resumable-migrator/report';

const plan: PlanPreview = {
  migration: 'cities',
  source: 'PostgreSQL shop.public.cities',
  sink: 'D1 table cities',
  delivery: 'exactly-once',
  mode: 'upsert',
  findings: [],
  columns: [],
  key: [
    { name: 'region', type: 'text', nativeType: 'text', nullable: false },
    { name: 'id', type: 'integer', nativeType: 'bigint', nullable: false },
  ],
  strategy: { kind: 'walked', reason: 'The key (region text, id bigint) is no single integer.' },
  checkpointSize: 50_000,
  totalRows: 2_210_059,
  totalRowsExact: true,
  totalBytes: 88_400_000,
  totalBytesExact: false,
  values: { choice: 'sample', rows: 8_008 },
  checkpoints: 45,
  newCheckpoints: 45,
  newCheckpointsExact: true,
  newRange: null,
  estimate: {
    requests: 1_512,
    quotaMs: 378_000,
    rowsWritten: 4_420_500,
    price: { least: 0, most: 4.4205 },
    storedBytes: 9_320_000,
    maxStoredBytes: 10_000_000_000,
  },
  statements: [
    `CREATE TABLE IF NOT EXISTS "cities" ("region" TEXT NOT NULL, "a, ""b"" (c" TEXT DEFAULT 'x, (y', "n" NUMERIC(10, 2), PRIMARY KEY ("region", "n"))`,
    'CREATE INDEX "i" ON "cities" ("n", "region")',
  ],
  progress: {
    migration: 'cities',
    checkpoints: { total: 0, completed: 0, inProgress: 0, pending: 0, failed: 0 },
    rows: 0,
    written: 0,
    rejected: 0,
    percent: 0,
    lastCompleted: null,
    next: null,
    failures: [],
  },
};

const found: PlanPreview['findings'] = [
  {
    code: 'VALUE_REFUSED',
    severity: 'error',
    column: 'speed',
    message:
      'The sink has no exact form for a value. 3 of the 8,008 rows that were looked at; the first has the key 7.',
    help: 'Change it at the source.',
  },
  { code: 'TYPE_UNKNOWN', severity: 'info', column: null, message: 'A note.', help: 'Do nothing.' },
];

test('a plan is shown with what it takes, and the statements a column a line, untouched in their quotes', () => {
  expect(renderPlan(plan)).toMatchInlineSnapshot(`
    "cities

      From         PostgreSQL shop.public.cities
      To           D1 table cities
      Rows         2,210,059
      Text         about 88 MB
      Key          region, id
      Checkpoints  45 (all new), up to 50,000 rows each
      Ranges       walked. The key (region text, id bigint) is no single integer.
      Delivery     exactly-once; rows are found by their key and overwritten
      Requests     about 1,512, 6 min 18 s at the quota of the API
      Written      about 4,420,500 rows, as the sink counts them
      Price        at the most $4.42, $0.00 within what a month includes
      Stored       about 9.3 MB of 10 GB that a database holds
      Values       a sample of 8,008 rows was looked at

    Nothing was found that keeps the copy from being exact.

    Statements
      CREATE TABLE IF NOT EXISTS "cities" (
        "region" TEXT NOT NULL,
        "a, ""b"" (c" TEXT DEFAULT 'x, (y',
        "n" NUMERIC(10, 2),
        PRIMARY KEY ("region", "n")
      );
      CREATE INDEX "i" ON "cities" ("n", "region");"
  `);
});

test('findings stand by severity, with their help; what is estimated is called so; what a sink cannot tell is left out', () => {
  const unknown = {
    requests: null,
    quotaMs: null,
    rowsWritten: null,
    price: null,
    storedBytes: null,
    maxStoredBytes: null,
  };
  const half: PlanPreview = {
    ...plan,
    findings: found,
    totalRowsExact: false,
    newCheckpoints: 3,
    newCheckpointsExact: false,
    values: { choice: 'none', rows: 0 },
    strategy: null,
    estimate: unknown,
    statements: [],
    progress: {
      ...plan.progress,
      rows: 2_100_000,
      checkpoints: { total: 42, completed: 41, inProgress: 1, pending: 0, failed: 0 },
    },
  };
  expect(renderPlan(half)).toMatchInlineSnapshot(`
    "cities

      From         PostgreSQL shop.public.cities
      To           D1 table cities
      Rows         about 2,210,059
      Text         about 88 MB
      Key          region, id
      Checkpoints  about 45 (3 new), up to 50,000 rows each
      Copied       2,100,000 rows, 41 of 42 checkpoints
      Delivery     exactly-once; rows are found by their key and overwritten
      Values       not looked at

    Errors: a run would be refused, or fail (1)
      VALUE_REFUSED, column speed
        The sink has no exact form for a value. 3 of the 8,008 rows that were looked at; the
        first has the key 7.
        -> Change it at the source.

    Notes (1)
      TYPE_UNKNOWN
        A note.
        -> Do nothing."
  `);
});

test('a group is shown as a table first, then each of its plans, also those that failed', () => {
  const error = new MigratorError('SOURCE_KEY_REQUIRED', 'logs has no primary key.', {
    help: 'Pass `key`.',
    migration: 'logs',
  });
  const group: GroupPlan = {
    tables: [
      { migration: 'logs', parents: [], plan: null, error },
      {
        migration: 'cities',
        parents: ['regions'],
        plan: { ...plan, findings: found, statements: [] },
        error: null,
      },
    ],
    totals: {
      tables: 2,
      failed: 1,
      rows: 2_210_059,
      bytes: 88_400_000,
      checkpoints: 45,
      newCheckpoints: 45,
      requests: 1_512,
      quotaMs: 7_500_000,
      rowsWritten: 4_420_500,
      price: { least: 3, most: 3 },
      storedBytes: 9_320_000,
    },
  };
  expect(renderPlan(group)).toMatchInlineSnapshot(`
    "2 tables, in the order of copying

      table        rows   text  checkpoints  requests  found
      logs                                             cannot be planned
      cities  2,210,059  88 MB           45     1,512  1 error, 1 note
      in all  2,210,059  88 MB           45     1,512

      Requests  about 1,512, 2 h 5 min at the quota of the API
      Written   about 4,420,500 rows, as the sink counts them
      Price     at the most $3.00
      Stored    about 9.3 MB

    --------------------------------------------------------------------------------------------

    logs cannot be planned
      SOURCE_KEY_REQUIRED
        logs has no primary key.
        -> Pass \`key\`.

    --------------------------------------------------------------------------------------------

    cities
    copied after regions

      From         PostgreSQL shop.public.cities
      To           D1 table cities
      Rows         2,210,059
      Text         about 88 MB
      Key          region, id
      Checkpoints  45 (all new), up to 50,000 rows each
      Ranges       walked. The key (region text, id bigint) is no single integer.
      Delivery     exactly-once; rows are found by their key and overwritten
      Requests     about 1,512, 6 min 18 s at the quota of the API
      Written      about 4,420,500 rows, as the sink counts them
      Price        at the most $4.42, $0.00 within what a month includes
      Stored       about 9.3 MB of 10 GB that a database holds
      Values       a sample of 8,008 rows was looked at

    Errors: a run would be refused, or fail (1)
      VALUE_REFUSED, column speed
        The sink has no exact form for a value. 3 of the 8,008 rows that were looked at; the
        first has the key 7.
        -> Change it at the source.

    Notes (1)
      TYPE_UNKNOWN
        A note.
        -> Do nothing."
  `);
});

test('nothing is wider than 92 columns but what cannot be broken', () => {
  const long = {
    ...found[0],
    message: 'word '.repeat(100).trim(),
    help: 'help '.repeat(60).trim(),
  } as (typeof found)[number];
  const lines = renderPlan({ ...plan, findings: [long] }).split('\n');
  expect(lines.filter((line) => line.length > 92)).toEqual([]);
  expect(lines.filter((line) => line.trimEnd() !== line)).toEqual([]);
});
