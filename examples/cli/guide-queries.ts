/** A query of the resumable migration guide, and the question that it answers. */
export interface GuideQuery {
  readonly question: string;
  readonly sql: string;
}

/** The guide's section "Monitoring Progress", word for word: they must go on working as they stand there. */
export const MONITORING_QUERIES: readonly GuideQuery[] = [
  {
    question: 'See overall progress',
    sql: `SELECT
  status,
  COUNT(*) as checkpoints,
  SUM(records_processed) as total_records
FROM migration_checkpoints
WHERE table_name = 'coordinate_speed_new'
GROUP BY status;`,
  },
  {
    question: 'See pending checkpoints',
    sql: `SELECT
  id,
  start_id,
  end_id,
  status,
  error_message
FROM migration_checkpoints
WHERE table_name = 'coordinate_speed_new' AND status IN ('pending', 'failed')
ORDER BY start_id;`,
  },
  {
    question: 'See progress percentage',
    sql: `SELECT
  CAST(SUM(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) AS REAL) / COUNT(*) * 100 as progress_percent
FROM migration_checkpoints
WHERE table_name = 'coordinate_speed_new';`,
  },
  {
    question: 'View failed checkpoints',
    sql: `SELECT
  id,
  start_id,
  end_id,
  error_message,
  created_at
FROM migration_checkpoints
WHERE table_name = 'coordinate_speed_new' AND status = 'failed'
ORDER BY start_id;`,
  },
];
