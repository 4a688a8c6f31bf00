/**
 * Registers one test: the `test` of vitest, node:test, Jest, Bun or any other runner. The suites pass a sentence and
 * a function that rejects where the adapter breaks its contract.
 */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown;

/** Something that a suite works on, and that is given back after each test. */
export interface Disposer {
  /** Called after each test, also after one that failed. */
  dispose?(): Promise<void>;
}

/** Makes `test` create what it works on, and dispose of it whatever happens. */
export function withFixture<Fixture extends Disposer>(
  test: TestFunction,
  create: () => Promise<Fixture>,
): (name: string, run: (fixture: Fixture) => Promise<void>) => void {
  return (name, run) => {
    test(name, async () => {
      const fixture = await create();
      try {
        await run(fixture);
      } finally {
        await fixture.dispose?.();
      }
    });
  };
}

/** A signal that was aborted before the call, and the reason that it carries. */
export function abortedSignal(): AbortSignal {
  return AbortSignal.abort(new Error('aborted by the compliance suite'));
}
