import type { ResultRow, RowSchema, RowTransform, TextRow } from 'resumable-migrator';
import type { MigratorOptions, World, WorldOptions } from './world.ts';

type AnyRow = Record<string, unknown>;

/**
 * A transform with everything that can happen to a row. By its id modulo 7: it is skipped, becomes two rows, makes
 * `map` throw, becomes too large, does not pass the validation, and twice just goes through.
 */
export const splitting: RowTransform<AnyRow, AnyRow, ResultRow<AnyRow>> = {
  version: 'splitting',
  columns: { part: 'integer' },
  key: ['id', 'part'],
  map: ({ id, name }) => {
    switch (kindOf(id as bigint)) {
      case 0:
        return null;
      case 1:
        return [
          { id, name: `${String(name)}!`, part: 1n },
          { id, name: `${String(name)}?`, part: 2n },
        ];
      case 2:
        throw new TypeError(`no way with ${String(name)}`);
      case 3:
        return { id, name: 'x'.repeat(largest + 1), part: 1 };
      case 4:
        return { id, name, part: '1' };
      default:
        return { id, name, part: 1 };
    }
  },
};

/** Answers at once or later, by the row. */
export const validate: RowSchema<AnyRow> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const row = value as AnyRow;
      const result =
        kindOf(row['id'] as bigint) === 4
          ? { issues: [{ message: `no: ${String(row['name'])}`, path: ['name', { key: 0 }] }] }
          : { value: row };
      return (row['id'] as bigint) % 2n === 0n ? Promise.resolve(result) : result;
    },
  },
};

const largest = 100;

/** The sink for these rows, and the migrator's options. */
export const splittingWorld: Omit<WorldOptions, 'rows' | 'mode'> = {
  columns: ['id', 'name', 'part'],
  key: ['id', 'part'],
  maxRowBytes: largest,
};
export const splittingOptions: MigratorOptions = { transform: splitting, validate, onReject: 'set-aside' };

function kindOf(id: bigint): number {
  return Number(((id % 7n) + 7n) % 7n);
}

/** What the sink must hold of the rows, said in another way. */
export function expectedOf(rows: readonly TextRow[]): TextRow[] {
  const of = (...kinds: number[]): readonly TextRow[] =>
    rows.filter(([id]) => kinds.includes(kindOf(BigInt(id ?? ''))));
  return [
    ...of(1).flatMap(([id, name]) => [
      [id ?? '', `${name}!`, '1'],
      [id ?? '', `${name}?`, '2'],
    ]),
    ...of(5, 6).map(([id, name]) => [id ?? '', name ?? null, '1']),
  ];
}

/** What must have been set aside, in the order of the keys. */
export function expectedRejects(rows: readonly TextRow[]): unknown[] {
  const codes: Readonly<Record<number, string>> = {
    2: 'TRANSFORM_FAILED',
    3: 'ROW_TOO_LARGE',
    4: 'ROW_INVALID',
  };
  return rows.flatMap(([id, name]) => {
    const code = codes[kindOf(BigInt(id ?? ''))];
    return code ? [{ key: [id], code, row: { id, name } }] : [];
  });
}

/** What was set aside, in the order of the keys. */
export function rejectsOf({ database }: World): unknown[] {
  return database.rejects
    .map(({ key, code, row }) => ({ key, code, row }))
    .toSorted((a, b) => Number(a.key[0]) - Number(b.key[0]));
}

/** Sums of the checkpoints. */
export function countsOf({ database }: World): { processed: number; written: number; rejected: number } {
  const sum = (field: 'recordsProcessed' | 'recordsWritten' | 'recordsRejected'): number =>
    database.checkpoints.reduce((total, checkpoint) => total + checkpoint[field], 0);
  return {
    processed: sum('recordsProcessed'),
    written: sum('recordsWritten'),
    rejected: sum('recordsRejected'),
  };
}
