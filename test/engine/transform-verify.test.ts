import { expect, test } from 'vitest';
import type { RowTransform } from 'resumable-migrator';
import { expectedOf, splittingOptions, splittingWorld } from './splitting.ts';
import { rejection, World } from './world.ts';

/** Keeps the key: every fifth row is skipped, every seventh is too large, the others get another name. */
const keeping: RowTransform = {
  version: '1',
  map: (row) => {
    const id = Number(row['id']);
    if (id % 5 === 0) return null;
    return { ...row, name: id % 7 === 0 ? 'x'.repeat(101) : `${String(row['name'])}!` };
  },
};
const options = { transform: keeping, onReject: 'set-aside' } as const;
const mode = { mode: 'full' } as const;

async function copied(): Promise<World> {
  const world = new World({ rows: 60, mode: 'upsert', maxRowBytes: 100 });
  await world.migrator(options).run();
  return world;
}

test('a copy through a transform is equal to what the transform makes, and verifying changes nothing', async () => {
  const world = await copied();
  const image = world.image();
  const migrator = world.migrator(options);
  expect(await migrator.verify()).toMatchObject({
    equal: true,
    sourceRows: 60,
    sinkRows: 42,
    rejectedRows: 6,
  });
  expect(await migrator.verify(mode)).toMatchObject({
    equal: true,
    rows: 60,
    expectedRows: 42,
    rejectedRows: 6,
    sourceRows: 60,
    sinkRows: 42,
  });
  expect(world.image()).toEqual(image);
});

test('rows that miss, differ, or should be skipped or set aside are named, and mended', async () => {
  const world = await copied();
  const put = (id: string, name: string | null): unknown =>
    name === null ? world.table.rows.delete(`["${id}"]`) : world.table.rows.set(`["${id}"]`, [id, name]);
  put('1', null);
  put('2', 'name 7'); // as the source has it: not transformed
  put('10', 'name 15!'); // skipped
  put('14', 'name 19'); // set aside
  put('1000', 'stray');
  const found = await world.migrator(options).verify(mode);
  expect(found).toMatchObject({
    equal: false,
    missing: [{ key: ['1'] }],
    different: [{ key: ['2'], columns: ['name'] }],
    extra: [{ key: ['10'] }, { key: ['14'] }, { seq: null, key: ['1000'] }],
  });
  expect(await world.migrator(options).verify()).toMatchObject({ equal: false });
  const repaired = await world.migrator(options).repair(mode);
  expect(repaired).toMatchObject({ rows: 5, after: { equal: true } });
  expect(await world.migrator(options).verify()).toMatchObject({ equal: true });
});

test('a row that can be copied by now is mended, and is no rejected row any more; and the other way round', async () => {
  const world = await copied();
  const migrator = world.migrator({
    ...options,
    transform: { ...keeping, map: (row) => (row['id'] === 7n ? row : keeping.map(row)) },
  });
  expect(world.database.rejects.map(({ key }) => key[0])).toContain('7');
  expect(await migrator.verify(mode)).toMatchObject({ missing: [{ key: ['7'] }] });
  expect(await migrator.repair(mode)).toMatchObject({ rows: 1, after: { equal: true } });
  expect(world.database.rejects.map(({ key }) => key[0])).not.toContain('7');
  await world.migrator(options).repair(mode);
  expect(world.database.rejects.map(({ key }) => key[0])).toContain('7');
  expect(world.table.rows.has('["7"]')).toBe(false);
  expect(await world.migrator(options).verify(mode)).toMatchObject({ equal: true });
});

test('counting notices a source that changed, and repairs its checkpoints with what was set aside in them', async () => {
  const world = await copied();
  world.rows.splice(12, 1); // key 7, which was set aside
  const migrator = world.migrator(options);
  const found = await migrator.verify();
  expect(found).toMatchObject({
    equal: false,
    differences: [{ seq: 2, sourceRows: 9, sinkRows: 6, expectedRows: 6 }],
  });
  expect((await migrator.repair()).after).toMatchObject({ equal: true, rejectedRows: 5 });
  expect(world.database.rejects.map(({ key }) => key[0])).toEqual(
    expect.not.arrayContaining(['7']) as string[],
  );
  expect(world.database.rejects).toHaveLength(5);
});

test('with a key of the sink’s own, rows are named by the source’s key, and extra rows are counted', async () => {
  const world = new World({ ...splittingWorld, rows: 60, mode: 'upsert' });
  const migrator = world.migrator(splittingOptions);
  await migrator.run();
  const rows = expectedOf(world.rows);
  expect(await migrator.verify()).toMatchObject({ equal: true, sinkRows: rows.length });
  expect(await migrator.verify(mode)).toMatchObject({ equal: true, rows: 60, expectedRows: rows.length });
  world.table.rows.delete('["1","2"]');
  world.table.rows.set('["8","1"]', ['8', 'other', '1']);
  world.table.rows.set('["9","9"]', ['9', 'stray', '9']);
  world.table.rows.set('["9","8"]', ['9', 'stray', '8']);
  expect(await migrator.verify(mode)).toMatchObject({
    equal: false,
    missing: [{ key: ['1'] }],
    different: [{ key: ['8'], columns: ['name'] }],
    counts: { missing: 1, different: 1, extra: 2 },
    extra: [],
  });
  const { rows: mended, after } = await migrator.repair(mode);
  expect(mended).toBe(2);
  expect(after).toMatchObject({ equal: false, counts: { missing: 0, different: 0, extra: 2 } });
});

test('rows of the result that share a key are noticed', async () => {
  const world = new World({ rows: 20, mode: 'upsert', key: ['name'] });
  const transform: RowTransform = { version: '1', key: ['name'], map: (row) => ({ ...row, name: 'same' }) };
  const migrator = world.migrator({ transform });
  expect(await migrator.run()).toMatchObject({ status: 'completed', written: 20 });
  expect(await migrator.verify()).toMatchObject({ equal: false, sinkRows: 1 });
  expect(await migrator.verify(mode)).toMatchObject({ equal: false, expectedRows: 20, sinkRows: 1 });
});

test('verifying stops at a row that cannot be copied where such rows are not set aside', async () => {
  const world = await copied();
  const error = await rejection(world.migrator({ transform: keeping }).verify(mode));
  expect(error).toMatchObject({ code: 'ROW_TOO_LARGE', place: { key: ['7'] } });
});
