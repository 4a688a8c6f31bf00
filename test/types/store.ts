// Compiled by `tsc`, never run: stored forms are tied to the table's columns.
import type { D1Database } from '@cloudflare/workers-types';
import { D1BindingSink, D1RestSink, type StoredForm } from 'resumable-migrator/d1';

interface TargetDB {
  orders: { id: number; price: string; at: number; ratio: number | null };
  other: { elsewhere: string };
}

const rest = { accountId: 'a', databaseId: 'd', apiToken: 't' };
declare const database: D1Database;

new D1RestSink<TargetDB, 'orders'>({
  ...rest,
  table: 'orders',
  store: {
    price: { scaled: 2 },
    at: { epoch: 'ms', rounding: 'floor' },
    ratio: { nan: 'null', infinity: 'text', negativeZero: 'zero' },
    id: 'text',
  },
});
new D1BindingSink<TargetDB, 'orders'>({ database, table: 'orders', store: { at: 'epoch-us' } });
// Without types of the target every name is allowed, and checked at run time.
new D1RestSink({ ...rest, table: 'orders', store: { anything: 'real' } });
// A table of options that is made elsewhere fits as well.
declare const store: Record<string, StoredForm>;
new D1RestSink({ ...rest, table: 'orders', store });

// @ts-expect-error -- no such column
new D1RestSink<TargetDB, 'orders'>({ ...rest, table: 'orders', store: { prise: 'real' } });
// @ts-expect-error -- a column of another table
new D1BindingSink<TargetDB, 'orders'>({ database, table: 'orders', store: { elsewhere: 'text' } });
// @ts-expect-error -- no such form
new D1RestSink<TargetDB, 'orders'>({ ...rest, table: 'orders', store: { price: 'float' } });
// @ts-expect-error -- no such unit
new D1RestSink<TargetDB, 'orders'>({ ...rest, table: 'orders', store: { at: 'epoch-ns' } });
// @ts-expect-error -- infinity cannot become zero
new D1RestSink<TargetDB, 'orders'>({ ...rest, table: 'orders', store: { ratio: { infinity: 'zero' } } });
