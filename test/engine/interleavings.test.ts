import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { MemorySink } from 'resumable-migrator/memory';
import { CrashPoints, type EffectName } from 'resumable-migrator/testing';
import { UnfencedSink } from './unfenced.ts';
import { World, type WorldOptions } from './world.ts';

// Several processes on one store, in any order of their steps: a request arrives when the scheduler lets it, and so
// does its answer; between any two of them time may pass and leases end.

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
console.log(`interleavings.test.ts: TEST_SEED=${seed}`);

const leaseMs = 1_000;
/** Steps after which a schedule counts as one that never ends; the longest seen take a tenth. */
const mostSteps = 10_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A process whose every request and every answer waits for its turn. */
class ScheduledProcess extends CrashPoints {
  readonly #scheduler: fc.Scheduler;
  readonly #name: string;

  constructor(scheduler: fc.Scheduler, name: string) {
    super();
    this.#scheduler = scheduler;
    this.#name = name;
  }

  override async effect<T>(name: EffectName, call: () => Promise<T>): Promise<T> {
    await this.#scheduler.schedule(Promise.resolve(), `${this.#name} asks ${name}`);
    const answer = await super.effect(name, call).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await this.#scheduler.schedule(Promise.resolve(), `${this.#name} hears of ${name}`);
    if ('error' in answer) throw answer.error;
    return answer.value;
  }
}

interface Plan {
  readonly kind: Omit<WorldOptions, 'rows'>;
  readonly rows: number;
  readonly processes: readonly {
    readonly concurrency: number;
    readonly batchSize: number;
    readonly crash: number | null;
    /** An effect whose answer does not arrive. */
    readonly unheard: number | null;
  }[];
  /** Before this step so much of a lease passes. */
  readonly times: readonly { readonly step: number; readonly leases: number }[];
}

const plans: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom(
    { mode: 'insert', atomic: true } as const,
    { mode: 'upsert', atomic: true } as const,
    { mode: 'upsert', atomic: false } as const,
  ),
  rows: fc.integer({ min: 0, max: 14 }),
  processes: fc.array(
    fc.record({
      concurrency: fc.integer({ min: 1, max: 2 }),
      batchSize: fc.integer({ min: 1, max: 4 }),
      crash: fc.option(fc.integer({ min: 4, max: 30 }), { freq: 3 }),
      unheard: fc.option(fc.integer({ min: 4, max: 30 }), { freq: 3 }),
    }),
    { minLength: 2, maxLength: 3 },
  ),
  times: fc.array(fc.record({ step: fc.integer({ min: 40, max: 200 }), leases: fc.constantFrom(0.4, 1.1) }), {
    minLength: 2,
    maxLength: 8,
  }),
});

/** Lets everything that can happen without the scheduler or the clock happen. */
async function settle(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Runs a plan in the order that the scheduler chooses. The steps that it took. */
async function play(
  scheduler: fc.Scheduler,
  plan: Plan,
  sinkOf: (world: World) => MemorySink = (world) => world.sink(),
): Promise<{ world: World; steps: number; lost: number }> {
  const world = new World({ rows: plan.rows, ...plan.kind });
  let lost = 0;
  const running = new Set<string>();
  for (const [index, { concurrency, batchSize, crash, unheard }] of plan.processes.entries()) {
    const name = `process ${index + 1}`;
    const process = new ScheduledProcess(scheduler, name);
    running.add(name);
    if (crash !== null) process.at(crash, 'after');
    if (unheard !== null) process.failAt(unheard, 'after');
    const migrator = world.migrator(
      { checkpointSize: 5, leaseMs, concurrency, batchSize },
      process,
      sinkOf(world),
    );
    migrator.on('checkpoint:lost', () => (lost += 1));
    void migrator
      .run()
      .catch(() => undefined)
      .finally(() => running.delete(name));
  }
  let steps = 0;
  for (; running.size > 0 && steps < mostSteps; steps += 1) {
    for (const { step, leases } of plan.times) if (step === steps) world.passTime(leases * leaseMs);
    await settle();
    if (scheduler.count() > 0) await scheduler.waitOne();
    else {
      // Everybody waits for a timer: for a lease to end, or between two tries.
      world.passTime(60);
      await vi.advanceTimersByTimeAsync(60);
    }
  }
  expect([...running], 'processes that never end').toEqual([]);
  return { world, steps, lost };
}

test('however the steps of two or three processes follow each other, each row is in once, and all of them end', async () => {
  let schedules = 0;
  let longest = 0;
  let takenOver = 0;
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plans, async (scheduler, plan) => {
      const { world, steps, lost } = await play(scheduler, plan);
      takenOver += lost;
      schedules += 1;
      longest = Math.max(longest, steps);
      // What no living process finished, the next run does.
      vi.useRealTimers();
      world.passTime();
      expect(await world.migrator({ checkpointSize: 5 }).run()).toMatchObject({ status: 'completed' });
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
      expect(world.differences()).toEqual({});
      expect(world.recorded()).toBe(plan.rows);
    }),
    { seed, numRuns: 10_000, interruptAfterTimeLimit: 300_000, markInterruptAsFailure: true },
  );
  console.log(
    `${schedules} schedules, the longest of ${longest} steps; ${takenOver} checkpoints were lost to another process`,
  );
  expect(takenOver).toBeGreaterThan(100);
}, 600_000);

test('negative control: without the fence some order of steps doubles rows, and is found', async () => {
  const found = await fc.check(
    fc.asyncProperty(fc.scheduler(), plans, async (scheduler, plan) => {
      const appending: Plan = { ...plan, kind: { mode: 'insert', atomic: true } };
      const { world } = await play(scheduler, appending, ({ database }) => new UnfencedSink(database));
      return Object.values(world.differences()).every((surplus) => surplus < 1);
    }),
    { seed, numRuns: 2_000, endOnFailure: true },
  );
  expect(found.failed).toBe(true);
});
