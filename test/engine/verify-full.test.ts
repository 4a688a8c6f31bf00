import { MemorySource } from 'resumable-migrator/memory';
import { expect, test, vi } from 'vitest';
import { CrashPoints } from 'resumable-migrator/testing';
import { World } from './world.ts';

/** A complete copy with these changes in the sink afterwards. */
async function damaged(damage: (rows: World['table']['rows']) => void): Promise<World> {
  const world = new World({ rows: 35, mode: 'upsert' });
  await world.migrator().run();
  damage(world.table.rows);
  return world;
}
const identity = (id: number): string => JSON.stringify([String(id)]);

test('a complete copy is equal in full, and verifying changes nothing', async () => {
  const world = await damaged(() => undefined);
  const image = world.image();
  expect(await world.migrator().verify({ mode: 'full' })).toMatchObject({
    mode: 'full',
    status: 'completed',
    equal: true,
    rows: 35,
    checkedCheckpoints: 4,
    counts: { missing: 0, different: 0, extra: 0 },
  });
  expect(world.image()).toEqual(image);
});

test('a row that misses, one that differs, two that are swapped and one too many are named, mended, and gone', async () => {
  const world = await damaged((rows) => {
    rows.delete(identity(7));
    rows.set(identity(9), ['9', 'changed']);
    const [one, two] = [rows.get(identity(10)), rows.get(identity(11))];
    rows.set(identity(10), ['10', two?.[1] ?? null]);
    rows.set(identity(11), ['11', one?.[1] ?? null]);
    rows.set(identity(1000), ['1000', 'outside']);
  });
  world.rows.splice(
    world.rows.findIndex(([id]) => id === '12'),
    1,
  );
  const found = await world.migrator().verify({ mode: 'full' });
  expect(found).toMatchObject({
    equal: false,
    counts: { missing: 1, different: 3, extra: 2 },
    missing: [{ key: ['7'] }],
    extra: [{ key: ['12'] }, { seq: null, key: ['1000'] }],
  });
  expect(found.different.map(({ key, columns }) => [key[0], columns])).toEqual([
    ['9', ['name']],
    ['10', ['name']],
    ['11', ['name']],
  ]);
  const repaired = await world.migrator().repair({ mode: 'full' });
  expect(repaired).toMatchObject({ rows: 6, run: null, after: { equal: true } });
  expect(world.differences()).toEqual({});
});

test.each([
  ['large', 500_000, 40, [16, 4, 4, 4, 4, 4, 4]],
  ['small', 20, 700, [16, 64, 256, 364]],
])('%s rows are read again in portions that are bounded by their size', async (_, size, count, portions) => {
  const rows = Array.from({ length: count }, (_row, index) => [String(index), 'x'.repeat(size)]);
  const world = new World({ rows, mode: 'upsert' });
  const whole = { batchSize: count, pageSize: count, checkpointSize: count };
  await world.migrator(whole).run();
  world.table.rows.clear();
  const readRows = vi.spyOn(MemorySource.prototype, 'readRows');
  const asked = (): number[] => readRows.mock.calls.splice(0).map(([keys]) => keys.length);
  try {
    expect(await world.migrator(whole).verify({ mode: 'full' })).toMatchObject({
      counts: { missing: count },
    });
    expect(asked()).toEqual(portions);
    const migrator = world.migrator(whole);
    expect(await migrator.repair({ mode: 'full' })).toMatchObject({ rows: count, after: { equal: true } });
    // It compares, mends and compares again.
    expect(asked()).toEqual([...portions, ...portions]);
  } finally {
    readRows.mockRestore();
  }
  expect(world.differences()).toEqual({});
});

test('rows that changed while they were compared are looked at again, and not reported', async () => {
  const world = await damaged(() => undefined);
  const index = world.rows.findIndex(([id]) => id === '9');
  const before = world.rows[index] ?? [];
  world.rows[index] = ['9', 'while it was read'];
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'source.readRows', nth: 1 }, 'before');
  const verified = world.migrator({}, faults).verify({ mode: 'full' });
  // The source goes back to what was copied before the second look.
  await freeze.reached;
  world.rows[index] = before;
  freeze.thaw();
  expect(await verified).toMatchObject({ equal: true });
});

test('a budget pauses between checkpoints, and the next call goes on there and finds the same', async () => {
  const world = await damaged((rows) => {
    rows.delete(identity(-2));
    rows.delete(identity(28));
  });
  const found: unknown[] = [];
  let from = 1;
  let calls = 0;
  for (;;) {
    const part = await world
      .migrator({ concurrency: 1 })
      .verify({ mode: 'full', from, budget: { rows: 10 } });
    found.push(...part.missing);
    calls += 1;
    if (part.resumeFrom === null) break;
    expect(part.status).toBe('paused');
    expect(part.equal).toBe(false);
    from = part.resumeFrom;
  }
  expect(calls).toBeGreaterThan(1);
  expect(found).toMatchObject([
    { seq: 1, key: ['-2'] },
    { seq: 4, key: ['28'] },
  ]);
});

test('rows that came after the planned end are reported by their number, and repair copies them', async () => {
  const world = await damaged(() => undefined);
  world.rows.push(['500', 'late']);
  expect(await world.migrator().verify({ mode: 'full' })).toMatchObject({
    equal: false,
    rows: 35,
    sourceRows: 36,
  });
  expect(await world.migrator().repair({ mode: 'full' })).toMatchObject({
    run: { rows: 1 },
    after: { equal: true },
  });
});

test('a row after the planned end that both sides have is no compared row, whatever it holds, and repair copies it', async () => {
  const world = await damaged((rows) => rows.set(identity(500), ['500', 'WRONG']));
  world.rows.push(['500', 'right']);
  expect(await world.migrator().verify({ mode: 'full' })).toMatchObject({
    status: 'completed',
    equal: false,
    rows: 35,
    sourceRows: 36,
    sinkRows: 36,
    counts: { missing: 0, different: 0, extra: 0 },
  });
  const migrator = world.migrator();
  expect(await migrator.repair({ mode: 'full' })).toMatchObject({
    run: { rows: 1 },
    after: { equal: true, rows: 36 },
  });
  expect(world.differences()).toEqual({});
});

test('rows without a key cannot be compared in full, and the error says what can be done', async () => {
  const world = new World({ rows: 35, mode: 'insert' });
  await world.migrator().run();
  await expect(world.migrator().verify({ mode: 'full' })).rejects.toMatchObject({
    code: 'VERIFY_UNSUPPORTED',
  });
});

test('a failure at any effect of a verification is tried again or reported, and never hides a difference', async () => {
  const world = await damaged((rows) => {
    rows.delete(identity(7));
    rows.set(identity(9), ['9', 'changed']);
  });
  const counting = new CrashPoints();
  await world.migrator({}, counting).verify({ mode: 'full' });
  expect(counting.effects).toContain('sink.compare');
  for (let n = 1; n <= counting.count; n += 1) {
    const found = await world
      .migrator({}, new CrashPoints().failAt(n, 'after'))
      .verify({ mode: 'full' })
      .catch(() => null);
    if (found) expect(found.counts, `effect ${n}`).toEqual({ missing: 1, different: 1, extra: 0 });
  }
});
