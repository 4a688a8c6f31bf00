import { expect, test } from 'vitest';
import { CallLimit } from '../../src/engine/limit.ts';

/** Calls that end when they are told to. */
function calls(
  limit: CallLimit,
  count: number,
): {
  readonly begun: number[];
  readonly end: ((error?: Error) => void)[];
  readonly results: Promise<PromiseSettledResult<number>[]>;
} {
  const begun: number[] = [];
  const end: ((error?: Error) => void)[] = [];
  const results = Promise.allSettled(
    Array.from(
      { length: count },
      async (_, index) =>
        await limit.run(async () => {
          begun.push(index);
          await new Promise<void>((resolve, reject) => {
            end[index] = (error) => (error ? reject(error) : resolve());
          });
          return index;
        }),
    ),
  );
  return { begun, end, results };
}

/** Lets everything happen that waits for nothing. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

test('so many calls are under way at a time, and the others begin in the order in which they came', async () => {
  const limit = new CallLimit(2);
  const { begun, end, results } = calls(limit, 5);
  await settle();
  expect(begun).toEqual([0, 1]);
  expect(limit.calls).toBe(5);
  end[1]?.();
  await settle();
  expect(begun).toEqual([0, 1, 2]);
  end[0]?.();
  end[2]?.();
  await settle();
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  end[3]?.();
  end[4]?.();
  expect((await results).map((result) => result.status === 'fulfilled' && result.value)).toEqual([
    0, 1, 2, 3, 4,
  ]);
});

test('a call that fails makes room as well, and what it throws comes out', async () => {
  const limit = new CallLimit(1);
  const { begun, end, results } = calls(limit, 2);
  await settle();
  end[0]?.(new Error('failed'));
  await settle();
  expect(begun).toEqual([0, 1]);
  end[1]?.();
  expect(await results).toMatchObject([{ status: 'rejected', reason: { message: 'failed' } }, { value: 1 }]);
  expect(limit.calls).toBe(0);
  // Nothing is lost on the way: all places are free again.
  expect(await limit.run(async () => await Promise.resolve('next'))).toBe('next');
});
