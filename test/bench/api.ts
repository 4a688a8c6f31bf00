import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CloudflareApiOptions } from '../../examples/local/cloudflare-api.ts';

/** Cloudflare's API as it is measured. */
export interface BenchApi {
  readonly baseUrl: string;
  /** How many it has taken. */
  requests(): Promise<number>;
  stop(): Promise<void>;
}

const script = fileURLToPath(new URL('./api-child.ts', import.meta.url));

/**
 * Starts the API in a process of its own. In that of the benchmark, which holds much else, the bodies that pass through would have
 * all of it collected again and again, on one of the two cores that are measured. For the same reason it collects on one thread.
 */
export async function startApi(options: Omit<CloudflareApiOptions, 'faults'>): Promise<BenchApi> {
  const child = fork(script, {
    env: { PATH: process.env['PATH'], BENCH_API: JSON.stringify(options) },
    execArgv: ['--single-threaded-gc'],
  });
  const ended = once(child, 'exit');
  const answer = async <Answer>(): Promise<Answer> => {
    const failed = ended.then(([code]) => {
      throw new Error(`The API ended with code ${String(code)}.`);
    });
    return (await Promise.race([once(child, 'message'), failed]))[0] as Answer;
  };
  const baseUrl = await answer<string>();
  return {
    baseUrl,
    async requests() {
      const requests = answer<number>();
      child.send('requests');
      return await requests;
    },
    async stop() {
      child.kill();
      await ended;
    },
  };
}
