import pLimit from 'p-limit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { Wires } from '../support/wire.ts';
import { World } from '../support/world.ts';

// A real PostgreSQL and a real D1: a process dies after each of its queries and requests, and another one goes on.

const rows = 32;
const tuning = { checkpointSize: 10, batchSize: 4, pageSize: 7, concurrency: 1, leaseMs: 100 };

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    'CREATE TABLE crashing (id int PRIMARY KEY, v text, f float8)',
    `INSERT INTO crashing SELECT i - 5, 'v "' || i || '"', i / 7.0 FROM generate_series(1, ${rows}) AS i`,
    // A key that is no integer: its ranges are walked.
    'CREATE TABLE crashing_texts (k text COLLATE "C" PRIMARY KEY, v int)',
    `INSERT INTO crashing_texts SELECT 'key ' || i, i FROM generate_series(1, ${rows}) AS i`,
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

function migratorOver(wires: Wires, table: string, target: string): ResumableMigrator<object, object> {
  return new ResumableMigrator<object, object>({
    name: target,
    source: new PostgresKeysetSource({ pool: wires.pool(world.pool), table }),
    sink: world.rest(target, { fetch: wires.fetch }),
    retry: { retries: 1, baseMs: 1, maxMs: 1 },
    ...tuning,
  });
}

test.each([
  { name: 'upsert', table: 'crashing', order: 'id', ddl: null },
  { name: 'append', table: 'crashing', order: 'id', ddl: '(id INTEGER, v TEXT, f REAL)' },
  { name: 'texts', table: 'crashing_texts', order: 'v', ddl: null },
])(
  'a process that dies after any of its queries and requests loses no row and doubles none: $name',
  async ({ name, table, order, ddl }) => {
    const make = async (target: string): Promise<void> => {
      if (ddl !== null) await world.d1(`CREATE TABLE ${target} ${ddl}`);
    };
    const count = async (target: string): Promise<number> => {
      const counting = new Wires();
      await make(target);
      await migratorOver(counting, table, target).run();
      return counting.count;
    };
    // On a busy machine a run renews a lease as well, which the others may not do.
    const points = Math.min(await count(`${name}_counted`), await count(`${name}_again`));
    const expected = await world.sinkRows(`${name}_counted`, order);
    expect(expected).toHaveLength(rows);
    const limit = pLimit(4);
    const dieAfter = async (nth: number): Promise<void> => {
      const target = `${name}_${nth}`;
      await make(target);
      const dying = new Wires(nth);
      // Whatever the drivers made of it: nothing that the dead do leaves the process any more.
      await expect(migratorOver(dying, table, target).run(), target).rejects.toBeInstanceOf(Error);
      expect(dying.dead, target).toBe(true);
      expect(await migratorOver(new Wires(), table, target).run(), target).toMatchObject({
        status: 'completed',
      });
      expect(await world.sinkRows(target, order), target).toEqual(expected);
      expect(world.stack.api.statistics().rowsChanged[target], target).toBe(rows);
      const [recorded] = await world.d1(
        `SELECT sum(records_processed) AS n FROM migration_checkpoints WHERE table_name = '${target}'`,
      );
      expect(recorded, target).toEqual({ n: rows });
    };
    await Promise.all(Array.from({ length: points }, (_, nth) => limit(() => dieAfter(nth))));
    console.log(`${name}: ${points} crash points`);
  },
  240_000,
);
