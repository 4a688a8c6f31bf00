import { setTimeout as sleep } from 'node:timers/promises';
import { Response } from 'miniflare';
import { compareTable, type Comparison, SAMPLE_TABLES } from '../../examples/cli/compare.ts';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';
import { startCloudflareApi } from '../../examples/local/cloudflare-api.ts';
import { type ExtraWorker, type LocalD1, startD1 } from '../../examples/local/d1.ts';
import { startPostgres } from '../../examples/local/postgres.ts';
import { D1_TABLES, fillCameras, fillDrive, type SampleTable } from '../../examples/local/sample-data.ts';
import { workerOptions } from '../../examples/local/worker-options.ts';
import { BUSY_ROLE, type Report } from './observed-d1.ts';
import { poolOf } from '../support/pool.ts';

export const rows: Record<SampleTable, number> = { coordinate_speed_new: 300_000, camera_locations: 20_000 };

/** What the comparison finds where every row is there once. */
export function equal(table: SampleTable): Comparison {
  const count = rows[table];
  return { table, rows: count, d1Rows: count, missing: 0, extra: 0, different: 0, examples: [] };
}

export interface StackOptions {
  /** The example's folder. */
  readonly example: string;
  /** The Worker of this folder that is the example with its D1 observed. */
  readonly script: string;
  /** Variables that are other than in the example's wrangler.jsonc. */
  readonly variables: Record<string, unknown>;
  readonly miniflare?: ExtraWorker['miniflare'];
}

/** PostgreSQL, and workerd with an example as its wrangler.jsonc configures it. */
export interface ObservedStack extends AsyncDisposable {
  readonly d1: LocalD1;
  /** The last report of each invocation. */
  readonly reports: ReadonlyMap<string, Report>;
  fetch(path: string, method?: 'GET' | 'POST'): Promise<unknown>;
  /**
   * Kills workerd when D1 has committed so many rows for a table, before the Worker hears of the last of them, and starts
   * it again on the same storage.
   */
  killAt(table: SampleTable, rowsWritten: number): Promise<void>;
  /** Holds invocations behind their first batch of rows until so many are there at once. */
  meet(invocations: number): Promise<void>;
  compare(table: SampleTable): Promise<Comparison>;
  /** Asks PostgreSQL. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Connections to PostgreSQL so far. */
  connections(): Promise<number>;
}

export async function startObserved(options: StackOptions): Promise<ObservedStack> {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startPostgres());
  await fillDrive(postgres.connectionString, rows.coordinate_speed_new);
  await fillCameras(postgres.connectionString, rows.camera_locations);

  const reports = new Map<string, Report>();
  const written = (table: string): number =>
    [...reports.values()].reduce((sum, one) => sum + (one.table === table ? one.rowsWritten : 0), 0);
  let kill = { table: '', at: Infinity, done: Promise.withResolvers<void>() };
  let meeting = { size: 0, there: new Set<string>(), complete: Promise.withResolvers<void>() };
  const observe = async (request: { json(): Promise<unknown> }): Promise<Response> => {
    const report = (await request.json()) as Report;
    reports.set(report.invocation, report);
    if (report.table === kill.table && written(kill.table) >= kill.at) {
      const { done } = kill;
      kill = { table: '', at: Infinity, done: Promise.withResolvers() };
      await d1.restart().then(done.resolve, done.reject);
    } else if (meeting.there.size < meeting.size && report.rowsWritten > 1_000) {
      meeting.there.add(report.invocation);
      if (meeting.there.size === meeting.size) meeting.complete.resolve();
      await meeting.complete.promise;
    }
    return new Response();
  };

  const example = workerOptions(new URL(`../../examples/${options.example}/wrangler.jsonc`, import.meta.url));
  const worker: ExtraWorker = {
    name: 'copy',
    script: await bundleWorker(new URL(options.script, import.meta.url)),
    hyperdrives: { HYPERDRIVE: postgres.connectionString },
    bindings: { ...example.bindings, ...options.variables },
    miniflare: { ...example.miniflare, serviceBindings: { OBSERVER: observe }, ...options.miniflare },
  };
  const d1 = stack.use(await startD1({ workers: [worker] }));
  const database = await d1.database();
  for (const table of Object.keys(rows) as SampleTable[]) {
    // Without its key D1 would keep a row that is written twice, and the comparison finds it.
    await database.prepare(D1_TABLES[table].replace(' PRIMARY KEY', '')).run();
  }
  const api = { accountId: 'a'.repeat(32), apiToken: 'token' };
  const server = stack.use(await startCloudflareApi({ ...api, workerUrl: d1.workerUrl }));
  const env = {
    DATABASE_URL: postgres.connectionString,
    CLOUDFLARE_API_TOKEN: api.apiToken,
    CLOUDFLARE_ACCOUNT_ID: api.accountId,
    D1_DATABASE_ID: d1.databaseId,
    CLOUDFLARE_API_BASE_URL: server.baseUrl,
  };
  const pool = poolOf({ connectionString: postgres.connectionString, max: 1 });
  stack.defer(async () => await pool.end());
  await pool.query(`CREATE ROLE ${BUSY_ROLE} LOGIN CONNECTION LIMIT 0 PASSWORD '${postgres.password}'`);
  const kept = stack.move();
  return {
    d1,
    reports,
    async fetch(path, method = 'GET') {
      const response = await (await d1.worker('copy')).fetch(`http://copy${path}`, { method });
      return await response.json();
    },
    async killAt(table, at) {
      kill = { ...kill, table, at };
      await kill.done.promise;
    },
    async meet(size) {
      meeting = { size, there: new Set(), complete: Promise.withResolvers() };
      await meeting.complete.promise;
    },
    compare: async (table) => await compareTable(env, SAMPLE_TABLES[table]),
    query: async (sql) => (await pool.query<Record<string, unknown>>(sql)).rows,
    async connections() {
      const query = 'SELECT sessions FROM pg_stat_database WHERE datname = current_database()';
      return Number((await pool.query<{ sessions: string }>(query)).rows[0]?.sessions);
    },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

/** Asks again until the answer is as it should be. The test's own time limit ends it. */
export async function until<T>(ask: () => Promise<T>, isDone: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isDone(answer)) return answer;
    await sleep(100);
  }
}
