// What the excerpts in the documentation take as given. A page that is about one of these names makes it itself.
import type { ResumableMigrator as Migrator } from 'resumable-migrator';
import type { D1DatabaseLike, D1RestSink } from 'resumable-migrator/d1';
import type { PostgresKeysetSource } from 'resumable-migrator/postgres';
import type { Pool } from 'pg';

declare global {
  /** Tables as Kysely knows them. */
  interface SourceDB {
    trips: { id: number; speed: number; note: string | null; deleted: boolean };
  }
  interface TargetDB {
    trips: { id: number; speed_kmh: number; tags: string[] | null; note: string | null };
    orders: { id: number; price: number; placed_at: number; paid: string; ratio: number | null };
  }
  const accountId: string;
  const databaseId: string;
  const apiToken: string;
  const credentials: { accountId: string; databaseId: string; apiToken: string };
  const table: string;
  const pool: Pool;
  const env: { DB: D1DatabaseLike; HYPERDRIVE: { connectionString: string } };
  const signal: AbortSignal;
  const source: PostgresKeysetSource;
  const sink: D1RestSink;
  const migrator: Migrator;
}
