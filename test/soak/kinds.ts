import type { RowTransform } from 'resumable-migrator';

/** What a migration of the soak copies into: found by its key, only added, or changed on its way. */
export type Kind = 'upsert' | 'append' | 'transform';

/** How a process begins what it says of a run that failed in an orderly way. */
export const failed = 'The run failed:';

/** What a process of the soak is told. */
export interface ProcessOptions {
  readonly table: string;
  readonly kind: Kind;
  readonly concurrency: number;
  readonly batchSize: number;
  readonly pageSize: number;
}

/** Skips every 7th row, makes two of every 5th, and cannot make anything of every 11th. */
export function soakTransform(): RowTransform {
  return {
    version: '1',
    columns: { part: 'integer' },
    key: ['id', 'part'],
    map: (row) => {
      const id = Number(row['id']);
      if (id % 7 === 0) return null;
      if (id % 11 === 0) throw new Error('nothing can be made of it');
      const parts = id % 5 === 0 ? [0, 1] : [0];
      return parts.map((part) => ({ id: row['id'], v: row['v'], part }));
    },
  };
}

/** The statement for D1 that makes the table where the sink is not to make it. */
export function d1TableOf(table: string, kind: Kind): string | null {
  return kind === 'append' ? `CREATE TABLE ${table} (id INTEGER, v TEXT)` : null;
}

/** What D1 must hold in the end, as PostgreSQL itself says: rows in the order of their columns, and rejected keys. */
export function expectedOf(table: string, kind: Kind): { readonly rows: string; readonly rejected: string } {
  if (kind !== 'transform') {
    return { rows: `SELECT id::text, v FROM ${table} ORDER BY id`, rejected: `SELECT NULL WHERE false` };
  }
  return {
    rows: `SELECT id::text, v, part::text FROM ${table}, generate_series(0, CASE WHEN id % 5 = 0 THEN 1 ELSE 0 END) AS part
      WHERE id % 7 <> 0 AND id % 11 <> 0 ORDER BY id, part`,
    rejected: `SELECT '["' || id || '"]' FROM ${table} WHERE id % 7 <> 0 AND id % 11 = 0 ORDER BY id`,
  };
}
