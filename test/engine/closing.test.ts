import { expect, test } from 'vitest';
import { MigrationGroup, ResumableMigrator, type Sink, type Source } from 'resumable-migrator';
import { rejection, World } from './world.ts';

type AnyRow = Record<string, unknown>;

/** Both sides of a table, which note that they are closed. */
function parts(name: string, log: string[], fails = false): { source: Source<AnyRow>; sink: Sink<AnyRow> } {
  const world = new World({ rows: 5, mode: 'upsert' });
  const close =
    (side: string): (() => Promise<void>) =>
    async () => {
      log.push(`${side} ${name} closes`);
      await Promise.resolve();
      if (fails) throw new Error(`${side} ${name} cannot be closed`);
      log.push(`${side} ${name} is closed`);
    };
  return {
    source: Object.assign(world.source(), { close: close('source') }),
    sink: Object.assign(world.sink(), { close: close('sink') }),
  };
}

test('a source that cannot be closed does not keep the sink open', async () => {
  const log: string[] = [];
  const { source } = parts('a', log, true);
  const { sink } = parts('b', log);
  const migrator = new ResumableMigrator<AnyRow, AnyRow>({ source, sink });
  expect(await rejection(migrator.close())).toMatchObject({ message: 'source a cannot be closed' });
  expect(log).toEqual(['source a closes', 'sink b closes', 'sink b is closed']);
});

test('close() twice at once closes once, and again later', async () => {
  const log: string[] = [];
  const migrator = new ResumableMigrator<AnyRow, AnyRow>(parts('a', log));
  await Promise.all([migrator.close(), migrator.close()]);
  const once = ['source a closes', 'source a is closed', 'sink a closes', 'sink a is closed'];
  expect(log).toEqual(once);
  await migrator.close();
  expect(log).toEqual([...once, ...once]);
});

test('a table of a group that cannot be closed does not keep the others open', async () => {
  const log: string[] = [];
  const group = new MigrationGroup();
  group.add<AnyRow, AnyRow>(parts('a', log, true));
  group.add<AnyRow, AnyRow>(parts('b', log));
  expect(await rejection(group.close())).toMatchObject({ message: 'sink a cannot be closed' });
  expect(log).toEqual([
    'source a closes',
    'sink a closes',
    'source b closes',
    'source b is closed',
    'sink b closes',
    'sink b is closed',
  ]);
});
