import { expect, test, vi } from 'vitest';
import {
  isMigratorError,
  MigratorError,
  type MigratorErrorCode,
  type PlanPreview,
  ResumableMigrator,
  type Source,
  type SourceDescription,
} from 'resumable-migrator';
import { MemoryCheckpointStore, MemoryDatabase, type MemorySource } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { rejection, someRows, World } from './world.ts';

async function refusal(call: Promise<unknown>, code: MigratorErrorCode): Promise<string> {
  const error = await rejection(call);
  if (!isMigratorError(error)) throw error;
  expect(error.code).toBe(code);
  expect(error.help).not.toBe('');
  return error.message;
}

/** A source that tells its name before it is described, and is described so. */
function told(source: MemorySource, name: string | undefined, describe: Source['describe']): Source {
  return Object.assign(source, { name, describe });
}

test('rows that came behind the end of the plan get new checkpoints in the next run', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  await world.migrator().run();
  world.rows.push(...someRows(43).slice(25));
  const migrator = world.migrator();
  const plans: [number, number][] = [];
  migrator.on('plan:ready', ({ added, progress }) => plans.push([added, progress.checkpoints.total]));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 18, completedCheckpoints: 2 });
  expect(plans).toEqual([[2, 5]]);
  expect(world.differences()).toEqual({});
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 0, completedCheckpoints: 0 });
});

/** A migrator without a checkpoint size of its own, or with this one, and how its source is described otherwise. */
function sized(
  world: World,
  checkpointSize: number | 'auto' | undefined,
  estimates: Partial<SourceDescription>,
): ResumableMigrator {
  const source = world.source();
  const describe = source.describe.bind(source);
  const described = told(source, undefined, async () => ({ ...(await describe()), ...estimates }));
  return new ResumableMigrator({ source: described, sink: world.sink(), checkpointSize });
}

test.each([
  { asked: undefined, estimatedRowBytes: 100, size: 50_000 },
  { asked: undefined, estimatedRowBytes: 2_800, size: 10_000 },
  { asked: undefined, estimatedRowBytes: 40_000, size: 800 },
  { asked: undefined, estimatedRowBytes: 1e9, size: 1 },
  { asked: 'auto' as const, estimatedRowBytes: 100, size: 100_000 },
  { asked: 'auto' as const, estimatedRowBytes: 2_800, size: 10_000 },
  { asked: 50_000, estimatedRowBytes: 2_800, size: 50_000 },
])(
  'asked for $asked, rows of about $estimatedRowBytes bytes are planned in checkpoints of $size',
  async ({ asked, size, estimatedRowBytes }) => {
    const world = new World({ rows: 25, mode: 'insert' });
    const migrator = sized(world, asked, { estimatedRowBytes, estimatedRows: 3_000_000 });
    expect(await migrator.plan()).toMatchObject({ checkpointSize: size });
  },
);

test('a plan for wide rows is gone on with, whether or not the default is spelled out', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const estimates = { estimatedRowBytes: 10_000_000 };
  const paused = await sized(world, undefined, estimates).run({ budget: { batches: 2 } });
  expect(paused).toMatchObject({ status: 'paused', progress: { checkpoints: { total: 9 } } });
  const run = await sized(world, 50_000, estimates).run();
  expect(run).toMatchObject({ status: 'completed', progress: { checkpoints: { total: 9, completed: 9 } } });
  expect(world.differences()).toEqual({});
});

test.each([7, 'auto'] as const)(
  'a plan of checkpointSize %s is gone on with where the next run names none, and lengthened in its size',
  async (size) => {
    const world = new World({ rows: 25, mode: 'insert' });
    await world.migrator({ checkpointSize: size }).run({ budget: { batches: 2 } });
    const planned = world.database.plans.get('memory');
    for (let id = 100; id < 110; id += 1) world.rows.push([String(id), 'later']);
    const unnamed = world.migrator({ checkpointSize: undefined });
    expect(await unnamed.plan()).toMatchObject({ findings: [], checkpointSize: planned?.checkpointSize });
    expect(await unnamed.run()).toMatchObject({
      status: 'completed',
      progress: { checkpoints: { total: size === 7 ? 6 : 2 } },
    });
    expect(world.database.plans.get('memory')).toEqual(planned);
    expect(world.differences()).toEqual({});
    await refusal(world.migrator({ checkpointSize: 11 }).run(), 'PLAN_MISMATCH');
  },
);

test('a plan that was made here is told without asking for it, as the store has it', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'store.claim', nth: 1 }, 'before');
  const migrator = world.migrator({}, faults);
  const ready: unknown[] = [];
  migrator.on('plan:ready', ({ progress }) => ready.push(progress));
  const run = migrator.run();
  await freeze.reached;
  expect(faults.effects).not.toContain('store.summarize');
  expect(ready).toEqual([await world.migrator().status()]);
  freeze.thaw();
  expect(await run).toMatchObject({ status: 'completed', rows: 25 });
});

test('a plan that another process made meanwhile is read, with what that has copied', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'store.append', nth: 1 }, 'before');
  const migrator = world.migrator({}, faults);
  const ready: unknown[] = [];
  migrator.on('plan:ready', ({ added, progress }) => ready.push([added, progress]));
  const run = migrator.run();
  await freeze.reached;
  expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 25 });
  const there = await world.migrator().status();
  expect(there.checkpoints).toMatchObject({ total: 3, completed: 3 });
  freeze.thaw();
  expect(await run).toMatchObject({ status: 'completed', rows: 0 });
  expect(ready).toEqual([[0, there]]);
  expect(world.differences()).toEqual({});
});

test('an answer to the plan that is lost leaves nothing but to read it', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const faults = new CrashPoints();
  faults.failAt({ effect: 'store.append', nth: 1 }, 'after');
  const migrator = world.migrator({}, faults);
  const ready: unknown[] = [];
  migrator.on('plan:ready', ({ progress }) => ready.push(progress.checkpoints));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 25 });
  expect(ready).toMatchObject([{ total: 3, pending: 3 }]);
  expect(world.differences()).toEqual({});
});

test('rows that come while the plan is copied are copied by the next run', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const migrator = world.migrator();
  migrator.once('batch:committed', () => world.rows.push(['1000', 'late'], ['1001', 'later']));
  await migrator.run();
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});

test('a source without rows is copied at once, and again once it has some', async () => {
  const world = new World({ rows: 0, mode: 'insert' });
  expect(await world.migrator().run()).toMatchObject({
    status: 'completed',
    rows: 0,
    progress: { percent: 0 },
  });
  expect(await world.migrator().verify()).toMatchObject({ equal: true, sourceRows: 0, sinkRows: 0 });
  world.rows.push(...someRows(3));
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});

test.each([
  { change: { checkpointSize: 20 }, says: 'checkpointSize was 10, now 20' },
  { change: { checkpointSize: 'auto' as const }, says: 'checkpointSize was 10, now auto' },
])('a run with other settings than the plan is refused and told which: $says', async ({ change, says }) => {
  const world = new World({ rows: 25, mode: 'insert' });
  await world.migrator().run({ budget: { batches: 1 } });
  const image = world.image();
  expect(await refusal(world.migrator(change).run(), 'PLAN_MISMATCH')).toContain(says);
  expect(await refusal(world.migrator(change).verify(), 'PLAN_MISMATCH')).toContain(says);
  // plan() says it too, and shows what a run would do once the stored plan is forgotten.
  const plan = await world.migrator(change).plan();
  expect(plan.findings).toMatchObject([{ code: 'PLAN_MISMATCH', severity: 'error' }]);
  expect(plan.findings[0]?.message).toContain(says);
  expect(plan).toMatchObject({ progress: { rows: 4, checkpoints: { total: 3 } } });
  expect(plan.checkpoints).toBe(Math.ceil(25 / plan.checkpointSize));
  expect(plan.newCheckpoints).toBe(plan.checkpoints);
  expect(world.image()).toEqual(image);
});

test('every setting that changed is named, with both values', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  await world.migrator().run({ budget: { batches: 1 } });
  const plan = world.database.plans.get('memory');
  if (!plan) throw new Error('the run made a plan');
  const { columns: _columns, ...fingerprint } = plan.fingerprint;
  world.database.plans.set('memory', {
    ...plan,
    fingerprint: { ...fingerprint, source: 'another', filter: 'id > 3' },
  });
  const message = await refusal(world.migrator().run(), 'PLAN_MISMATCH');
  expect(message).toContain('source was another, now memory memory');
  expect(message).toContain('filter was id > 3, now not set');
  expect(message).toContain('columns was not set, now id int8, name text');
});

test('options that a plan does not depend on may change between runs', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  await world.migrator({ batchSize: 3 }).run({ budget: { batches: 2 } });
  await world.migrator({ batchSize: 5, concurrency: 3, pageSize: 2, leaseMs: 200, batchDelayMs: 1 }).run();
  expect(world.differences()).toEqual({});
});

test('a plan with a hole is refused, because the rows of the hole would be lost', async () => {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run({ budget: { batches: 1 } });
  world.database.checkpoints.splice(1, 1);
  const message = await refusal(world.migrator().run(), 'PLAN_INCOMPLETE');
  expect(message).toContain('1 of its checkpoints');
  await world.migrator().reset();
  await world.migrator().run();
  expect(world.differences()).toEqual({});
});

test('checkpoints without settings, as an older program left them, are adopted and continued', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  await world.migrator().run({ budget: { batches: 4 } });
  world.database.plans.clear();
  expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 21 });
  expect(world.differences()).toEqual({});
  await refusal(world.migrator({ checkpointSize: 11 }).run(), 'PLAN_MISMATCH');
});

test('rows are not added to a table that has some, but upserted', async () => {
  for (const mode of ['insert', 'upsert'] as const) {
    const world = new World({ rows: 25, mode });
    world.table.rows.set(mode === 'upsert' ? '["-5"]' : 'a stranger', ['-5', 'was here']);
    const image = world.image();
    if (mode === 'insert') {
      expect(await refusal(world.migrator().run(), 'SINK_NOT_EMPTY')).toContain('memory t');
      expect(world.image()).toEqual(image);
    } else {
      await world.migrator().run();
      expect(world.differences()).toEqual({});
    }
  }
});

test('rows without a key are refused where they could arrive twice', async () => {
  const world = new World({ rows: 25, mode: 'insert', atomic: false });
  const image = world.image();
  await refusal(world.migrator().run(), 'DELIVERY_REFUSED');
  const together = new World({ rows: 25, mode: 'insert' });
  const elsewhere = new MemoryCheckpointStore({ database: new MemoryDatabase() });
  await refusal(together.migrator({ checkpoints: elsewhere }).run(), 'DELIVERY_REFUSED');
  expect(world.image()).toEqual(image);
});

test('checkpoints in another database than the rows give at-least-once delivery', async () => {
  const world = new World({ rows: 25, mode: 'upsert' });
  const elsewhere = new MemoryDatabase();
  const checkpoints = new MemoryCheckpointStore({ database: elsewhere });
  const crash = new CrashPoints().at({ effect: 'store.advance', nth: 2 }, 'before');
  await rejection(world.migrator({ checkpoints: crash.wrapStore(checkpoints) }, crash).run());
  elsewhere.now = () => Date.now() + 600_000;
  const migrator = world.migrator({ checkpoints });
  expect((await migrator.plan()).delivery).toBe('at-least-once');
  await migrator.run();
  expect(world.differences()).toEqual({});
  expect(world.database.checkpoints).toEqual([]);
});

test('plan() and status() change nothing, before, amid and after a copy', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const previews: PlanPreview[] = [];
  const look = async (): Promise<void> => {
    const image = world.image();
    previews.push(await world.migrator().plan());
    expect(await world.migrator().plan({ exactCount: true })).toMatchObject({
      totalRows: 35,
      totalRowsExact: true,
    });
    expect(await world.migrator().status()).toEqual(previews.at(-1)?.progress);
    expect(world.image()).toEqual(image);
  };
  await look();
  await world.migrator().run({ budget: { batches: 4 } });
  await look();
  await world.migrator().run();
  await look();
  expect(previews.map(({ newCheckpoints, progress }) => [newCheckpoints, progress.rows])).toEqual([
    [4, 0],
    [0, 14],
    [0, 35],
  ]);
  expect(previews[0]).toMatchObject({
    migration: 'memory',
    delivery: 'exactly-once',
    mode: 'insert',
    checkpointSize: 10,
    totalRows: 35,
    totalRowsExact: false,
    newRange: { lower: null, upper: ['29'] },
  });
  expect(previews[2]).toMatchObject({ newRange: null, progress: { percent: 100, next: null } });
});

test('status() and reset() ask a source nothing that tells its name beforehand', async () => {
  const world = new World({ rows: 25, mode: 'upsert' });
  await world.migrator().run();
  const status = await world.migrator().status();
  expect(status).toMatchObject({ rows: 25, migration: 'memory' });
  const asked = (name?: string): ResumableMigrator => {
    const source = told(world.source(), name, () => Promise.reject(new Error('gone')));
    return new ResumableMigrator({ source, sink: world.sink(), retry: { retries: 0 } });
  };
  await expect(asked().status()).rejects.toThrow('gone');
  expect(await asked('memory').status()).toEqual(status);
  await asked('memory').reset();
  expect((await world.migrator().status()).rows).toBe(0);
});

test.each([true, false])(
  'a source that cannot be described is the error of a run (its name is known: %s)',
  async (known) => {
    const world = new World({ rows: 5, mode: 'upsert' });
    const name = known ? 'memory' : undefined;
    const source = told(world.source(), name, () => Promise.reject(new Error('no such table')));
    const sink = world.sink();
    sink.checkpoints.readPlan = () => Promise.reject(new Error('no such store'));
    const run = new ResumableMigrator({ source, sink, retry: { retries: 0 } }).run();
    await expect(run).rejects.toThrow('no such table');
    // Nobody waits for the other answer any more, and nothing is left that could end the process.
    await new Promise((resolve) => setImmediate(resolve));
  },
);

test('a stored plan is found under another name than the source tells beforehand', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  await world.migrator().run({ budget: { batches: 1 } });
  const source = world.source();
  const description = await source.describe();
  const sink = world.sink();
  const prepare = vi.spyOn(sink, 'prepare');
  const run = new ResumableMigrator({
    source: told(source, 'a former name', () => Promise.resolve(description)),
    sink,
    checkpointSize: 10,
    batchSize: 4,
  }).run();
  expect(await run).toMatchObject({ migration: 'memory', status: 'completed', rows: 21 });
  expect(world.differences()).toEqual({});
  // Before the sink looks at its table, which it may make anew where nothing is planned.
  expect(prepare.mock.calls.map(([shape]) => shape.planned)).toEqual([true]);
});

test('reset() forgets the checkpoints of this migration alone, and leaves the rows', async () => {
  const world = new World({ rows: 25, mode: 'upsert' });
  await world.migrator({ name: 'mine' }).run();
  await world.migrator({ name: 'yours' }).run();
  await world.migrator({ name: 'mine' }).reset();
  await world.migrator({ name: 'mine' }).reset();
  expect((await world.migrator({ name: 'mine' }).status()).checkpoints.total).toBe(0);
  expect((await world.migrator({ name: 'yours' }).status()).checkpoints.completed).toBe(3);
  expect(world.differences()).toEqual({});
  expect(await world.migrator({ name: 'mine', checkpointSize: 7 }).run()).toMatchObject({ rows: 25 });
  expect(world.differences()).toEqual({});
});

test('a sink is asked while the source is described, and what it answers is what it is prepared with', async () => {
  const world = new World({ rows: 5, mode: 'upsert' });
  const sink = world.sink();
  const calls: string[] = [];
  const answered = Promise.withResolvers<unknown>();
  const isAsked = Promise.withResolvers<void>();
  const prepare = sink.prepare.bind(sink);
  const asking = Object.assign(sink, {
    ask: async (): Promise<unknown> => {
      calls.push('asked');
      isAsked.resolve();
      return await answered.promise;
    },
    prepare: async (shape: Parameters<typeof prepare>[0], context?: object, asked?: Promise<unknown>) => {
      calls.push(`prepared with ${String(await asked)}`);
      return await prepare(shape, context);
    },
  });
  const source = world.source();
  const describe = source.describe.bind(source);
  const described = told(source, undefined, async () => {
    calls.push('describing');
    // Whoever waited for one before beginning with the other would wait for ever.
    await isAsked.promise;
    answered.resolve('an answer');
    return await describe();
  });
  const migrator = new ResumableMigrator({ source: described, sink: asking });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 5 });
  expect(calls).toEqual(['describing', 'asked', 'prepared with an answer']);
});

test('what a sink cannot answer is tried again, and told only where the source has nothing to tell', async () => {
  const world = new World({ rows: 5, mode: 'upsert' });
  const busy = new MigratorError('SINK_OVERLOADED', 'Too busy.', { help: 'Wait.', retryable: true });
  const migratorOf = (source: Source, failures: number): ResumableMigrator => {
    const sink = world.sink();
    const prepare = sink.prepare.bind(sink);
    let left = failures;
    const asking = Object.assign(sink, {
      ask: (): Promise<unknown> => (left-- > 0 ? Promise.reject(busy) : Promise.resolve()),
      prepare: async (shape: Parameters<typeof prepare>[0], context?: object, asked?: Promise<unknown>) => {
        await asked;
        return await prepare(shape, context);
      },
    });
    return new ResumableMigrator({ source, sink: asking, retry: { retries: 2, baseMs: 1, maxMs: 1 } });
  };
  expect(await migratorOf(world.source(), 2).run()).toMatchObject({ status: 'completed', rows: 5 });
  expect(await refusal(migratorOf(world.source(), 3).run(), 'SINK_OVERLOADED')).toBe('Too busy.');
  const broken = new MigratorError('SOURCE_FAILED', 'Broken.', { help: 'Mend it.' });
  const failing = told(world.source(), undefined, () => Promise.reject(broken));
  await refusal(migratorOf(failing, 3).run(), 'SOURCE_FAILED');
});

test('a run has the schema of the source not read for a sink that takes nothing of it; a plan tells of it', async () => {
  const brief = async (takesSchema: boolean | undefined, act: 'plan' | 'run'): Promise<unknown> => {
    const world = new World({ rows: 5, mode: 'upsert' });
    const source = world.source();
    const describe = source.describe.bind(source);
    const said = vi.fn<Source['describe']>(async () => await describe());
    const sink = Object.assign(world.sink(), { takesSchema });
    await new ResumableMigrator({ source: told(source, undefined, said), sink })[act]();
    return said.mock.calls[0]?.[1];
  };
  expect(await brief(false, 'run')).toBe(true);
  expect(await brief(false, 'plan')).toBe(false);
  expect(await brief(true, 'run')).toBe(false);
  expect(await brief(undefined, 'run')).toBe(false);
});

test.each(['store.prepare', 'store.append', 'sink.create'] as const)(
  'a source whose ranges are not all asked for hears of it, where %s fails',
  async (effect) => {
    const world = new World({ rows: 25, mode: 'insert' });
    const faults = new CrashPoints();
    const broken = new MigratorError('SINK_FAILED', 'Broken.', { help: 'Mend it.' });
    faults.failAt({ effect, nth: 1 }, 'before', broken);
    const source = world.source();
    const ranges = source.ranges.bind(source);
    let isEnded = false;
    source.ranges = async function* (...args) {
      try {
        yield* ranges(...args);
      } finally {
        isEnded = true;
      }
    };
    const sink = faults.wrapSink(world.sink());
    const migrator = new ResumableMigrator({ source, sink, checkpointSize: 10 });
    await refusal(migrator.run(), 'SINK_FAILED');
    expect(isEnded).toBe(true);
  },
);
