import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LocalEnvironment } from '../../examples/local/stack.ts';

/** Runs a script with a job in a process of its own, and returns what it prints: one value as JSON. */
export async function runChild<Result>(script: URL, env: LocalEnvironment, job: unknown): Promise<Result> {
  const child = spawn(process.execPath, [fileURLToPath(script)], {
    env: { PATH: process.env['PATH'], ...env, BENCH_JOB: JSON.stringify(job) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Whoever stops the benchmark stops what it measures.
  const end = (): void => void child.kill();
  process.once('exit', end);
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  await once(child, 'close');
  process.off('exit', end);
  if (child.exitCode !== 0)
    throw new Error(`${script.pathname} ended with ${child.exitCode ?? child.signalCode}.`);
  return JSON.parse(output) as Result;
}

/** The job of this process. */
export function jobOfChild(): unknown {
  return JSON.parse(process.env['BENCH_JOB'] ?? 'null');
}
