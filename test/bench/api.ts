import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { CloudflareApiOptions } from '../../examples/local/cloudflare-api.ts';

/** Cloudflare's API as it is measured. */
export interface BenchApi {
  readonly baseUrl: string;
  /** How many it has taken. */
  requests(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * Starts the API with a heap of its own. In that of the benchmark, which holds much else, the bodies that pass through would have
 * all of it collected again and again, on one of the two cores that are measured.
 */
export async function startApi(options: Omit<CloudflareApiOptions, 'faults'>): Promise<BenchApi> {
  const thread = new Worker(new URL('./api-thread.ts', import.meta.url), { workerData: options });
  const [baseUrl] = (await once(thread, 'message')) as [string];
  return {
    baseUrl,
    async requests() {
      const answer = once(thread, 'message') as Promise<[number]>;
      thread.postMessage('requests');
      return (await answer)[0];
    },
    async stop() {
      await thread.terminate();
    },
  };
}
