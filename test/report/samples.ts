import type { MigrationRecord } from 'resumable-migrator/report';

/** A record of nothing: tests say what is in theirs. */
export const nothing: MigrationRecord = {
  version: 1,
  migration: 'empty',
  source: 'PostgreSQL shop.public.empty',
  sink: 'D1 table empty',
  delivery: 'exactly-once',
  checkpointSize: 50_000,
  recordedAt: '2026-11-24T12:00:01.000Z',
  progress: {
    migration: 'empty',
    checkpoints: { total: 0, completed: 0, inProgress: 0, pending: 0, failed: 0 },
    rows: 0,
    written: 0,
    rejected: 0,
    percent: 0,
  },
  totalRows: 0,
  runs: [
    {
      startedAt: '2026-11-24T12:00:00.000Z',
      endedAt: '2026-11-24T12:00:00.300Z',
      status: 'completed',
      reason: null,
      resumeAt: null,
      rows: 0,
      batches: 0,
      completedCheckpoints: 0,
      milliseconds: 300,
    },
  ],
  totals: {
    runs: 1,
    rows: 0,
    written: 0,
    rejected: 0,
    bytes: 0,
    batches: 0,
    retries: 0,
    retryDelayMs: 0,
    waits: 0,
    waitMs: 0,
    lost: 0,
    failures: 0,
    limits: 0,
  },
  series: null,
  limits: [],
  retries: [],
  rejects: [],
  checkpoints: [],
  failures: [],
  error: null,
  verification: null,
};

/** Texts that would be markup, break a line, turn its direction, or stretch the page, were they not made harmless. */
export const hostile: string =
  `<script>alert(1)</script>"'><img src=x onerror=alert(2)>&amp;</style></title>\u202E` + 'x'.repeat(300);

/** A record in which every text is hostile. */
export function hostileRecord(): MigrationRecord {
  const at = '2026-11-24T12:00:00.000Z';
  return {
    ...nothing,
    migration: hostile,
    source: hostile,
    sink: hostile,
    limits: [{ at: hostile, rows: 1, previous: null, reason: hostile }],
    retries: [
      { code: hostile, operation: hostile, count: 2, firstAt: hostile, lastAt: at, message: hostile },
    ],
    rejects: [{ code: hostile, rows: 1, keys: [hostile] }],
    failures: [
      {
        seq: 1,
        range: { lower: { key: [hostile, hostile], inclusive: false }, upper: [hostile] },
        cursor: [hostile],
        code: hostile,
        message: hostile,
        at: hostile,
      },
    ],
    error: { code: hostile, message: hostile, help: hostile },
    verification: {
      at,
      mode: 'full',
      complete: true,
      equal: false,
      sourceRows: 1,
      sinkRows: 1,
      checkedCheckpoints: 1,
      uncheckedCheckpoints: 0,
      counts: { missing: 1, different: 0, extra: 0 },
      differingCheckpoints: null,
      examples: [{ kind: 'missing', seq: 1, place: hostile, detail: hostile }],
    },
  };
}
