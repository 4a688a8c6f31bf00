import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LocalEnvironment } from '../../examples/local/stack.ts';

interface NodeOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs Node with nothing of this process's environment but the search path, and returns what it prints. */
export async function runNode(args: readonly string[], { env, cwd }: NodeOptions): Promise<string> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Whoever stops the benchmark stops what it measures.
  const end = (): void => void child.kill();
  process.once('exit', end);
  let output = '';
  let errors = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  await once(child, 'close');
  process.off('exit', end);
  if (child.exitCode === 0) return output;
  const how = child.exitCode === null ? String(child.signalCode) : `code ${child.exitCode}`;
  throw new Error(`${args[0]} ended with ${how}:\n${`${output}\n${errors}`.trim().slice(-2_000)}`);
}

/** Runs a script with a job in a process of its own, and returns what it prints: one value as JSON. */
export async function runChild<Result>(script: URL, env: LocalEnvironment, job: unknown): Promise<Result> {
  const output = await runNode([fileURLToPath(script)], { env: { ...env, BENCH_JOB: JSON.stringify(job) } });
  return JSON.parse(output) as Result;
}

/** The job of this process. */
export function jobOfChild(): unknown {
  return JSON.parse(process.env['BENCH_JOB'] ?? 'null');
}
