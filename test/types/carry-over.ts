// Compiled by `tsc`, never run: the options that decide what a D1 table gets of the source's schema.
import {
  type CarryOver,
  D1BindingSink,
  type D1DatabaseLike,
  D1RestSink,
  type TableOptions,
} from 'resumable-migrator/d1';

interface TargetDB {
  trips: { id: number; name: string };
}
declare const database: D1DatabaseLike;
const rest = { accountId: 'a', databaseId: 'd', apiToken: 't' };

new D1RestSink<TargetDB, 'trips'>({ ...rest, table: 'trips', createTable: 'replace', carryOver: 'all' });
new D1BindingSink<TargetDB, 'trips'>({
  database,
  table: 'trips',
  createTable: 'if-missing',
  tableOptions: { strict: true, withoutRowid: true },
  carryOver: {
    indexes: 'after',
    uniques: 'before',
    checks: true,
    defaults: true,
    foreignKeys: { customers: 'crm' },
  },
});
export const parts: CarryOver = { foreignKeys: true };
export const options: TableOptions = {};

// @ts-expect-error -- no such way to make a table
new D1RestSink({ ...rest, table: 'trips', createTable: 'always' });
// @ts-expect-error -- 'all', or an object that names the parts
new D1RestSink({ ...rest, table: 'trips', carryOver: 'indexes' });
// @ts-expect-error -- an index is made before the copy or after it
new D1RestSink({ ...rest, table: 'trips', carryOver: { indexes: true } });
// @ts-expect-error -- no such part
new D1RestSink({ ...rest, table: 'trips', carryOver: { triggers: true } });
// @ts-expect-error -- no such option of a table
new D1BindingSink({ database, table: 'trips', tableOptions: { autoincrement: true } });
// @ts-expect-error -- names are texts
new D1BindingSink({ database, table: 'trips', carryOver: { foreignKeys: { customers: 1 } } });
