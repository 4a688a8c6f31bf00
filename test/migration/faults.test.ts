import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fault, FAULTS } from '../../examples/local/faults.ts';
import { World } from '../support/world.ts';

const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`faults.test.ts: TEST_SEED=${seed}`);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Mulberry32: the same faults again for the same seed, as far as requests come in the same order. */
function random(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Faults that pass, before and after the commit. */
const passing: readonly Fault[] = [
  FAULTS.resetBefore,
  FAULTS.resetAfterCommit,
  FAULTS.badGateway,
  { ...FAULTS.badGateway, commit: true },
  FAULTS.internalError,
  { ...FAULTS.internalError, commit: true },
  { kind: 'truncated', commit: true },
];

test.each([
  { table: 'keyed', ddl: 'id INTEGER PRIMARY KEY, v TEXT' },
  { table: 'keyless', ddl: 'id INTEGER, v TEXT' },
])(
  'with a tenth of all requests failing, before or after the commit, each row arrives exactly once: $table',
  async ({ table, ddl }) => {
    await world.postgres(
      `CREATE TABLE ${table} (id int PRIMARY KEY, v text)`,
      `INSERT INTO ${table} SELECT i, 'v' || i FROM generate_series(1, 20000) AS i`,
    );
    await world.d1(`CREATE TABLE ${table} (${ddl})`);
    const next = random(seed);
    let faults = 0;
    world.stack.api.setFaults(() => {
      if (next() >= 0.1) return undefined;
      faults += 1;
      return passing[Math.floor(next() * passing.length)];
    });
    const retry = { retries: 5, baseMs: 1, maxMs: 5 };
    let status = '';
    for (let runs = 0; status !== 'completed' && runs < 20; runs += 1) {
      const migrator = world.migrator(table, {
        checkpointSize: 1_000,
        batchSize: 100,
        leaseMs: 1_000,
        retry,
      });
      ({ status } = await migrator.run().catch(() => ({ status: 'failed' })));
    }
    world.stack.api.setFaults(undefined);
    expect(status).toBe('completed');
    expect(faults).toBeGreaterThan(10);
    expect(await world.sinkRows(table, 'id')).toEqual(await world.sourceRows(table, 'id'));
    // D1's own count of rows that INSERT changed: a row that was written twice is seen here even where it was upserted.
    expect(world.stack.api.statistics().rowsChanged[table]).toBe(20_000);
    expect(
      await world.d1(
        `SELECT sum(records_processed) AS n FROM migration_checkpoints WHERE table_name = '${table}'`,
      ),
    ).toEqual([{ n: 20_000 }]);
  },
);
