import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare';
import { bundleWorker } from './bundle-worker.ts';
import { findChild, startGuard, type Guard } from './guard.ts';
import { freePort } from './ports.ts';

/** The D1 binding as Miniflare hands it to Node. */
export type LocalD1Binding = Awaited<ReturnType<Miniflare['getD1Database']>>;
type LocalWorker = Awaited<ReturnType<Miniflare['getWorker']>>;

/** A further Worker beside the databases: one ES module, as `bundleWorker` makes it. It gets every D1 binding. */
export interface ExtraWorker {
  name: string;
  script: string;
  /** Binding name to PostgreSQL connection string. */
  hyperdrives?: Record<string, string>;
  /** Plain JSON values as bindings. */
  bindings?: Record<string, unknown>;
  /** Further options of Miniflare, such as `queueConsumers` or `durableObjects`. */
  miniflare?: Record<string, unknown>;
}

export interface D1Options {
  /** Binding name to database id. Default: one database, `DB`. */
  databases?: Record<string, string>;
  /** Keeps the databases in this directory; without it they are gone after `stop()`. */
  persistTo?: string;
  workers?: ExtraWorker[];
  /** Workerd's and the Workers' own output; quiet by default. */
  verbose?: boolean;
}

export interface LocalD1 extends AsyncDisposable {
  /** Id of the first database. */
  readonly databaseId: string;
  readonly databases: Readonly<Record<string, string>>;
  /** Where the inner Worker answers; only the API server should ask here. */
  readonly workerUrl: string;
  /** Base URL of Miniflare's local explorer, a second and independent way to the same databases. */
  readonly explorerUrl: string;
  /** Where the databases are. */
  readonly directory: string;
  /** The binding, callable from Node. */
  database(name?: string): Promise<LocalD1Binding>;
  /**
   * An extra Worker: `(await d1.worker('copy')).fetch('http://copy/')`; `scheduled({ cron })` is a tick of its cron trigger.
   * After a restart, ask for it again.
   */
  worker(name: string): Promise<LocalWorker>;
  /**
   * Kills workerd by SIGKILL, with all that runs in it, and starts it again on the same ports. Databases, Durable
   * Objects with their alarms, and Workflows are there again as they were stored.
   */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const DEFAULT_DATABASE_ID = 'd1d1d1d1-0000-4000-8000-000000000001';
const API_WORKER = 'cloudflare-api';
const COMPATIBILITY_DATE = '2026-07-01';

/** Starts workerd with real D1 databases and the Worker that serves Cloudflare's REST API for them. */
export async function startD1(options: D1Options = {}): Promise<LocalD1> {
  const databases = options.databases ?? { DB: DEFAULT_DATABASE_ID };
  const [firstName, databaseId] = Object.entries(databases)[0] ?? [];
  if (firstName === undefined || databaseId === undefined)
    throw new Error('startD1 needs at least one database.');
  const directory = options.persistTo ?? (await mkdtemp(join(tmpdir(), 'local-d1-')));
  const guard = startGuard('TERM', options.persistTo === undefined ? directory : undefined);
  const script = await bundleWorker(new URL('./d1-worker.ts', import.meta.url));

  const launch = async (port: number, directPort: number): Promise<Miniflare> => {
    const api = {
      name: API_WORKER,
      modules: true,
      script,
      compatibilityDate: COMPATIBILITY_DATE,
      d1Databases: databases,
      bindings: { DATABASES: Object.fromEntries(Object.entries(databases).map(([name, id]) => [id, name])) },
      // Straight to this Worker: Miniflare's own entry would copy each request once more.
      unsafeDirectSockets: [{ host: '127.0.0.1', port: directPort }],
    };
    const extra = (options.workers ?? []).map(({ miniflare: further, ...worker }) => ({
      modules: true,
      compatibilityDate: COMPATIBILITY_DATE,
      compatibilityFlags: ['nodejs_compat'],
      d1Databases: databases,
      ...worker,
      ...further,
    }));
    const miniflare = new Miniflare({
      host: '127.0.0.1',
      port,
      d1Persist: directory,
      // What Workers keep stays beside the databases, so that it is there again after a restart as they are.
      durableObjectsPersist: join(directory, 'durable-objects'),
      workflowsPersist: join(directory, 'workflows'),
      unsafeLocalExplorer: true,
      telemetry: { enabled: false },
      cf: false,
      log: new Log(options.verbose === true ? LogLevel.INFO : LogLevel.NONE),
      ...(options.verbose === true ? {} : { handleStructuredLogs: () => {} }),
      workers: [api, ...extra],
    } as MiniflareOptions);
    try {
      await miniflare.ready;
    } catch (error) {
      await miniflare.dispose();
      throw error;
    }
    void watchOver(miniflare, port, guard);
    return miniflare;
  };

  let ports: [number, number];
  let miniflare: Miniflare;
  try {
    ({ ports, miniflare } = await launchOnFreePorts(launch));
  } catch (error) {
    await guard.release();
    throw error;
  }
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await miniflare.dispose();
    await guard.release();
  };
  const local: LocalD1 = {
    databaseId,
    databases,
    workerUrl: `http://127.0.0.1:${ports[1]}`,
    explorerUrl: `http://127.0.0.1:${ports[0]}/cdn-cgi/explorer/api`,
    directory,
    database: (name = firstName) => miniflare.getD1Database(name, API_WORKER),
    worker: (name) => miniflare.getWorker(name),
    async restart() {
      if (stopped !== undefined) throw new Error('This D1 was stopped.');
      await miniflare.dispose();
      miniflare = await launch(...ports);
    },
    stop: () => (stopped ??= stop()),
    [Symbol.asyncDispose]: () => local.stop(),
  };
  return local;
}

/** Tells the guard which process is ours, and where Miniflare keeps what is not to stay. */
async function watchOver(miniflare: Miniflare, port: number, guard: Guard): Promise<void> {
  const cache = miniflare.unsafeGetPersistPaths().get('cache');
  const pid = await findChild(`127.0.0.1:${port}`);
  if (pid !== undefined) guard.watch(pid, cache && dirname(cache));
}

async function launchOnFreePorts(
  launch: (port: number, directPort: number) => Promise<Miniflare>,
): Promise<{ ports: [number, number]; miniflare: Miniflare }> {
  for (let attempt = 1; ; attempt++) {
    const ports: [number, number] = [await freePort(), await freePort()];
    try {
      return { ports, miniflare: await launch(...ports) };
    } catch (error) {
      if (attempt === 5 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
