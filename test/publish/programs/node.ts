// What a program on Node makes of the package: all of its entries, with the types of Kysely and pg.
import { type Generated, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { MigrationGroup, ResumableMigrator, type RunResult } from 'resumable-migrator';
import { D1RestDatabase, D1RestSink } from 'resumable-migrator/d1';
import { MemorySink } from 'resumable-migrator/memory';
import { httpFetch } from 'resumable-migrator/node';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { renderSummary } from 'resumable-migrator/report';
import { sinkSuite } from 'resumable-migrator/testing';

interface Tables {
  trips: { id: Generated<number>; speed: number };
}

const pool = new pg.Pool();
const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
const access = { accountId: 'a', databaseId: 'd', apiToken: 't', fetch: httpFetch };

export const viaKysely: PostgresKeysetSource<Tables, 'trips'> = new PostgresKeysetSource<Tables, 'trips'>({
  db,
  table: 'trips',
});
export const wrongTable: unknown = new PostgresKeysetSource<Tables, 'trips'>({
  pool,
  // @ts-expect-error: there is no such table.
  table: 'trip',
});
const migrator = new ResumableMigrator({
  source: new PostgresKeysetSource<Tables, 'trips'>({ pool, table: 'trips', key: ['id'] }),
  sink: new D1RestSink<Tables, 'trips'>({ ...access, table: 'trips' }),
});
migrator.on('progress', ({ percent }) => percent.toFixed());
const result: RunResult = await migrator.run();
export const summary: string = renderSummary(result);
export const others: readonly unknown[] = [D1RestDatabase, MemorySink, MigrationGroup, sinkSuite];
