import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { World } from '../support/world.ts';

const script = fileURLToPath(new URL('../../examples/migrate-with-resume.ts', import.meta.url));

/** What a command left: its exit code and all that it said. */
export interface Ended {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs as a child process, with nothing of this process's environment but the search path. */
export class Command {
  readonly child: ChildProcess;
  readonly #env: Record<string, string>;
  readonly #closed: Promise<unknown>;
  #stdout = '';
  #stderr = '';

  constructor(env: Record<string, string>, args: readonly string[], file: string = script) {
    this.#env = env;
    this.child = spawn(process.execPath, [file, ...args], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (data: Buffer) => (this.#stdout += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()));
    this.#closed = once(this.child, 'close');
  }

  /** What it has printed so far. */
  get stdout(): string {
    return this.#stdout;
  }

  async ended(): Promise<Ended> {
    await this.#closed;
    const ended = { exitCode: this.child.exitCode, stdout: this.#stdout, stderr: this.#stderr };
    expectClean(this.#env, ended);
    return ended;
  }
}

/** Whatever a test is about: no secret and no control code may be in what was printed. */
function expectClean(env: Record<string, string>, { stdout, stderr }: Ended): void {
  for (const secret of secretsOf(env)) expect(stdout + stderr).not.toContain(secret);
  expect(stdout + stderr).not.toContain('\u001B');
  expect(stdout).not.toContain('\r');
}

/** Resolves once the command has printed a text. */
export async function untilSaid(command: Command, text: string): Promise<void> {
  await expect.poll(() => command.stdout, { interval: 5, timeout: 30_000 }).toContain(text);
}

/** Runs the command to its end. */
export async function run(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  return await new Command(env, args).ended();
}

/** The command succeeds; where it does not, the test's message is the command's. */
export async function expectCompleted(running: Promise<Ended>): Promise<void> {
  const { exitCode, stderr } = await running;
  expect(exitCode, stderr).toBe(0);
}

/** Kills the command with SIGKILL while D1 carries out a request, once so many rows of the table were written. */
export async function killAfter(
  world: World,
  table: string,
  rows: number,
  env: Record<string, string>,
): Promise<Ended> {
  const before = world.stack.api.statistics().rowsChanged[table] ?? 0;
  const command = new Command({ ...world.stack.env, TABLE_NAME: table, ...env }, []);
  let killed = false;
  world.stack.api.setFaults(() => {
    const written = (world.stack.api.statistics().rowsChanged[table] ?? 0) - before;
    if (!killed && written >= rows) killed = command.child.kill('SIGKILL');
    return undefined;
  });
  const ended = await command.ended();
  world.stack.api.setFaults(undefined);
  expect(killed).toBe(true);
  return ended;
}

/** A source table of the ids given, made of a PostgreSQL expression such as `generate_series(1, 450)`. */
export async function createDrive(world: World, table: string, ids: string): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (id bigint PRIMARY KEY, latitude double precision NOT NULL, speed double precision)`,
    `INSERT INTO ${table} SELECT id, 48 + id / 1000.0, id % 130 FROM ${ids} AS id`,
    `ANALYZE ${table}`,
  );
}

/** Both sides have the same rows. */
export async function expectEqual(world: World, table: string): Promise<void> {
  const numbers = (rows: (string | null)[][]): unknown => rows.map((row) => row.map(Number));
  expect(numbers(await world.sinkRows(table, 'id'))).toEqual(numbers(await world.sourceRows(table, 'id')));
}

/** Rows that D1 wrote for a table, whoever asked for it. */
export function rowsWritten(world: World, table: string): number {
  return world.stack.api.statistics().rowsChanged[table] ?? 0;
}

function secretsOf(env: Record<string, string>): string[] {
  const url = env['DATABASE_URL'] ?? '';
  const password = URL.canParse(url) ? new URL(url).password : '';
  return [env['CLOUDFLARE_API_TOKEN'] ?? '', password, decodeURIComponent(password)].filter(
    (secret) => secret !== '',
  );
}
