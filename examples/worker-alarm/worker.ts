// A Durable Object that copies by its alarm: each alarm copies a slice and arms the next, until all is completed.
// POST /start, /pause, /resume; GET / says where it is.
import {
  type Budget,
  type Progress,
  ResumableMigrator,
  type RunOptions,
  type RunResult,
} from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

interface Environment {
  readonly DB: D1DatabaseLike;
  readonly HYPERDRIVE: { readonly connectionString: string };
  readonly COPY: { getByName(name: string): { fetch(request: Request): Promise<Response> } };
  readonly TABLE: string;
  readonly BUDGET: Budget;
}

/** The part of a Durable Object's storage that this needs. */
interface Storage {
  get(key: 'state'): Promise<State | undefined>;
  put(key: 'state', value: State): Promise<void>;
  setAlarm(time: number): Promise<void>;
}

interface State {
  readonly phase: 'idle' | 'running' | 'paused' | 'completed';
  /** Slices that failed since the last one that did not. */
  readonly failures: number;
  readonly error: string | null;
}

interface Migrator extends AsyncDisposable {
  run(options: RunOptions): Promise<RunResult>;
  status(): Promise<Progress>;
}

/** After a death in a slice, how long until the next alarm. The lease of the dead run has expired by then. */
const AFTER_DEATH_MS = 15_000;
const LONGEST_BACKOFF_MS = 300_000;

export class TableCopy {
  readonly #storage: Storage;
  readonly #env: Environment;
  #slice: AbortController | null = null;

  constructor(context: { readonly storage: Storage }, env: Environment) {
    this.#storage = context.storage;
    this.#env = env;
  }

  async fetch(request: Request): Promise<Response> {
    const state = await this.#state();
    switch (`${request.method} ${new URL(request.url).pathname}`) {
      case 'GET /': {
        await using migrator = this.#migrator();
        return Response.json({ ...state, progress: await migrator.status() });
      }
      case 'POST /resume':
        if (state.phase !== 'paused') return Response.json(state, { status: 409 });
        return await this.#begin();
      case 'POST /start':
        return await this.#begin();
      case 'POST /pause':
        if (state.phase !== 'running') return Response.json(state, { status: 409 });
        await this.#put({ ...state, phase: 'paused' });
        // The slice saves the batch in flight and ends.
        this.#slice?.abort();
        return Response.json(await this.#state());
      default:
        return new Response(null, { status: 404 });
    }
  }

  /**
   * The runtime calls an alarm that failed or died again, but only six times. So this never fails, and arms the next
   * alarm before it begins: whatever kills a slice, and however often, another one follows.
   */
  async alarm(): Promise<void> {
    if ((await this.#state()).phase !== 'running') return;
    await this.#storage.setAlarm(Date.now() + AFTER_DEATH_MS);
    this.#slice = new AbortController();
    try {
      await using migrator = this.#migrator();
      const { signal } = this.#slice;
      const { status, resumeAt } = await migrator.run({ signal, budget: this.#env.BUDGET });
      await this.#ended({ failures: 0, error: null }, status, resumeAt?.getTime() ?? Date.now());
    } catch (error) {
      const failures = (await this.#state()).failures + 1;
      const backoff = Math.min(1_000 * 2 ** (failures - 1), LONGEST_BACKOFF_MS);
      await this.#ended({ failures, error: String(error) }, 'failed', Date.now() + backoff);
    } finally {
      this.#slice = null;
    }
  }

  async #ended(outcome: Omit<State, 'phase'>, status: RunResult['status'], next: number): Promise<void> {
    // Read anew: it may have been paused meanwhile.
    const { phase } = await this.#state();
    await this.#put({ ...outcome, phase: status === 'completed' ? 'completed' : phase });
    // In place of the alarm that the slice began with. Where nothing is left to do, it finds that out.
    await this.#storage.setAlarm(next);
  }

  async #begin(): Promise<Response> {
    await this.#put({ phase: 'running', failures: 0, error: null });
    await this.#storage.setAlarm(Date.now());
    return Response.json(await this.#state());
  }

  async #state(): Promise<State> {
    return (await this.#storage.get('state')) ?? { phase: 'idle', failures: 0, error: null };
  }

  async #put(state: State): Promise<void> {
    await this.#storage.put('state', state);
  }

  // A connection belongs to one invocation in Workers, so source and migrator are made in each.
  #migrator(): Migrator {
    const { DB, HYPERDRIVE, TABLE } = this.#env;
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
}

export default {
  // One object a table: it runs one alarm at a time.
  fetch: (request: Request, env: Environment): Promise<Response> =>
    env.COPY.getByName(env.TABLE).fetch(request),
};
