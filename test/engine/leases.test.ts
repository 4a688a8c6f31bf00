import { afterEach, expect, test, vi } from 'vitest';
import { MemoryCheckpointStore, MemoryDatabase } from 'resumable-migrator/memory';
import { CrashPoints } from 'resumable-migrator/testing';
import { HeldCheckpoint } from '../../src/engine/copying/held-checkpoint.ts';
import { World } from './world.ts';

afterEach(() => {
  vi.useRealTimers();
});

const leaseMs = 1_000;

test('a renewal that fails is tried again before the lease ends', async () => {
  vi.useFakeTimers();
  const database = new MemoryDatabase();
  const store = new MemoryCheckpointStore({ database });
  const settings = { fingerprint: {}, checkpointSize: 10, integerKey: true };
  await store.append('m', { settings, afterSeq: 0, ranges: [{ lower: null, upper: ['10'] }] });
  const claim = await store.claim('m', { owner: 'a', leaseMs });
  if (claim.kind !== 'claimed') throw new Error('one is free');
  const renew = vi.spyOn(store, 'renew').mockRejectedValueOnce(new Error('no answer'));
  const job = { migration: 'm', store, leaseMs, abort: new AbortController().signal };
  const held = new HeldCheckpoint(job, claim.checkpoint);
  await vi.advanceTimersByTimeAsync(leaseMs / 2);
  expect(renew).toHaveBeenCalledTimes(1);
  // A quarter of the lease is left.
  await vi.advanceTimersByTimeAsync(leaseMs / 4);
  expect(renew).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(leaseMs / 2);
  expect(await store.claim('m', { owner: 'b', leaseMs })).toMatchObject({ kind: 'busy' });
  held.stop();
});

test('a worker that slept past its lease writes no older rows over those of the next owner, at-least-once as well', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const world = new World({ rows: 25, mode: 'upsert', atomic: false });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'source.readPage', nth: 1 }, 'after');
  const sleeper = world.migrator({}, faults);
  const lost: number[] = [];
  sleeper.on('checkpoint:lost', ({ seq }) => lost.push(seq));
  const run = sleeper.run();
  await freeze.reached;
  world.rows[0] = ['-5', 'newer'];
  world.passTime();
  vi.setSystemTime(Date.now() + 600_000);
  expect(await world.migrator().run()).toMatchObject({ status: 'completed', rows: 25 });
  freeze.thaw();
  expect(await run).toMatchObject({ status: 'completed', rows: 0 });
  expect(lost).toEqual([1]);
  expect(faults.effects).not.toContain('sink.write');
  expect(world.differences()).toEqual({});
});

test('a worker that slept past its lease goes on where nobody has taken it over', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const world = new World({ rows: 25, mode: 'upsert', atomic: false });
  const faults = new CrashPoints();
  const freeze = faults.freezeAt({ effect: 'source.readPage', nth: 1 }, 'after');
  const run = world.migrator({}, faults).run();
  await freeze.reached;
  world.passTime();
  vi.setSystemTime(Date.now() + 600_000);
  freeze.thaw();
  expect(await run).toMatchObject({ status: 'completed', rows: 25 });
  expect(world.differences()).toEqual({});
});
