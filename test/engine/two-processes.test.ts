import { expect, test } from 'vitest';
import { MemorySink } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { UnfencedSink } from './unfenced.ts';
import { World } from './world.ts';

test('two processes on one store share the work, and each row is added once', async () => {
  const world = new World({ rows: 300, mode: 'insert' });
  const seqs: [number[], number[]] = [[], []];
  const results = await Promise.all(
    seqs.map((completed) => {
      const migrator = world.migrator({ concurrency: 2, leaseMs: 100 });
      migrator.on('checkpoint:completed', ({ seq }) => completed.push(seq));
      return migrator.run();
    }),
  );
  expect(world.differences()).toEqual({});
  expect(results.map(({ status }) => status)).toEqual(['completed', 'completed']);
  expect((results[0]?.rows ?? 0) + (results[1]?.rows ?? 0)).toBe(300);
  expect(seqs.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  expect(Math.min(seqs[0].length, seqs[1].length)).toBeGreaterThan(0);
});

test('a process that finds only checkpoints of others waits for them', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'sink.commit', nth: 2 }, 'before');
  const slow = world.migrator({ leaseMs: 100 }, faults).run();
  await freeze.reached;
  const other = world.migrator({ leaseMs: 100 });
  other.once('wait', () => freeze.thaw());
  expect(await other.run()).toMatchObject({ status: 'completed', rows: 0 });
  expect(await slow).toMatchObject({ status: 'completed', rows: 10 });
  expect(world.differences()).toEqual({});
});

test.each([1, 2, 3])(
  'a process that is frozen past its lease before write %i writes nothing when it thaws',
  async (nth) => {
    const world = new World({ rows: 25, mode: 'insert' });
    const faults = new CrashPoints();
    const freeze = faults.freezeAt({ effect: 'sink.commit', nth }, 'before');
    const frozen = world.migrator({}, faults);
    const lost: number[] = [];
    frozen.on('checkpoint:lost', ({ seq }) => lost.push(seq));
    const run = frozen.run();
    await freeze.reached;
    world.passTime();
    const heir = await world.migrator().run();
    expect(heir.status).toBe('completed');
    const image = world.image();
    freeze.thaw();
    const result = await run;
    expect(world.image()).toEqual(image);
    expect(world.differences()).toEqual({});
    expect(lost).toEqual([1]);
    expect(result.rows + heir.rows).toBe(25);
  },
);

test('a process that thaws while its heir works writes nothing either', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const [faults, heirFaults] = [new CrashPoints(), new CrashPoints()];
  const freeze = faults.freezeAt({ effect: 'sink.commit', nth: 1 }, 'before');
  const heirFreeze = heirFaults.freezeAt({ effect: 'sink.commit', nth: 2 }, 'before');
  const frozen = world.migrator({ leaseMs: 100 }, faults).run();
  await freeze.reached;
  world.passTime();
  const heir = world.migrator({ leaseMs: 100 }, heirFaults).run();
  await heirFreeze.reached;
  freeze.thaw();
  // The frozen one learns that the checkpoint is lost, and waits for the heir like anybody else.
  heirFreeze.thaw();
  expect((await heir).rows + (await frozen).rows).toBe(10);
  expect(world.differences()).toEqual({});
});

test('negative control: without the fence the thawed process doubles rows, and these tests see it', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'sink.commit', nth: 2 }, 'before');
  const run = world.migrator({}, faults, new UnfencedSink(world.database)).run();
  await freeze.reached;
  world.passTime();
  await world.migrator({}, undefined, new UnfencedSink(world.database)).run();
  expect(world.differences()).toEqual({});
  freeze.thaw();
  await run;
  expect(Object.values(world.differences())).toEqual([1, 1, 1, 1, 1, 1]);
});

test('negative control: the comparison names a row that is missing, changed or there twice', async () => {
  const world = new World({ rows: 10, mode: 'insert' });
  await world.migrator().run();
  const [first, second, third] = [...world.table.rows.entries()];
  if (!first || !second || !third) throw new Error('the copy has ten rows');
  world.table.rows.delete(first[0]);
  world.table.rows.set(second[0], ['-4', 'changed']);
  world.table.rows.set('a further one', third[1]);
  expect(world.differences()).toEqual({
    '["-5","name 0"]': -1,
    '["-4","name 1"]': -1,
    '["-4","changed"]': 1,
    '["-3","name 2"]': 1,
  });
});

test('a process that starts while another plans and copies takes its plan for what it is', async () => {
  const world = new World({ rows: 60, mode: 'insert' });
  const faults = new CrashPoints();
  // It has read that there is no plan; by the time it looks at the table, there are rows in it.
  const freeze = faults.freezeAt({ effect: 'store.readPlan', nth: 1 }, 'after');
  const late = world.migrator({}, faults).run();
  await freeze.reached;
  await world.migrator().run({ budget: { batches: 5 } });
  freeze.thaw();
  expect(await late).toMatchObject({ status: 'completed' });
  expect(world.differences()).toEqual({});
});

test.each(['before', 'after'] as const)(
  'checkpoints that someone sets to pending %s a write of a live process lose no row and double none',
  async (moment) => {
    for (let nth = 1; nth <= 8; nth += 1) {
      const world = new World({ rows: 25, mode: 'insert' });
      const faults = new CrashPoints();
      const freeze = faults.freezeAt({ effect: 'sink.commit', nth }, moment);
      const migrator = world.migrator({ concurrency: 2 }, faults);
      const run = migrator.run();
      await freeze.reached;
      // UPDATE migration_checkpoints SET status = 'pending' WHERE status = 'in_progress'
      for (const checkpoint of world.database.checkpoints) {
        if (checkpoint.status === 'in_progress') checkpoint.status = 'pending';
      }
      freeze.thaw();
      await run;
      await world.migrator().run();
      expect(world.differences(), `reset ${moment} write ${nth}`).toEqual({});
      expect(world.recorded()).toBe(25);
    }
  },
);

/** A sink whose writes take longer than a lease. */
class SlowSink extends MemorySink {
  override async prepare(...args: Parameters<MemorySink['prepare']>): ReturnType<MemorySink['prepare']> {
    const target = await super.prepare(...args);
    const commit = target.commit.bind(target);
    target.commit = async (...batch) => {
      await new Promise((resolve) => {
        setTimeout(resolve, 700);
      });
      return await commit(...batch);
    };
    return target;
  }
}

test('a batch that takes longer than the lease keeps it, as long as its process lives', async () => {
  const world = new World({ rows: 4, mode: 'insert' });
  world.database.now = () => performance.now();
  const slow = world.migrator(
    { leaseMs: 300 },
    undefined,
    new SlowSink({ database: world.database, table: 't' }),
  );
  const lost: number[] = [];
  slow.on('checkpoint:lost', ({ seq }) => lost.push(seq));
  const run = slow.run();
  const other = world.migrator({ leaseMs: 300 });
  const claimed: number[] = [];
  other.on('checkpoint:claimed', ({ seq }) => claimed.push(seq));
  // It begins once the first has claimed the only checkpoint, and waits for it to the end.
  while (world.database.checkpoints[0]?.status !== 'in_progress') await new Promise(setImmediate);
  expect(await other.run()).toMatchObject({ status: 'completed', rows: 0 });
  expect(await run).toMatchObject({ status: 'completed', rows: 4 });
  expect({ lost, claimed }).toEqual({ lost: [], claimed: [] });
  expect(world.differences()).toEqual({});
});
