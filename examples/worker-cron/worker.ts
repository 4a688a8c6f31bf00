// A Worker that a cron trigger wakes: each tick copies as much as the budget allows, and the next one goes on.
import { type Budget, type Progress, ResumableMigrator, type RunResult } from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

interface Environment {
  readonly DB: D1DatabaseLike;
  readonly HYPERDRIVE: { readonly connectionString: string };
  readonly TABLE: string;
  readonly BUDGET: Budget;
}

interface Migrator extends AsyncDisposable {
  run(options: { readonly budget: Budget }): Promise<RunResult>;
  status(): Promise<Progress>;
}

export default {
  async scheduled(_event: unknown, env: Environment): Promise<void> {
    if (await isCompleted(env)) return;
    await using migrator = migratorOf(env);
    // What fails rejects: the tick is listed as failed, and the next one tries again.
    const { status, rows, progress } = await migrator.run({ budget: env.BUDGET });
    if (status === 'completed') await setCompleted(env);
    console.log(`${env.TABLE}: ${status}, ${rows} rows, ${progress.percent.toFixed(1)} %`);
  },

  async fetch(_request: Request, env: Environment): Promise<Response> {
    await using migrator = migratorOf(env);
    return Response.json(await migrator.status());
  },
};

// A connection belongs to one invocation in Workers, so source and migrator are made in each.
function migratorOf({ DB, HYPERDRIVE, TABLE }: Environment): Migrator {
  return new ResumableMigrator({
    source: new PostgresKeysetSource({ connectionString: HYPERDRIVE.connectionString, table: TABLE }),
    sink: new D1BindingSink({ database: DB, table: TABLE }),
    // With a name of its own, status() asks D1 alone.
    name: TABLE,
    // An isolate has 128 MB. Each checkpoint that is copied at the same time holds a page and some batches of 1.9 MB;
    // more than one at a time is hardly faster, for one database writes one batch after the other.
    concurrency: 1,
  });
}

// Only run() knows that nothing is left: where planning was interrupted, the checkpoints so far may all be completed.
async function isCompleted({ DB, TABLE }: Environment): Promise<boolean> {
  const [, found] = await DB.batch([
    DB.prepare('CREATE TABLE IF NOT EXISTS cron_completed (name TEXT PRIMARY KEY)'),
    DB.prepare('SELECT name FROM cron_completed WHERE name = ?').bind(TABLE),
  ]);
  return found !== undefined && found.results.length > 0;
}

async function setCompleted({ DB, TABLE }: Environment): Promise<void> {
  await DB.prepare('INSERT INTO cron_completed (name) VALUES (?) ON CONFLICT DO NOTHING').bind(TABLE).all();
}
