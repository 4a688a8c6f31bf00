import { randomBytes } from 'node:crypto';
import type { CloudflareApiOptions } from '../../examples/local/cloudflare-api.ts';
import { type D1Options, type LocalD1, startD1 } from '../../examples/local/d1.ts';
import type { LocalPostgres } from '../../examples/local/postgres.ts';
import type { LocalEnvironment } from '../../examples/local/stack.ts';
import { type BenchApi, startApi } from './api.ts';
import { Poster } from './post.ts';

/** An empty D1 behind Cloudflare's API. */
export interface Target extends AsyncDisposable {
  readonly d1: LocalD1;
  readonly api: BenchApi;
  readonly env: LocalEnvironment;
}

/**
 * Every measurement gets a database of its own, in a workerd of its own: none finds what another has left. Each has answered a request
 * before, as Cloudflare's have: what starts with the first one would count for some and not for others.
 */
export async function freshTarget(
  postgres: LocalPostgres,
  options: {
    readonly d1?: D1Options;
    readonly api?: Partial<Omit<CloudflareApiOptions, 'faults'>>;
  } = {},
): Promise<Target> {
  const accountId = randomBytes(16).toString('hex');
  const apiToken = randomBytes(24).toString('hex');
  const d1 = await startD1(options.d1);
  try {
    const api = await startApi({ ...options.api, accountId, apiToken, workerUrl: d1.workerUrl });
    const env = {
      DATABASE_URL: postgres.connectionString,
      CLOUDFLARE_API_TOKEN: apiToken,
      CLOUDFLARE_ACCOUNT_ID: accountId,
      D1_DATABASE_ID: d1.databaseId,
      CLOUDFLARE_API_BASE_URL: api.baseUrl,
    };
    using poster = new Poster(env);
    await poster.post(Buffer.from('{"sql":"SELECT 1"}'));
    const before = await api.requests();
    return {
      d1,
      api: { ...api, requests: async () => (await api.requests()) - before },
      env,
      async [Symbol.asyncDispose]() {
        await api.stop();
        await d1.stop();
      },
    };
  } catch (error) {
    await d1.stop();
    throw error;
  }
}
