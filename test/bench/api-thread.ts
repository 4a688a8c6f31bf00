/** Cloudflare's API in a thread of its own: see {@link startApi}. */
import { parentPort, workerData } from 'node:worker_threads';
import { type CloudflareApiOptions, startCloudflareApi } from '../../examples/local/cloudflare-api.ts';

const api = await startCloudflareApi(workerData as CloudflareApiOptions);
parentPort?.on('message', () => parentPort?.postMessage(api.statistics().requests));
parentPort?.postMessage(api.baseUrl);
