import { randomBytes } from 'node:crypto';
import { startCloudflareApi, type CloudflareApi, type CloudflareApiOptions } from './cloudflare-api.ts';
import { startD1, type D1Options, type ExtraWorker, type LocalD1 } from './d1.ts';
import { startPostgres, type LocalPostgres, type PostgresOptions } from './postgres.ts';

export interface LocalStackOptions {
  postgres?: PostgresOptions;
  d1?: D1Options;
  /** Workers beside the databases that have to know where PostgreSQL is. */
  workers?: (postgres: LocalPostgres) => ExtraWorker[];
  /** Everything but the address of D1, which the stack knows. */
  api?: Partial<Omit<CloudflareApiOptions, 'workerUrl'>>;
}

/** The environment variables that a migration reads, filled in for the local stack. */
export interface LocalEnvironment extends Record<string, string> {
  DATABASE_URL: string;
  CLOUDFLARE_API_TOKEN: string;
  CLOUDFLARE_ACCOUNT_ID: string;
  D1_DATABASE_ID: string;
  CLOUDFLARE_API_BASE_URL: string;
}

export interface LocalStack extends AsyncDisposable {
  readonly postgres: LocalPostgres;
  readonly d1: LocalD1;
  readonly api: CloudflareApi;
  readonly env: LocalEnvironment;
  stop(): Promise<void>;
}

/** Starts PostgreSQL 18, D1 in workerd, and Cloudflare's API in front of it. Needs no account and no Docker. */
export async function startLocalStack(options: LocalStackOptions = {}): Promise<LocalStack> {
  const accountId = options.api?.accountId ?? randomBytes(16).toString('hex');
  const apiToken = options.api?.apiToken ?? `cf-${randomBytes(24).toString('hex')}`;
  const { workers } = options;
  const starting = startPostgres(options.postgres);
  const [postgres, d1] = await bothOrNeither(
    starting,
    workers ? starting.then((one) => startD1({ ...options.d1, workers: workers(one) })) : startD1(options.d1),
  );
  let api: CloudflareApi;
  try {
    api = await startCloudflareApi({ ...options.api, accountId, apiToken, workerUrl: d1.workerUrl });
  } catch (error) {
    await Promise.all([postgres.stop(), d1.stop()]);
    throw error;
  }
  const stop = async (): Promise<void> => {
    await api.stop();
    await Promise.all([postgres.stop(), d1.stop()]);
  };
  return {
    postgres,
    d1,
    api,
    env: {
      DATABASE_URL: postgres.connectionString,
      CLOUDFLARE_API_TOKEN: apiToken,
      CLOUDFLARE_ACCOUNT_ID: accountId,
      D1_DATABASE_ID: d1.databaseId,
      CLOUDFLARE_API_BASE_URL: api.baseUrl,
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Where one of the two fails to start, the other must not be left running. */
async function bothOrNeither<A extends Stoppable, B extends Stoppable>(
  first: Promise<A>,
  second: Promise<B>,
): Promise<[A, B]> {
  try {
    return await Promise.all([first, second]);
  } catch (error) {
    const settled = await Promise.allSettled([first, second]);
    await Promise.all(settled.map(async (one) => one.status === 'fulfilled' && (await one.value.stop())));
    throw error;
  }
}

interface Stoppable {
  stop(): Promise<void>;
}
