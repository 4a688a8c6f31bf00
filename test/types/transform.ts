// Compiled by `tsc`, never run: what a transform's rows are inferred to be, and which are refused.
import type { ColumnType, Generated } from 'kysely';
import * as v from 'valibot';
import { z } from 'zod';
import {
  type DecodedRow,
  MigrationGroup,
  ResumableMigrator,
  type Sink,
  type Source,
} from 'resumable-migrator';
import { D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import pg from 'pg';

/** As kysely-codegen writes them. */
type Int8 = ColumnType<string, bigint | number | string, bigint | number | string>;
type Numeric = ColumnType<string, number | string, number | string>;
type Timestamp = ColumnType<Date, Date | string, Date | string>;

interface SourceDB {
  trips: {
    id: Generated<Int8>;
    driver: Int8 | null;
    fare: Numeric;
    started: Timestamp;
    ended: Date | null;
    speed: number;
    kind: 'car' | 'bike';
    done: Generated<boolean>;
    picture: Buffer | null;
    tags: string[];
    extra: ColumnType<{ a: number }, string, string>;
    anything: unknown;
  };
  other: { key: number };
}
interface TargetDB {
  trips: {
    id: number;
    fare: string;
    started: string;
    speed_kmh: number;
    done: number;
    picture: Uint8Array | null;
    note: string | null;
    counted: Generated<number>;
    label: ColumnType<string, string | { de: string }, never>;
  };
}

const pool = new pg.Pool();
const source = new PostgresKeysetSource<SourceDB, 'trips'>({ pool, table: 'trips' });
const sink = new D1RestSink<TargetDB, 'trips'>({
  accountId: 'a',
  databaseId: 'd',
  apiToken: 't',
  table: 'trips',
});

/** Each can be assigned to the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
export const decoded: Same<
  DecodedRow<SourceDB['trips']>,
  {
    readonly id: bigint;
    readonly driver: bigint | null;
    readonly fare: string;
    readonly started: string;
    readonly ended: string | null;
    readonly speed: number;
    readonly kind: 'car' | 'bike';
    readonly done: boolean;
    readonly picture: Uint8Array | null;
    readonly tags: string;
    readonly extra: string;
    readonly anything: unknown;
  }
> = true;

const columns = { speed_kmh: 'float', note: { type: 'text', nullable: true }, kind: false } as const;

// The row and the result are inferred, without annotations.
const migrator = new ResumableMigrator({
  source,
  sink,
  transform: {
    version: '1',
    columns,
    key: ['id'],
    map: (row) => ({
      id: row.id + 1n,
      fare: row.fare,
      started: new Date(row.started),
      speed_kmh: row.speed * 3.6,
      done: row.done,
      picture: row.picture,
      note: row.driver === null ? null : row.kind.toUpperCase(),
      label: { de: row.tags },
    }),
  },
});
migrator.on('row:rejected', ({ key }) => key.join());
const whole = { fare: '1', started: 'x', speed_kmh: 1, done: true, picture: null, label: 'l' };
const of = { source, sink } as const;
// None, one or several; the rest of the source's row may come along.
new ResumableMigrator({
  ...of,
  transform: { version: '1', map: (row) => (row.done ? null : { ...row, ...whole, id: 1 }) },
});
new ResumableMigrator({ ...of, transform: { version: '1', map: (row) => [{ ...whole, id: row.id }] } });
new MigrationGroup().add({ ...of, transform: { version: '1', map: (row) => ({ ...whole, id: row.id }) } });

// @ts-expect-error -- a text is no number
new ResumableMigrator({ ...of, transform: { version: '1', map: (row) => ({ ...whole, id: row.fare }) } });
// @ts-expect-error -- id is missing
new ResumableMigrator({ ...of, transform: { version: '1', map: () => ({ ...whole }) } });
// @ts-expect-error -- fare cannot be null
new ResumableMigrator({ ...of, transform: { version: '1', map: () => ({ ...whole, id: 1, fare: null }) } });
// @ts-expect-error -- no such column in the sink
new ResumableMigrator({ ...of, transform: { version: '1', map: () => ({ ...whole, id: 1, nope: 1 }) } });
new ResumableMigrator({
  ...of,
  // @ts-expect-error -- no such column in one of two results
  transform: { version: '1', map: (row) => (row.done ? { ...whole, id: 1 } : { ...whole, id: 1, nope: 1 }) },
});
// @ts-expect-error -- no such column in the source
new ResumableMigrator({ ...of, transform: { version: '1', map: (row) => ({ ...whole, id: row.nope }) } });
// @ts-expect-error -- a bigint and a number
new ResumableMigrator({ ...of, transform: { version: '1', map: (row) => ({ ...whole, id: row.id + 1 }) } });
// @ts-expect-error -- cannot be async
new ResumableMigrator({ ...of, transform: { version: '1', map: async (row) => ({ ...whole, id: row.id }) } });
// @ts-expect-error -- nothing is neither a row nor null
new ResumableMigrator({ ...of, transform: { version: '1', map: () => undefined } });
// @ts-expect-error -- the version is missing
new ResumableMigrator({ ...of, transform: { map: (row) => ({ ...whole, id: row.id }) } });
// @ts-expect-error -- no such type
new ResumableMigrator({ ...of, transform: { version: '1', columns: { note: 'varchar' }, map: () => null } });
// @ts-expect-error -- a column of neither side
new ResumableMigrator({ ...of, transform: { version: '1', columns: { nope: 'text' }, map: () => null } });
// @ts-expect-error -- no such key column
new ResumableMigrator({ ...of, transform: { version: '1', key: ['nope'], map: () => null } });
// @ts-expect-error -- without a transform the sink lacks columns of the source
new ResumableMigrator({ ...of });
// @ts-expect-error -- no such policy
new ResumableMigrator({ ...of, onReject: 'skip', transform: { version: '1', map: () => null } });

// Untyped sides: names and values are checked at run time.
declare const anySource: Source;
declare const anySink: Sink;
new ResumableMigrator({
  source: anySource,
  sink: anySink,
  transform: { version: '1', map: (row) => ({ a: row['b'] }) },
});
new ResumableMigrator({ source, sink: anySink, transform: { version: '1', map: (row) => ({ a: row.id }) } });

// Schemas of several libraries; what they give out has to fit the sink.
declare const plain: {
  readonly source: Source<{ id: number; name: string }>;
  readonly sink: Sink<{ id: number; name: string }>;
};
new ResumableMigrator({
  ...plain,
  onReject: 'set-aside',
  validate: z.object({ id: z.int(), name: z.string().default('-') }),
});
new ResumableMigrator({
  ...plain,
  validate: v.objectAsync({
    id: v.number(),
    name: v.pipeAsync(
      v.string(),
      v.checkAsync(() => Promise.resolve(true)),
    ),
  }),
});
// @ts-expect-error -- gives out a number where the sink has a text
new ResumableMigrator({ ...plain, validate: z.object({ id: z.int(), name: z.coerce.number() }) });
// @ts-expect-error -- no schema
new ResumableMigrator({ ...plain, validate: (row: unknown) => row });
