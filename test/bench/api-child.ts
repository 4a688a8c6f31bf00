/** Cloudflare's API in a process of its own: see {@link startApi}. Ends with the process that started it. */
import { type CloudflareApiOptions, startCloudflareApi } from '../../examples/local/cloudflare-api.ts';

const { BENCH_API = '' } = process.env;
const api = await startCloudflareApi(JSON.parse(BENCH_API) as CloudflareApiOptions);
process.on('message', () => process.send?.(api.statistics().requests));
process.once('disconnect', () => process.exit());
process.send?.(api.baseUrl);
