import type {
  Advance,
  Checkpoint,
  CheckpointStore,
  Key,
  KeyBound,
  KeyRange,
  Lease,
  PlanSettings,
} from '../contract/index.ts';
import { equal, ok } from './check.ts';

/** Longer than any test: a lease of this length does not end by itself. */
export const longLeaseMs = 600_000;

/** Settings of a plan over one integer column. */
export const integerSettings: PlanSettings = {
  fingerprint: { source: 'a "quoted" source', columns: 'id int8, größe text', filter: "it's 'x'\n-- or not" },
  checkpointSize: 10,
  integerKey: true,
};

/** Settings of a plan over columns of any type. */
export const textSettings: PlanSettings = { ...integerSettings, integerKey: false };

/** Ranges one after the other: each begins after the end of the one before, the first is unbounded below. */
export function rangesUpTo(...ends: readonly Key[]): KeyRange[] {
  return ends.map((upper, index) => {
    const previous = ends[index - 1];
    return { lower: previous ? { key: previous, inclusive: false } : null, upper };
  });
}

/** A plan of `count` integer ranges that end at 10, 20, 30 ... */
export async function planOf(store: CheckpointStore, migration: string, count: number): Promise<KeyRange[]> {
  const ranges = rangesUpTo(...Array.from({ length: count }, (_, index) => [String((index + 1) * 10)]));
  const written = await store.append(migration, { settings: integerSettings, afterSeq: 0, ranges });
  ok(written, 'append() to an empty plan answered false');
  return ranges;
}

/** Claims a checkpoint that must be free. */
export async function claimOne(
  store: CheckpointStore,
  migration: string,
  owner = 'owner',
  leaseMs: number = longLeaseMs,
): Promise<Checkpoint> {
  const claim = await store.claim(migration, { owner, leaseMs });
  if (claim.kind === 'claimed') return claim.checkpoint;
  throw new Error(`claim() answered "${claim.kind}" although a checkpoint is free`);
}

export function leaseOf(migration: string, { id, fenceToken }: Checkpoint): Lease {
  return { migration, id, fenceToken };
}

/** An advance of a claimed checkpoint from where it stands. */
export function advanceOf(
  migration: string,
  checkpoint: Checkpoint,
  to: Key,
  more: Partial<Advance> = {},
): Advance {
  const lease = leaseOf(migration, checkpoint);
  const rows = more.rows ?? 3;
  return {
    lease,
    from: checkpoint.cursor,
    to,
    rows,
    written: rows,
    rejected: 0,
    complete: false,
    leaseMs: longLeaseMs,
    ...more,
  };
}

/** Everything that is stored for a migration, for a comparison before and after. */
export async function storedOf(store: CheckpointStore, migration: string): Promise<unknown> {
  return { plan: await store.readPlan(migration), checkpoints: await store.list(migration) };
}

/** Fails where the call changes anything that is stored for the migration. */
export async function changesNothing(
  store: CheckpointStore,
  migration: string,
  call: () => Promise<void>,
  what: string,
): Promise<void> {
  const before = await storedOf(store, migration);
  await call();
  equal(await storedOf(store, migration), before, `${what} changed what is stored`);
}

/** Compares ranges. A store may give an integer range back with an inclusive lower end: `> 9` as `>= 10`. */
export function equalRange(actual: KeyRange, expected: KeyRange, integerKey: boolean, what: string): void {
  if (!integerKey) return equal(actual, expected, what);
  equal(actual.upper, expected.upper, `${what}: the upper end`);
  equal(firstInteger(actual.lower), firstInteger(expected.lower), `${what}: the first key inside`);
}

function firstInteger(lower: KeyBound | null): bigint {
  if (lower === null) return -(2n ** 63n);
  return BigInt(lower.key[0] ?? '') + (lower.inclusive ? 0n : 1n);
}
