import { afterEach, expect, test, vi } from 'vitest';
import { MemoryCheckpointStore, MemoryDatabase } from 'resumable-migrator/memory';
import { HeldCheckpoint } from '../../src/engine/copying/held-checkpoint.ts';

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
