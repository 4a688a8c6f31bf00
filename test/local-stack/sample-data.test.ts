import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { simulateDrive } from '../../examples/local/drive.ts';
import { startPostgres, type LocalPostgres } from '../../examples/local/postgres.ts';
import { D1_TABLES, fillCameras, fillDrive } from '../../examples/local/sample-data.ts';
import { startD1 } from '../../examples/local/d1.ts';
import { poolOf } from '../support/pool.ts';

const ROWS = 100_000;
let postgres: LocalPostgres;
let pool: Pool;

beforeAll(async () => {
  postgres = await startPostgres();
  pool = poolOf({ connectionString: postgres.connectionString });
  await fillDrive(pool, ROWS);
  await fillCameras(pool);
}, 60_000);

afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

async function first(sql: string): Promise<Record<string, unknown>> {
  return (await pool.query<Record<string, unknown>>(sql)).rows[0] ?? {};
}

test('the drive has the ids 1 to n without gaps, and the next row gets the one after', async () => {
  const ids =
    'count(*)::int AS count, min(id)::int AS min, max(id)::int AS max, count(DISTINCT id)::int AS distinct';
  expect(await first(`SELECT ${ids} FROM coordinate_speed_new`)).toEqual({
    count: ROWS,
    min: 1,
    max: ROWS,
    distinct: ROWS,
  });
  const added = await first(
    'INSERT INTO coordinate_speed_new (latitude, longitude, speed, recorded_at) VALUES (0, 0, 0, now()) RETURNING id::int',
  );
  expect(added).toEqual({ id: ROWS + 1 });
  await pool.query('DELETE FROM coordinate_speed_new WHERE id > $1', [ROWS]);
});

test('the drive is the same every time and everywhere', async () => {
  const hash = createHash('sha256');
  for (const { latitude, longitude, speed, recordedAt } of simulateDrive(ROWS)) {
    hash.update(`${latitude.toFixed(6)} ${longitude.toFixed(6)} ${speed.toFixed(1)} ${recordedAt}\n`);
  }
  expect(hash.digest('hex')).toBe('334ba10282ffe772ecbcd15e2558ec62c95e17a8a65428242c4cd1b2e551dec2');
});

test('the drive is one that a car could take', async () => {
  const steps = await first(`
    SELECT bool_and(recorded_at > before) AS forward,
           bool_and(abs(speed - speed_before) < 8.2) AS smooth,
           bool_and(abs(latitude - latitude_before) < 0.0004) AS continuous,
           min(speed)::float >= 0 AND max(speed)::float < 140 AS speeds,
           count(*) FILTER (WHERE recorded_at - before > interval '10 minutes')::int > 5 AS rests
      FROM (SELECT *, lag(recorded_at) OVER w AS before, lag(speed) OVER w AS speed_before,
                   lag(latitude) OVER w AS latitude_before
              FROM coordinate_speed_new WINDOW w AS (ORDER BY id)) AS step`);
  expect(steps).toEqual({ forward: true, smooth: true, continuous: true, speeds: true, rests: true });
});

test('the cameras are those of GeoNames, in order', async () => {
  const { count, max } = await first(
    'SELECT count(*)::int AS count, max(id)::int AS max FROM camera_locations',
  );
  expect(count).toBeGreaterThan(170_000);
  expect(max).toBe(count);
  expect(await first('SELECT * FROM camera_locations WHERE id = 1')).toEqual({
    id: '1',
    name: 'Vila',
    country: 'AD',
    admin1: '03',
    latitude: 42.53176,
    longitude: 1.56654,
  });
});

test('a table that exists is left alone', async () => {
  await expect(fillDrive(pool, 5)).rejects.toThrow('already exists');
  expect(await first('SELECT count(*)::int AS count FROM coordinate_speed_new')).toEqual({ count: ROWS });
});

test('both tables exist in D1 with the same columns', async () => {
  await using d1 = await startD1();
  const database = await d1.database();
  for (const [table, sql] of Object.entries(D1_TABLES)) {
    await database.prepare(sql).run();
    const { results } = await database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
    const columns = await pool.query<{ name: string }>(
      'SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position',
      [table],
    );
    expect(results).toEqual(columns.rows);
  }
});
