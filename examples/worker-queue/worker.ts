// A queue fans the copy of tables from PostgreSQL (through Hyperdrive) into D1 out to several consumers at once. A message is
// a slice of work and says nothing of rows: whoever gets it claims what no other consumer holds. The consumer ends by
// sending the next message, until nothing is left.
import type { Message, MessageBatch, Queue } from '@cloudflare/workers-types';
import { isMigratorError, type MigratorError, ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

export interface Environment {
  readonly DB: D1DatabaseLike;
  readonly HYPERDRIVE: { readonly connectionString: string };
  readonly SLICES: Pick<Queue<Task>, 'send' | 'sendBatch'>;
  /** Where Cloudflare puts what was tried too often, and we what no further try can mend. */
  readonly DEAD_SLICES: Pick<Queue<Task & { readonly error: string }>, 'send'>;
  readonly TABLES: readonly string[];
  /** Messages a table at a time: as many consumers copy it at once. */
  readonly CONSUMERS: number;
  /** Batches a slice at the most. A batch is up to 1.9 MB of rows, and two or three D1 queries. */
  readonly SLICE_BATCHES: number;
  /** The wait after the first failure; it doubles with each further one. */
  readonly RETRY_SECONDS: number;
}

export interface Task {
  readonly table: string;
  /** How many messages may still follow this one, so that nothing can go round for ever. */
  readonly left: number;
}

/** 10 GB, the most that D1 holds, are some 5,300 full batches. */
const mostMessages = 1_000;
const longestDelaySeconds = 12 * 60 * 60;

/** POST /start sends the first messages for all tables; GET / says where the tables are. */
export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    if (request.method === 'POST' && new URL(request.url).pathname === '/start') {
      const tasks = env.TABLES.map((table) => ({ body: { table, left: mostMessages } }));
      await env.SLICES.sendBatch(Array.from({ length: env.CONSUMERS }, () => tasks).flat());
    }
    return Response.json(await Promise.all(env.TABLES.map(async (table) => await describe(env, table))));
  },

  async queue(batch: MessageBatch<Task>, env: Environment): Promise<void> {
    // One after the other, for the sake of memory; with `max_batch_size` 1 there is but one.
    for (const message of batch.messages) await handle(message, env);
  },
};

async function handle(message: Message<Task>, env: Environment): Promise<void> {
  const { table, left } = message.body;
  try {
    const delaySeconds = await copySlice(env, table);
    // Delivered twice, a message becomes two: they do no harm beside each other, and both end with the table.
    if (delaySeconds !== null && left > 0) await env.SLICES.send({ table, left: left - 1 }, { delaySeconds });
    message.ack();
  } catch (error) {
    const final = finalError(error);
    if (final === null) {
      const delaySeconds = Math.min(env.RETRY_SECONDS * 2 ** (message.attempts - 1), longestDelaySeconds);
      return message.retry({ delaySeconds });
    }
    await env.DEAD_SLICES.send({ table, left, error: `${final.code}: ${final.message} ${final.help}` });
    message.ack();
  }
}

/** Works for a while. Answers after how many seconds there is more to do; null: the table is complete. */
async function copySlice(env: Environment, table: string): Promise<number | null> {
  await using migrator = migratorFor(env, table);
  const budget = { batches: env.SLICE_BATCHES, milliseconds: 60_000 };
  const { status, resumeAt } = await migrator.run({ budget });
  if (status === 'completed') return null;
  const waitMs = resumeAt === null ? 0 : resumeAt.getTime() - Date.now();
  return Math.min(Math.max(Math.ceil(waitMs / 1_000), 0), longestDelaySeconds);
}

/** The error where no further try can go better; null where one may. */
function finalError(error: unknown): MigratorError | null {
  return isMigratorError(error) && !error.retryable ? error : null;
}

/** With the table as its name the migration's progress is read from D1 alone. */
function migratorFor({ HYPERDRIVE, DB }: Environment, table: string): ResumableMigrator<object, object> {
  return new ResumableMigrator({
    name: table,
    source: new PostgresKeysetSource({ connectionString: HYPERDRIVE.connectionString, table }),
    sink: new D1BindingSink({ database: DB, table }),
    concurrency: 1, // what is read and encoded at a time has to fit into 128 MB
  });
}

async function describe(env: Environment, table: string): Promise<object> {
  await using migrator = migratorFor(env, table);
  return { table, progress: await migrator.status() };
}
