import type { CallContext } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import type { GroupMember } from './group.ts';
import type { EngineOptions } from '../options.ts';
import { shapeOf } from '../planning/survey.ts';

/** What a table is called until its source has been asked. */
export function provisionalName({ name, source }: EngineOptions, index: number): string {
  return name ?? source.name ?? `(table ${index + 1})`;
}

/** Asks the source of a table what it is called, which table it is, and what it refers to. */
export async function describeMember(
  { source, name }: EngineOptions,
  context: CallContext,
): Promise<GroupMember> {
  const { identity, name: plainName } = await source.describe(context);
  const references = (await source.references?.(context)) ?? [];
  return { migration: name ?? plainName, table: identity, references };
}

/**
 * Two tables under one name would take each other's checkpoints for their own.
 *
 * @throws MigratorError `INVALID_OPTION`
 */
export async function refuseTwins(
  members: readonly (GroupMember & { readonly options: EngineOptions })[],
  context: CallContext,
): Promise<void> {
  for (const [index, { migration, options }] of members.entries()) {
    for (const other of members.slice(index + 1)) {
      if (migration !== other.migration) continue;
      if (!(await shareStore(migration, options, other.options, context))) continue;
      throw new MigratorError(
        'INVALID_OPTION',
        `Two tables of the group are called ${migration}, and keep their checkpoints in the same store.`,
        { migration, help: 'Give one of them another `name`, or leave it out if it was added twice.' },
      );
    }
  }
}

/** Only a sink can tell whether a store is in its own database; where it cannot, the stores count as one. */
async function shareStore(
  migration: string,
  { source, sink, store, transform }: EngineOptions,
  { store: other }: EngineOptions,
  context: CallContext,
): Promise<boolean> {
  if (store === other) return true;
  if (store.identity !== other.identity) return false;
  try {
    const shape = await shapeOf(migration, await source.describe(context), transform);
    const target = await sink.prepare(shape, context);
    return target.delivery(other) === 'exactly-once' || target.delivery(store) !== 'exactly-once';
  } catch {
    // The table's own run will fail for the same reason, and say so.
    return false;
  }
}
