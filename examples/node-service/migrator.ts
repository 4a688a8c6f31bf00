import { ResumableMigrator } from 'resumable-migrator';
import { D1RestSink } from 'resumable-migrator/d1';
import { httpFetch } from 'resumable-migrator/node';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import type { Configuration } from '../cli/configuration.ts';

/** A migrator with whatever types of rows. */
export type AnyMigrator = ResumableMigrator<object, object>;

/** The migrator of one table. It opens its own connections, and ends them when it is closed. */
export function migratorOf(configuration: Configuration, table: string): AnyMigrator {
  const { databaseUrl, accountId, databaseId, apiToken, apiBaseUrl } = configuration;
  const { checkpointSize, concurrency, batchSize, batchDelayMs } = configuration;
  return new ResumableMigrator({
    source: new PostgresKeysetSource({
      connectionString: databaseUrl,
      table,
      maxConnections: concurrency + 1,
    }),
    sink: new D1RestSink({
      accountId,
      databaseId,
      apiToken,
      baseUrl: apiBaseUrl,
      fetch: httpFetch,
      // D1 has no schemas: public.cities becomes cities.
      table: table.slice(table.indexOf('.') + 1),
    }),
    checkpointSize,
    concurrency,
    batchSize,
    batchDelayMs,
  });
}
