import { expect, test } from 'vitest';
import { isMigratorError, type Sink, type SinkTarget } from 'resumable-migrator';
import { ResumableMigrator } from 'resumable-migrator';
import { lostAnswer } from '../../src/testing/faults.ts';
import { rejection, World } from './world.ts';

/** A sink that makes something after the copy, and says how far the copy was then. */
class Finishing {
  readonly world: World = new World({ rows: 30, mode: 'upsert' });
  readonly completedAtFinish: number[] = [];
  failures: unknown[] = [];

  migrator(findings: SinkTarget['findings'] = []): ResumableMigrator {
    const inner = this.world.sink();
    const sink: Sink = {
      checkpoints: inner.checkpoints,
      prepare: async (shape, context) => {
        const target = await inner.prepare(shape, context);
        const finish = async (): Promise<void> => {
          const { completed } = await inner.checkpoints.summarize('t');
          this.completedAtFinish.push(completed);
          const failure = this.failures.shift();
          if (failure !== undefined) throw failure;
        };
        return Object.assign(target, { finish, findings });
      },
    };
    return new ResumableMigrator({
      source: this.world.source(),
      sink,
      name: 't',
      checkpointSize: 10,
      batchSize: 4,
      concurrency: 1,
      retry: { retries: 2, baseMs: 1 },
    });
  }
}

test('what is made after the copy is made once every checkpoint is completed, also by a run that finds them so', async () => {
  const run = new Finishing();
  expect(await run.migrator().run()).toMatchObject({ status: 'completed' });
  expect(run.completedAtFinish).toEqual([3]);
  expect(await run.migrator().run()).toMatchObject({ status: 'completed', rows: 0 });
  expect(run.completedAtFinish).toEqual([3, 3]);
});

test('a run that is stopped does not begin with it, and says that something is left to do', async () => {
  const run = new Finishing();
  const stopped = new AbortController();
  const migrator = run.migrator();
  let batches = 0;
  migrator.on('batch:committed', () => {
    batches += 1;
    if (batches === 9) stopped.abort();
  });
  expect(await migrator.run({ signal: stopped.signal })).toMatchObject({
    status: 'paused',
    reason: 'signal',
    progress: { percent: 100 },
  });
  expect(run.completedAtFinish).toEqual([]);
  expect(await run.migrator().run({ signal: AbortSignal.abort() })).toMatchObject({ status: 'paused' });
  expect(run.completedAtFinish).toEqual([]);
  expect(await run.migrator().run()).toMatchObject({ status: 'completed' });
  expect(run.completedAtFinish).toEqual([3]);
});

test('a fault that passes is tried again; another ends the run with its summary, and the next run tries again', async () => {
  const run = new Finishing();
  run.failures = [lostAnswer(), new Error('no room for an index')];
  const error = await rejection(run.migrator().run());
  expect(error).toMatchObject({ message: 'no room for an index' });
  expect(run.completedAtFinish).toEqual([3, 3]);
  expect(run.world.differences()).toEqual({});
  run.failures = [lostAnswer(), lostAnswer(), lostAnswer()];
  const given = await rejection(run.migrator().run());
  expect(isMigratorError(given) && given.result).toMatchObject({
    status: 'failed',
    progress: { percent: 100 },
  });
  expect(await run.migrator().run()).toMatchObject({ status: 'completed', rows: 0 });
});

test('a plan with a finding of severity error keeps a run from beginning, and is shown all the same', async () => {
  const run = new Finishing();
  const finding = { column: null, message: 'This cannot work.', help: 'Do something else.' };
  const findings = [
    { ...finding, code: 'WRONG', severity: 'error' },
    { ...finding, code: 'ODD', severity: 'warning' },
  ] as const;
  const before = run.world.image();
  expect((await run.migrator(findings).plan()).findings).toEqual(findings);
  expect(await rejection(run.migrator(findings).run())).toMatchObject({
    code: 'PLAN_REFUSED',
    message: expect.stringMatching(/WRONG: This cannot work\./) as string,
    help: 'Do something else.',
  });
  expect(run.world.image()).toEqual(before);
  expect(await run.migrator(findings.slice(1)).run()).toMatchObject({ status: 'completed' });
});
