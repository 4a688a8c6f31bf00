import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startGuard } from './guard.ts';
import { freePort } from './ports.ts';
import { accountForRoot, findBinaries, reachableBinaries, type Account } from './postgres-binaries.ts';

export interface PostgresOptions {
  /** Server settings (`postgresql.conf`), on top of the fast ones below. */
  settings?: Record<string, string>;
  /** Gets every line that initdb and the server print. Without it they stay quiet. */
  log?: (line: string) => void;
}

export interface LocalPostgres extends AsyncDisposable {
  readonly connectionString: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** The server's directory: gone after `stop()`. */
  readonly directory: string;
  /** Process id of the server while it runs; a test may kill it, and `restart()` brings it back. */
  readonly pid: number | undefined;
  /** Stops and starts on the same port with the same data. `immediate` is a crash: no clean shutdown. */
  restart(how?: 'fast' | 'immediate'): Promise<void>;
  stop(): Promise<void>;
}

/** Nothing here survives a power cut, and need not: the data is a copy of what a script can make again. */
const FAST_SETTINGS: Record<string, string> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '4GB',
  shared_buffers: '256MB',
  timezone: 'UTC',
};

const USER = 'postgres';
const DATABASE = 'postgres';
const HOST = '127.0.0.1';

/** Starts PostgreSQL 18 on a free port of 127.0.0.1, with a directory of its own that `stop()` removes. */
export async function startPostgres(options: PostgresOptions = {}): Promise<LocalPostgres> {
  const account = accountForRoot();
  const directory = await mkdtemp(join(tmpdir(), 'local-postgres-'));
  const guard = startGuard('QUIT', directory);
  try {
    if (account !== undefined) await chown(directory, account.uid, account.gid);
    const binaries = await reachableBinaries(await findBinaries(), account, directory);
    const data = join(directory, 'data');
    const password = `pg-${randomBytes(24).toString('hex')}`;
    const passwordFile = join(directory, 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
    await initialise(binaries.initdb, { data, passwordFile, account, log: options.log });
    await rm(passwordFile);

    const settings = { ...FAST_SETTINGS, ...options.settings };
    const launch = async (port: number): Promise<ChildProcess> => {
      const child = await startServer(binaries.postgres, { data, port, settings, account, log: options.log });
      if (child.pid !== undefined) guard.watch(child.pid);
      return child;
    };
    let { port, server } = await startOnFreePort(launch);
    let stopped: Promise<void> | undefined;

    const stop = async (): Promise<void> => {
      await endServer(server, 'SIGINT');
      await guard.release();
    };
    const local: LocalPostgres = {
      connectionString: `postgresql://${USER}:${password}@${HOST}:${port}/${DATABASE}`,
      host: HOST,
      port,
      user: USER,
      password,
      database: DATABASE,
      directory,
      get pid() {
        return hasEnded(server) ? undefined : server.pid;
      },
      async restart(how = 'fast') {
        if (stopped !== undefined) throw new Error('This PostgreSQL was stopped; its data is gone.');
        await endServer(server, how === 'fast' ? 'SIGINT' : 'SIGQUIT');
        server = await launch(port);
      },
      stop: () => (stopped ??= stop()),
      [Symbol.asyncDispose]: () => local.stop(),
    };
    return local;
  } catch (error) {
    await guard.release();
    throw error;
  }
}

interface InitOptions {
  data: string;
  passwordFile: string;
  account: Account | undefined;
  log: ((line: string) => void) | undefined;
}

async function initialise(initdb: string, { data, passwordFile, account, log }: InitOptions): Promise<void> {
  const args = [
    `--pgdata=${data}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
    '--no-instructions',
  ];
  const child = spawn(initdb, args, {
    ...account,
    cwd: '/',
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = collectLines(child, log);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`initdb failed with code ${code}:\n${lines.join('\n')}`);
}

interface ServerOptions {
  data: string;
  port: number;
  settings: Record<string, string>;
  account: Account | undefined;
  log: ((line: string) => void) | undefined;
}

/** Resolves when the server accepts connections. */
async function startServer(postgres: string, options: ServerOptions): Promise<ChildProcess> {
  const { data, port, settings, account, log } = options;
  const args = ['-D', data, '-p', String(port), '-h', HOST, '-k', ''];
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
  const child = spawn(postgres, args, {
    ...account,
    cwd: '/',
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // its own process group, so that Ctrl-C in a terminal reaches only the host
  });
  await new Promise<void>((resolve, reject) => {
    const lines = collectLines(child, (line) => {
      log?.(line);
      if (line.includes('database system is ready to accept connections')) resolve();
    });
    child.once('error', reject);
    child.once('close', () => reject(new Error(`PostgreSQL did not start:\n${lines.join('\n')}`)));
  });
  // A running server must not keep a finished script alive; the guard stops it then.
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  return child;
}

async function startOnFreePort(
  launch: (port: number) => Promise<ChildProcess>,
): Promise<{ port: number; server: ChildProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return { port, server: await launch(port) };
    } catch (error) {
      const taken = error instanceof Error && error.message.includes('could not bind');
      if (!taken || attempt === 5) throw error;
    }
  }
}

function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

async function endServer(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(server)) return;
  server.ref();
  const ended = once(server, 'exit');
  server.kill(signal);
  await ended;
}

/** The host's PGDATA, PGPORT and locale are no business of this server. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('PG') && !name.startsWith('LC_'),
  );
  return { ...Object.fromEntries(entries), LC_ALL: 'C' };
}

/** Collects what a child prints (the last 50 lines) and shows each line to `log`. */
function collectLines(child: ChildProcess, log: ((line: string) => void) | undefined): string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > 50) lines.shift();
      log?.(line);
    });
  }
  return lines;
}
