import { expect } from 'vitest';
import type { World } from '../support/world.ts';

/** Keys and values are marked, so that any that leaks is found. In D1 without a key: a row written twice is there twice. */
export async function createMarked(world: World, table: string, rows: number): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (id text PRIMARY KEY, v text, amount double precision)`,
    `INSERT INTO ${table} SELECT 'marked-key-' || to_char(i, 'FM000000'), 'marked-value-' || i, i / 8.0 FROM generate_series(1, ${rows}) AS i`,
    `ANALYZE ${table}`,
  );
  await world.d1(`CREATE TABLE ${table} (id TEXT, v TEXT, amount REAL)`);
}

/** Both sides have the same rows, each once. */
export async function expectMarkedEqual(world: World, table: string): Promise<void> {
  const comparable = (rows: (string | null)[][]): unknown =>
    rows.map(([id, v, amount]) => [id, v, Number(amount)]);
  expect(comparable(await world.sinkRows(table, 'id'))).toEqual(
    comparable(await world.sourceRows(table, 'id')),
  );
}
