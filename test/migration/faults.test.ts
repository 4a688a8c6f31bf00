import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { type Fault, FAULTS } from '../../examples/local/faults.ts';
import { Random } from '../support/random.ts';
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

const rows = 200_000;

/** Every way in which a request can fail and pass, before and after the commit; those that take long are rarer. */
function anyFault(next: () => number): Fault {
  const kind = passing[Math.floor(next() * passing.length)] ?? FAULTS.resetBefore;
  if (next() < 0.03)
    return next() < 0.5 ? { kind: 'stall', commit: next() < 0.5 } : { kind: 'delay', milliseconds: 2_500 };
  return next() < 0.5 ? kind : { ...kind, commit: true };
}

const passing: readonly Fault[] = [
  FAULTS.resetBefore,
  FAULTS.badGateway,
  FAULTS.serviceUnavailable,
  FAULTS.gatewayTimeout,
  FAULTS.upstream,
  FAULTS.internalError,
  FAULTS.truncated,
  FAULTS.overloaded,
  FAULTS.cpuLimit,
  { kind: 'delay', milliseconds: 50 },
];

/** Refusals of the quota are never of a request that was carried out. */
const refusals: readonly Fault[] = [
  { kind: 'status', status: 429, code: 971, message: 'Please wait' },
  { kind: 'status', status: 429, code: 971, message: 'Please wait', headers: { 'retry-after': '0' } },
];

test.each([
  { table: 'keyed', ddl: 'id INTEGER PRIMARY KEY, v TEXT' },
  { table: 'keyless', ddl: 'id INTEGER, v TEXT' },
])(
  'with a tenth of all requests failing, in every way, each of 200,000 rows arrives exactly once: $table',
  async ({ table, ddl }) => {
    await world.postgres(
      `CREATE TABLE ${table} (id int PRIMARY KEY, v text)`,
      `INSERT INTO ${table} SELECT i, 'v' || i FROM generate_series(1, ${rows}) AS i`,
    );
    await world.d1(`CREATE TABLE ${table} (${ddl})`);
    const random = new Random(seed);
    const next = (): number => random.fraction();
    const faults = new Map<string, number>();
    world.stack.api.setFaults(() => {
      if (next() >= 0.1) return undefined;
      const fault = next() < 0.1 ? refusals[Math.floor(next() * 2)] : anyFault(next);
      const what = JSON.stringify(fault, ['kind', 'status', 'code', 'commit']);
      faults.set(what, (faults.get(what) ?? 0) + 1);
      return fault;
    });
    // A zombie's write comes when its client has given up; a window of the quota is soon over.
    const sink = world.rest(table, { timeoutMs: 2_000, quota: { requests: 100_000, windowMs: 500 } });
    const options = { checkpointSize: 10_000, batchSize: 250, leaseMs: 1_000 };
    const retry = { retries: 5, baseMs: 1, maxMs: 5 };
    let status = '';
    for (let runs = 0; status !== 'completed' && runs < 20; runs += 1) {
      const migrator = new ResumableMigrator({ source: world.source(table), sink, ...options, retry });
      ({ status } = await migrator.run().catch(() => ({ status: 'failed' })));
    }
    world.stack.api.setFaults(undefined);
    expect(status).toBe('completed');
    console.log(
      `${table}: ${[...faults.values()].reduce((sum, n) => sum + n, 0)} faults of ${faults.size} kinds`,
    );
    expect(faults.size).toBeGreaterThan(10);
    expect(await world.sinkRows(table, 'id')).toEqual(await world.sourceRows(table, 'id'));
    // D1's own count of rows that INSERT changed: a row that was written twice is seen here even where it was upserted.
    expect(world.stack.api.statistics().rowsChanged[table]).toBe(rows);
    expect(
      await world.d1(
        `SELECT sum(records_processed) AS n FROM migration_checkpoints WHERE table_name = '${table}'`,
      ),
    ).toEqual([{ n: rows }]);
  },
  120_000,
);
