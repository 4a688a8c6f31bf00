import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TextRow } from 'resumable-migrator';
import { CrashPoints } from 'resumable-migrator/testing';
import { World } from './world.ts';

// Any rows, any sizes, any number of deaths, lost answers and pauses: in the end both sides are the same.

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`properties.test.ts: TEST_SEED=${seed}`);

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const key = fc.oneof(
  fc.integer({ min: -20, max: 60 }).map(String),
  int64.map(String),
  fc.string({ maxLength: 6 }),
);
const name: fc.Arbitrary<string | null> = fc.option(fc.string({ unit: 'grapheme', maxLength: 12 }), {
  nil: null,
});
const rows: fc.Arbitrary<TextRow[]> = fc.uniqueArray(fc.tuple(key, name), {
  minLength: 0,
  maxLength: 50,
  size: 'max',
  selector: ([id]) => id,
});

const kind = fc.constantFrom(
  { mode: 'upsert', atomic: true } as const,
  { mode: 'insert', atomic: true } as const,
  { mode: 'upsert', atomic: false } as const,
);
const size = fc.integer({ min: 1, max: 20 });
const tuning = fc.record({ batchSize: size, pageSize: size, concurrency: fc.integer({ min: 1, max: 4 }) });

/** One life of a process: its options, what happens to it, and rows that appear behind the end before it starts. */
const life = fc.record({
  tuning,
  faults: fc.array(
    fc.record({
      effect: fc.integer({ min: 1, max: 40 }),
      kind: fc.constantFrom('crash', 'lost'),
      when: fc.constantFrom('before', 'after'),
    }),
    { maxLength: 2 },
  ),
  batches: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined, freq: 1 }),
  expired: fc.boolean(),
});

test('any sequence of crashes, lost answers and pauses ends with the same rows on both sides', async () => {
  let crashes = 0;
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      rows,
      kind,
      size,
      fc.array(life, { maxLength: 6 }),
      async (given, options, checkpointSize, lives) => {
        const world = new World({ rows: given, ...options });
        for (const { tuning: own, faults, batches, expired } of lives) {
          const process = new CrashPoints();
          for (const { effect, kind: fault, when } of faults) {
            if (fault === 'crash') process.at(effect, when);
            else process.failAt(effect, when);
          }
          const migrator = world.migrator({ ...own, checkpointSize, leaseMs: 100 }, process);
          // Whoever waits for the lease of a dead process waits a moment only.
          migrator.on('wait', () => world.passTime(expired ? 1_000 : 100));
          await migrator.run({ budget: { batches } }).catch(() => undefined);
          runs += 1;
          if (process.crashed) crashes += 1;
          if (expired) world.passTime();
        }
        world.passTime();
        const last = await world.migrator({ checkpointSize }).run();
        expect(last.status).toBe('completed');
        expect(world.differences()).toEqual({});
        expect(world.recorded()).toBe(given.length);
        expect((await world.migrator({ checkpointSize }).verify()).equal).toBe(true);
      },
    ),
    { seed, numRuns: 250 },
  );
  console.log(`${runs} runs, ${crashes} crashes`);
});

test('any number of processes at once, some of which die, write each row once', async () => {
  await fc.assert(
    fc.asyncProperty(
      rows,
      fc.array(fc.record({ tuning, crash: fc.option(fc.integer({ min: 5, max: 60 })) }), {
        minLength: 2,
        maxLength: 4,
      }),
      async (given, processes) => {
        const world = new World({ rows: given, mode: 'insert' });
        await Promise.all(
          processes.map(async ({ tuning: own, crash }) => {
            const faults = crash === null ? new CrashPoints() : new CrashPoints().at(crash, 'after');
            const migrator = world.migrator({ ...own, leaseMs: 100 }, faults);
            // Time flies: leases end under processes that live, too.
            migrator.on('wait', () => world.passTime());
            migrator.on('batch:committed', () => world.passTime(40));
            await migrator.run().catch(() => undefined);
          }),
        );
        world.passTime();
        await world.migrator().run();
        expect(world.differences()).toEqual({});
        expect(world.recorded()).toBe(given.length);
      },
    ),
    { seed, numRuns: 80 },
  );
});
