import type { MemorySink } from 'resumable-migrator/memory';
import type { World } from './world.ts';

/** A sink whose writes wait, from a moment on. */
export interface HeldWrites {
  readonly sink: MemorySink;
  /** Writes that wait. */
  waiting(): number;
  open(): void;
}

/** @param after - writes that are let through first. */
export function heldWrites(world: World, after: number = 0): HeldWrites {
  const sink = world.sink();
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const prepare = sink.prepare.bind(sink);
  sink.prepare = async (...args) => {
    const target = await prepare(...args);
    const commit = target.commit.bind(target);
    target.commit = async (...call) => {
      begun += 1;
      if (begun > after) await gate.promise;
      return await commit(...call);
    };
    return target;
  };
  return { sink, waiting: () => Math.max(0, begun - after), open: () => gate.resolve() };
}

/** Waits until everything that can happen has happened, where nothing waits for anything but the event loop. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
