/** What `--help` prints. */
export const HELP = `Copies a PostgreSQL table into Cloudflare D1. Stop it anywhere, run it again, and it goes on where it stopped.

  npm run migrate:resume           copies coordinate_speed_new, or the table that TABLE_NAME says
  npm run migrate:resume:camera    copies camera_locations
  npm run migrate:resume:all       copies both, or the tables that TABLE_NAMES says, parents before children
  npm run migrate:plan             shows what copying would do, and changes nothing
  npm run migrate:status           shows how much is copied; reads D1 alone (-- --all, -- --watch, -- --json)
  npx node examples/migrate-with-resume.ts [--table NAME ... | --all] [--plan] [--status] [--verbose] [--help]

Arguments (they go before variables)
  --table NAME               the table to copy; may be given several times
  --all                      the tables of TABLE_NAMES
  --plan                     show what would be copied, what it takes and what would go wrong; change nothing
  --status                   show how much is copied, and change nothing; needs no DATABASE_URL
  --watch                    with --status: again every few seconds, until all is completed or Ctrl-C
  --json                     with --status: as JSON; with --watch as well one line for each change
  --verbose                  one line for each checkpoint and each batch, on a terminal too

Required variables
  DATABASE_URL               postgresql://user:password@host:5432/database (not for --status)
  CLOUDFLARE_API_TOKEN       an API token with the permission "D1: Edit"
  CLOUDFLARE_ACCOUNT_ID      the account that the database belongs to
  D1_DATABASE_ID             the database's UUID, as \`wrangler d1 list\` shows it

Optional variables
  TABLE_NAME                 the table to copy (coordinate_speed_new)
  TABLE_NAMES                what --all copies, with commas between (coordinate_speed_new,camera_locations)
  CHECKPOINT_SIZE            records a checkpoint (what the stored plan has, or 50000); auto: by the size of the table
  BATCH_SIZE                 records an insert (as many as fit in one request)
  RESUME_MODE                false: forget the checkpoints of earlier runs and start anew (true)
  BATCH_DELAY_MS             milliseconds between two batches of a checkpoint (0)
  CONCURRENCY                checkpoints that are copied at the same time (4)
  TABLE_CONCURRENCY          tables that are copied at the same time (1)
  BUDGET_MINUTES             the run pauses after so many minutes; 0.5 is half a minute (no limit)
  CLOUDFLARE_API_BASE_URL    another address of the API (https://api.cloudflare.com/client/v4)
  REPORT_FILE                where a report of the run goes, as an HTML page (none)
  VERBOSE                    true: like --verbose
  DEBUG                      anything: errors are printed with their stack
  NO_COLOR                   anything: no colours on a terminal
  FORCE_COLOR                1: colours everywhere, whatever NO_COLOR says; 0: nowhere
  GITHUB_STEP_SUMMARY        a file that a summary in Markdown is appended to; GitHub Actions sets it

Exit codes
  0    completed; with --plan: nothing was found that stops the copy; with --status: all tables are completed
  1    failed; what was copied is saved, and the same command goes on; with --plan: there are errors;
       with --status: checkpoints failed, or D1 cannot be read
  2    the configuration has to be changed first
  3    only with --status: not completed yet, or nothing is planned
  75   paused, because BUDGET_MINUTES are used up; the same command goes on
  130  stopped by Ctrl-C (SIGINT) after the batch in flight; the same command goes on
  143  the same by SIGTERM
  A second Ctrl-C ends at once. Nothing is lost by that either.
`;
