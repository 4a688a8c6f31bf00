import { expect, test } from 'vitest';
import { type KeyRange, type RangeRequest, ResumableMigrator, type RunResult } from 'resumable-migrator';
import { MemorySource } from 'resumable-migrator/memory';
import { rejection, World } from './world.ts';

/** Hands on its ranges one by one, each when the test says so. */
class SlowSource extends MemorySource {
  step: (seq: number) => Promise<void> = () => Promise.resolve();

  override async *ranges(request: RangeRequest): AsyncGenerator<readonly KeyRange[], void> {
    let seq = 0;
    for await (const ranges of super.ranges(request)) {
      for (const range of ranges) {
        await this.step((seq += 1));
        yield [range];
      }
    }
  }
}

function slowly(
  world: World,
  planAheadMs: number,
): { source: SlowSource; migrator: ResumableMigrator<object, object> } {
  const source = new SlowSource({
    columns: [
      { name: 'id', type: 'integer', nativeType: 'int8', nullable: false },
      { name: 'name', type: 'text', nativeType: 'text', nullable: true },
    ],
    key: ['id'],
    rows: world.rows,
  });
  const options = {
    checkpointSize: 10,
    batchSize: 4,
    concurrency: 2,
    planAheadMs,
    retry: { retries: 1, baseMs: 1 },
  };
  return { source, migrator: new ResumableMigrator({ source, sink: world.sink(), ...options }) };
}

test('the first checkpoints are copied while later ranges are still being looked for', async () => {
  const world = new World({ rows: 55, mode: 'insert' });
  const { source, migrator } = slowly(world, 0);
  const planned: boolean[] = [];
  migrator.on('plan:ready', ({ complete }) => planned.push(complete));
  // Each range after the first waits until all before it are copied.
  source.step = async (seq) => {
    while (world.recorded() < (seq - 1) * 10) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const totals: number[] = [];
  migrator.on('progress', ({ totalCheckpoints }) => totals.push(totalCheckpoints));
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 55, completedCheckpoints: 6 });
  expect(planned).toEqual([false]);
  expect(totals.at(-1)).toBe(6);
  expect(world.differences()).toEqual({});
});

test('a run that pauses before everything is planned is not completed, and the next goes on planning', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const { source, migrator } = slowly(world, 0);
  const controller = new AbortController();
  source.step = (seq) =>
    seq === 1
      ? Promise.resolve()
      : new Promise((_, reject) => {
          controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error));
        });
  migrator.on('checkpoint:completed', () => controller.abort(new Error('enough')));
  const paused: RunResult = await migrator.run({ signal: controller.signal });
  expect(paused).toMatchObject({ status: 'paused', progress: { checkpoints: { total: 1, completed: 1 } } });
  expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 25 });
  expect(world.differences()).toEqual({});
});

test('where planning fails, what is planned is copied, the run rejects, and the next one plans the rest', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  const { source, migrator } = slowly(world, 0);
  source.step = async (seq) => {
    if (seq < 3) return;
    while (world.recorded() < 20) await new Promise((resolve) => setTimeout(resolve, 1));
    throw new Error('the index is broken');
  };
  const error = await rejection(migrator.run());
  expect(error).toMatchObject({ message: 'the index is broken' });
  expect(world.recorded()).toBe(20);
  expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 15 });
  expect(world.differences()).toEqual({});
});
