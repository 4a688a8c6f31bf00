/** One process of the soak: runs a migration until it is completed, or until a signal ends it. Its options are JSON. */
import { isMigratorError, ResumableMigrator } from 'resumable-migrator';
import { D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { failed, type ProcessOptions, soakTransform } from './kinds.ts';

const { env } = process;
const { table, kind, ...tuning } = JSON.parse(env['SOAK_PROCESS'] ?? '{}') as ProcessOptions;
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());

await using migrator = new ResumableMigrator({
  source: new PostgresKeysetSource({ connectionString: env['DATABASE_URL'] ?? '', table }),
  sink: new D1RestSink({
    accountId: env['CLOUDFLARE_ACCOUNT_ID'] ?? '',
    databaseId: env['D1_DATABASE_ID'] ?? '',
    apiToken: env['CLOUDFLARE_API_TOKEN'] ?? '',
    baseUrl: env['CLOUDFLARE_API_BASE_URL'],
    timeoutMs: 5_000,
    table,
  }),
  checkpointSize: 1_000,
  leaseMs: 1_000,
  graceMs: 500,
  retry: { retries: 5, baseMs: 50, maxMs: 500 },
  ...tuning,
  ...(kind === 'transform' ? { transform: soakTransform(), onReject: 'set-aside' as const } : {}),
});
try {
  const { status } = await migrator.run({ signal: stop.signal });
  process.exitCode = status === 'completed' ? 0 : 3;
} catch (error) {
  // Anything else is a breakdown, and is to look like one.
  if (!isMigratorError(error)) throw error;
  console.error(`${failed} ${error.code}: ${error.message}`);
  process.exitCode = 1;
}
