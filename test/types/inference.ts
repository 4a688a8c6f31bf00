// Compiled by `tsc`, never run: what the compiler must infer, and what it must refuse.
import type { Generated } from 'kysely';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { D1Database } from '@cloudflare/workers-types';
import { type ProgressEvent, ResumableMigrator, type Sink, type Source } from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike, D1RestSink } from 'resumable-migrator/d1';
import { type PgPoolLike, PostgresKeysetSource } from 'resumable-migrator/postgres';

interface SourceDB {
  trips: { id: Generated<string>; name: string; note: string | null };
  other: { key: number };
}
interface TargetDB {
  trips: { id: number; name: string; note: string | null; extra: string | null };
  narrow: { id: number };
}

const pool = new pg.Pool();
const rest = { accountId: 'a', databaseId: 'd', apiToken: 't' };
declare const binding: D1Database;

// The real libraries fit the structural types.
export const poolFits: PgPoolLike = pool;
export const bindingFits: D1DatabaseLike = binding;

// Every way to connect; keys and columns are the table's own.
export const source: PostgresKeysetSource<SourceDB, 'trips'> = new PostgresKeysetSource<SourceDB, 'trips'>({
  pool,
  table: 'trips',
  key: ['id'],
  columns: ['id', 'name'],
});
const db = new Kysely<SourceDB>({ dialect: new PostgresDialect({ pool }) });
// From a Kysely instance tables, keys and columns are inferred without annotations.
const inferred = new PostgresKeysetSource({ db, table: 'trips', key: ['id'] });
export const inferredRow: Source<SourceDB['trips']> = inferred;
// Chosen and renamed columns are the row's own.
const chosen = new PostgresKeysetSource({ db, table: 'trips', columns: ['id', 'name'] });
export const chosenRow: Source<{ id: Generated<string>; name: string }> = chosen;
const renamed = new PostgresKeysetSource({ db, table: 'trips', columns: { id: true, name: 'full_name' } });
export const renamedRow: Source<{ id: Generated<string>; full_name: string }> = renamed;
const columns = { id: true, name: 'extra' } as const;
const renamedWithPool = new PostgresKeysetSource<SourceDB, 'trips', typeof columns>({
  pool,
  table: 'trips',
  columns,
});
// @ts-expect-error -- the whole row has a name too
export const notTheWhole: Source<SourceDB['trips']> = chosen;
// @ts-expect-error -- no such column to rename
new PostgresKeysetSource({ db, table: 'trips', columns: { idd: 'id' } });
// @ts-expect-error -- no such table
new PostgresKeysetSource({ db, table: 'tripz' });
// @ts-expect-error -- no such key column
new PostgresKeysetSource({ db, table: 'trips', key: ['idd'] });
// @ts-expect-error -- a column of another table
new PostgresKeysetSource<SourceDB, 'trips'>({ pool, table: 'trips', columns: ['key'] });
// @ts-expect-error -- two connections
new PostgresKeysetSource({ pool, connectionString: 'postgres://', table: 'trips' });
// @ts-expect-error -- no connection
new PostgresKeysetSource({ table: 'trips' });

const sink = new D1RestSink<TargetDB, 'trips'>({ ...rest, table: 'trips' });
export const sinkRow: Sink<TargetDB['trips']> = sink;
// @ts-expect-error -- no such table in the target
new D1RestSink<TargetDB, 'tripz'>({ ...rest, table: 'tripz' });
// @ts-expect-error -- another table than the type says
new D1BindingSink<TargetDB, 'trips'>({ database: binding, table: 'narrow' });
// @ts-expect-error -- the token is missing
new D1RestSink({ accountId: 'a', databaseId: 'd', table: 'trips' });

// A sink whose table lacks columns of the source is a compile error that names them.
new ResumableMigrator({ source, sink });
const narrow = new D1BindingSink<TargetDB, 'narrow'>({ database: binding, table: 'narrow' });
// @ts-expect-error -- narrow lacks name and note
new ResumableMigrator({ source, sink: narrow });
new ResumableMigrator({ source: renamedWithPool, sink });
// @ts-expect-error -- the sink has no column full_name
new ResumableMigrator({ source: renamed, sink });
// Without types on one side, names are checked at run time.
new ResumableMigrator({ source, sink: new D1RestSink({ ...rest, table: 'anything' }) });
new ResumableMigrator({ source: new PostgresKeysetSource({ pool, table: 'x' }), sink: narrow });

// Events and results.
const migrator = new ResumableMigrator({ source, sink, checkpointSize: 'auto' });
migrator.on('progress', (progress) => {
  const typed: ProgressEvent = progress;
  return typed.rowsPerSecond.toFixed();
});
// @ts-expect-error -- no such event
migrator.on('progres', () => undefined);
migrator.on('batch:committed', ({ cursor }) => {
  // @ts-expect-error -- events are read-only
  cursor[0] = 'x';
});
export async function results(): Promise<void> {
  const { status } = await migrator.run({ budget: { milliseconds: 1 } });
  if (status === 'paused') return;
  // @ts-expect-error -- not a status
  if (status === 'done') return;
}
// @ts-expect-error -- checkpointSize is a number or 'auto'
new ResumableMigrator({ source, sink, checkpointSize: '50000' });

// Without its arguments the type takes every migrator.
export const bare: (every: ResumableMigrator) => ResumableMigrator = (every) => every;
bare(migrator);
