import { expect } from 'vitest';
import type { LocalD1 } from '../../examples/local/d1.ts';
import { D1_TABLES } from '../../examples/local/sample-data.ts';
import type { World } from '../support/world.ts';

/** Makes the table in D1, with a trigger that notes every row that is written again. */
export async function prepareTarget(d1: LocalD1): Promise<void> {
  const database = await d1.database();
  await database.batch(
    [
      D1_TABLES.coordinate_speed_new,
      'CREATE TABLE written_twice (id INTEGER)',
      `CREATE TRIGGER note_second_write AFTER UPDATE ON coordinate_speed_new
       BEGIN INSERT INTO written_twice VALUES (new.id); END`,
    ].map((sql) => database.prepare(sql)),
  );
}

/** The first `rows` rows of the source are there as the source has them, no others, and none was written twice. */
export async function expectCopied(world: World, d1: LocalD1, rows: number): Promise<void> {
  const database = await d1.database();
  const columns = 'latitude, longitude, speed';
  const time = `to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS recorded_at`;
  let compared = 0;
  for (let from = 1; from <= rows; from += 20_000) {
    const range = `FROM coordinate_speed_new WHERE id >= ${from} AND id < ${from + 20_000} ORDER BY id`;
    const source = await world.pool.query<object>(`SELECT id::integer, ${columns}, ${time} ${range}`);
    const { results } = await database.prepare(`SELECT id, ${columns}, recorded_at ${range}`).all();
    const differs = source.rows.findIndex(
      (row, index) => JSON.stringify(row) !== JSON.stringify(results[index]),
    );
    expect(results[differs]).toEqual(source.rows[differs]);
    expect(results).toHaveLength(source.rows.length);
    compared += results.length;
  }
  expect(compared).toBe(rows);
  const count = async (table: string): Promise<unknown> =>
    await database.prepare(`SELECT count(*) AS n FROM ${table}`).first('n');
  expect(await count('coordinate_speed_new')).toBe(rows);
  expect(await count('written_twice')).toBe(0);
  // A second write, as an upsert makes it, would have been noticed.
  const again = `INSERT INTO coordinate_speed_new SELECT * FROM coordinate_speed_new WHERE id = 7
    ON CONFLICT (id) DO UPDATE SET speed = excluded.speed`;
  await database.prepare(again).run();
  expect(await count('written_twice')).toBe(1);
}
