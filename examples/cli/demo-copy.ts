import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { DRIVE_ROWS } from '../local/sample-data.ts';
import type { LocalStack } from '../local/stack.ts';

const command = fileURLToPath(new URL('../migrate-with-resume.ts', import.meta.url));

/** Variables that the demo sets itself, or leaves at their defaults, whatever the caller's shell has set. */
const ownVariables =
  /^(DATABASE_URL|CLOUDFLARE_\w+|D1_DATABASE_ID|TABLE_NAME|CHECKPOINT_SIZE|BATCH_SIZE|BATCH_DELAY_MS|RESUME_MODE|CONCURRENCY|VERBOSE|DEBUG|PG\w+|npm_\w+)$/i;

/** The environment in which the demo runs the command. */
export function commandEnvironment(
  stack: LocalStack,
  rows: number = DRIVE_ROWS,
): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !ownVariables.test(name));
  return { ...Object.fromEntries(inherited), ...stack.env, ...smallSettings(rows) };
}

/** A small table is cut into as many checkpoints as the large one, so that there is a middle to be killed in. */
function smallSettings(rows: number): Record<string, string> {
  if (rows >= DRIVE_ROWS) return {};
  const checkpointSize = Math.ceil(rows / 45);
  const batchSize = Math.ceil(checkpointSize / 3);
  return {
    CHECKPOINT_SIZE: String(checkpointSize),
    ...(rows < 1_000_000 ? { BATCH_SIZE: String(batchSize) } : {}),
  };
}

/** Runs the command as anyone would, in a process of its own. */
export class Command {
  readonly child: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(env: Record<string, string | undefined>, args: readonly string[], output: 'stdout' | 'stderr') {
    const target = output === 'stdout' ? 1 : 2;
    this.child = spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', target, 2] });
    this.#exit = once(this.child, 'exit');
    this.#exit.catch(() => undefined);
  }

  /** Resolves when the process is gone: with its exit code, or null where a signal ended it. */
  async exit(): Promise<number | null> {
    await this.#exit;
    return this.child.exitCode;
  }
}

/**
 * Kills the command once half of the rows are in D1, at the moment when its next request has just arrived at the API.
 * That request is carried out all the same: the worst moment for a process to die, as it never learns of it.
 *
 * @returns how many rows D1 had confirmed at that moment.
 */
export async function killHalfWay(
  stack: LocalStack,
  run: Command,
  table: string,
  rows: number,
): Promise<number> {
  let confirmed: number | undefined;
  stack.api.setFaults(() => {
    const changed = stack.api.statistics().rowsChanged[table] ?? 0;
    if (confirmed === undefined && changed >= rows / 2) {
      confirmed = changed;
      run.child.kill('SIGKILL');
      stack.api.setFaults(undefined);
    }
    return undefined;
  });
  try {
    const exitCode = await run.exit();
    if (confirmed !== undefined) return confirmed;
    throw new Error(`The command ended with exit code ${exitCode} before half of the rows were copied.`);
  } finally {
    stack.api.setFaults(undefined);
  }
}
