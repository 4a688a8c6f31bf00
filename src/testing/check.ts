/** Fails with a message that shows both sides, unless they are deeply equal. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (same(actual, expected)) return;
  throw new Error(`${what}\n  expected: ${show(expected)}\n  found:    ${show(actual)}`);
}

/** Fails with `what` unless the condition holds. */
export function ok(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Fails with `what` where the value is null or undefined; gives it back otherwise. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(what);
  return value;
}

/** Fails unless the call rejects (a synchronous throw counts as well); gives the error back. */
export async function rejects(call: () => Promise<unknown>, what: string): Promise<unknown> {
  let answer: unknown;
  try {
    answer = await call();
  } catch (error) {
    return error;
  }
  throw new Error(`${what}\n  expected: a rejection\n  found:    ${show(answer)}`);
}

/** Deep equality of the plain values that contracts are made of. A property that is undefined counts as absent. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = definedEntries(a);
  const right = new Map(definedEntries(b));
  return (
    left.length === right.size &&
    left.every(([name, value]) => right.has(name) && same(value, right.get(name)))
  );
}

function definedEntries(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, entry]) => entry !== undefined);
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_name, entry: unknown) =>
    typeof entry === 'bigint' ? `${entry}n` : entry === undefined ? 'undefined' : entry,
  );
  if (text === undefined) return String(value);
  return text.length > 2_000 ? `${text.slice(0, 2_000)}... (${text.length} characters)` : text;
}
