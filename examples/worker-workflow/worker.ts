// Cloudflare Workflows copy tables from PostgreSQL (through Hyperdrive) into D1. A table is an instance, and its steps are
// slices of the work. What was copied stands in D1 itself, so a step that is tried again goes on behind the last batch.
import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers';
import { NonRetryableError } from 'cloudflare:workflows';
import type { InstanceStatus, Workflow, WorkflowInstance } from '@cloudflare/workers-types';
import { isMigratorError, ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

export interface Environment {
  readonly DB: D1DatabaseLike;
  readonly HYPERDRIVE: { readonly connectionString: string };
  readonly COPIES: Workflow<Part>;
  readonly TABLES: readonly string[];
  /** Batches a slice at the most. A batch is up to 1.9 MB of rows, and two or three D1 queries. */
  readonly SLICE_BATCHES: number;
}

/** A table's copy is a chain of instances. */
interface Part {
  readonly table: string;
  readonly part: number;
}

/** What a step returns, and the instance at its end: numbers and names alone, never rows. */
interface Slice {
  readonly status: 'completed' | 'paused' | 'failed';
  readonly rows: number;
  readonly percent: number;
  readonly resumeAt: number | null;
}
type Output = Slice | { readonly nextPart: number };

/**
 * An invocation may send D1 1,000 queries, and nothing says that a step is an invocation of its own. So all slices of an
 * instance together stay below that, and the next instance goes on.
 */
const slicesPerPart = 10;

export class CopyTable extends WorkflowEntrypoint<Environment, Part> {
  override async run({ payload }: Readonly<WorkflowEvent<Part>>, step: WorkflowStep): Promise<Output> {
    const { table, part } = payload;
    // A slice that outlives its time limit does no harm beside its second try: it has lost its lease, and writes nothing.
    const limits = {
      retries: { limit: 5, delay: '10 seconds', backoff: 'exponential' },
      timeout: '5 minutes',
    } as const;
    for (let slice = 1; slice <= slicesPerPart; slice++) {
      const done = await step.do(`slice ${slice}`, limits, () => copySlice(this.env, table));
      if (done.status === 'completed') return done;
      if (done.resumeAt !== null) await step.sleepUntil(`quota ${slice}`, done.resumeAt);
    }
    return await step.do('hand over', async () => {
      await begin(this.env, { table, part: part + 1 });
      return { nextPart: part + 1 };
    });
  }
}

/** POST /start, /pause or /resume for all tables; GET / says where they are. */
export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const action = new URL(request.url).pathname.slice(1);
    if (request.method === 'POST' && isAction(action)) {
      await Promise.all(env.TABLES.map(async (table) => await act(env, table, action)));
    }
    return Response.json(await Promise.all(env.TABLES.map(async (table) => await describe(env, table))));
  },
};

async function copySlice(env: Environment, table: string): Promise<Slice> {
  await using migrator = migratorFor(env, table);
  try {
    const budget = { batches: env.SLICE_BATCHES, milliseconds: 60_000 };
    const { status, rows, resumeAt, progress } = await migrator.run({ budget });
    return { status, rows, percent: progress.percent, resumeAt: resumeAt?.getTime() ?? null };
  } catch (error) {
    if (!isMigratorError(error) || error.retryable) throw error;
    throw new NonRetryableError(`${error.code}: ${error.message} ${error.help}`);
  }
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

const idOf = ({ table, part }: Part): string => `${table}-${part}`;

/** Creates an instance, or finds the one that an earlier try created. */
async function begin(env: Environment, part: Part): Promise<void> {
  const id = idOf(part);
  await env.COPIES.get(id).catch(async () => await env.COPIES.create({ id, params: part }));
}

interface Found {
  readonly instance: WorkflowInstance;
  readonly status: InstanceStatus;
}

/** The last instance of a table's chain; null where the table was never started. */
async function latest(env: Environment, table: string): Promise<Found | null> {
  let found: Found | null = null;
  for (let part: number | undefined = 1; part !== undefined;) {
    const instance: WorkflowInstance | null = await env.COPIES.get(idOf({ table, part })).catch(() => null);
    if (instance === null) return found;
    const status = await instance.status();
    found = { instance, status };
    part = (status.output as { readonly nextPart?: number } | null | undefined)?.nextPart;
  }
  return found;
}

const actions = ['start', 'pause', 'resume'] as const;
type Action = (typeof actions)[number];
const isAction = (text: string): text is Action => actions.some((action) => action === text);

async function act(env: Environment, table: string, action: Action): Promise<void> {
  const found = await latest(env, table);
  if (found === null) return action === 'start' ? await begin(env, { table, part: 1 }) : undefined;
  const { instance, status } = found;
  const isOver = ['complete', 'errored', 'terminated'].includes(status.status);
  // Started again, an instance copies what is not copied yet: the rest after an error, or rows that have come since.
  if (action === 'start' && isOver) await instance.restart();
  if (action === 'pause' && !isOver) await instance.pause();
  if (action === 'resume' && ['paused', 'waitingForPause'].includes(status.status)) await instance.resume();
}

async function describe(env: Environment, table: string): Promise<object> {
  const found = await latest(env, table);
  await using migrator = migratorFor(env, table);
  return {
    table,
    instance: found?.instance.id ?? null,
    status: found?.status.status ?? 'not started',
    error: found?.status.error ?? null,
    progress: await migrator.status(),
  };
}
