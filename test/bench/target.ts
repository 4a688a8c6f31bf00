import { randomBytes } from 'node:crypto';
import type { CloudflareApiOptions } from '../../examples/local/cloudflare-api.ts';
import { type LocalD1, startD1 } from '../../examples/local/d1.ts';
import type { LocalPostgres } from '../../examples/local/postgres.ts';
import type { LocalEnvironment } from '../../examples/local/stack.ts';
import { startApi } from './api.ts';
import { Poster } from './post.ts';

/** An empty D1 behind its REST API. */
export interface Target extends AsyncDisposable {
  readonly d1: LocalD1;
  readonly env: LocalEnvironment;
}

/** One whose API stands before it as Cloudflare's does. */
export interface DistantTarget extends Target {
  /** How many requests the API has taken. */
  requests(): Promise<number>;
}

/**
 * Every measurement gets a database of its own, in a workerd of its own: none finds what another has left. Each has answered a request
 * before, as Cloudflare's have: what starts with the first one would count for some and not for others.
 *
 * The Worker beside D1 answers itself. The simulated API, a process that reads every body and sends it on, would share the cores that are
 * measured: the ceiling leaves one of them idle, and has it for nothing, while the copy works on both. At Cloudflare the API shares neither.
 */
export async function freshTarget(postgres: LocalPostgres): Promise<Target> {
  const d1 = await startD1();
  const env = environment(postgres, d1, `${d1.workerUrl}/client/v4`);
  return await awake({ d1, env, [Symbol.asyncDispose]: () => d1.stop() });
}

/** The same behind the simulated API, with its distance and its limits. */
export async function distantTarget(
  postgres: LocalPostgres,
  distance: Partial<Omit<CloudflareApiOptions, 'faults'>>,
): Promise<DistantTarget> {
  const d1 = await startD1();
  const names = environment(postgres, d1, '');
  const access = { accountId: names.CLOUDFLARE_ACCOUNT_ID, apiToken: names.CLOUDFLARE_API_TOKEN };
  const api = await startApi({ ...distance, ...access, workerUrl: d1.workerUrl }).catch(
    async (error: unknown) => {
      await d1.stop();
      throw error;
    },
  );
  const target = await awake({
    d1,
    env: { ...names, CLOUDFLARE_API_BASE_URL: api.baseUrl },
    async [Symbol.asyncDispose]() {
      await api.stop();
      await d1.stop();
    },
  });
  const before = await api.requests();
  return { ...target, requests: async () => (await api.requests()) - before };
}

function environment(postgres: LocalPostgres, d1: LocalD1, baseUrl: string): LocalEnvironment {
  return {
    DATABASE_URL: postgres.connectionString,
    CLOUDFLARE_API_TOKEN: randomBytes(24).toString('hex'),
    CLOUDFLARE_ACCOUNT_ID: randomBytes(16).toString('hex'),
    D1_DATABASE_ID: d1.databaseId,
    CLOUDFLARE_API_BASE_URL: baseUrl,
  };
}

async function awake(target: Target): Promise<Target> {
  try {
    using poster = new Poster(target.env);
    await poster.post(Buffer.from('{"sql":"SELECT 1"}'));
    return target;
  } catch (error) {
    await target[Symbol.asyncDispose]();
    throw error;
  }
}
