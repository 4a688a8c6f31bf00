import type { CallContext, Checkpoint, CheckpointFilter, StoredReject } from '../contract/index.ts';
import type { EngineOptions } from './options.ts';

/** What listing needs of a migrator: calls that are tried again, and the migration's name. */
export interface Lister {
  readonly options: EngineOptions;
  name(context: CallContext): Promise<string>;
  retrying<T>(operation: string, call: () => Promise<T>, context: CallContext): Promise<T>;
}

/** The stored checkpoints, in the order of their ranges; none where nothing is planned. */
export async function* listCheckpoints(
  lister: Lister,
  { status, ...context }: CallContext & Pick<CheckpointFilter, 'status'>,
): AsyncGenerator<Checkpoint, void> {
  const { store } = lister.options;
  const find = async (): Promise<string | null> => {
    const migration = await lister.name(context);
    return (await store.readPlan(migration, context)) && migration;
  };
  const migration = await lister.retrying('read the plan', find, context);
  if (migration === null) return;
  yield* pages(async (last) => {
    const list = (): Promise<readonly Checkpoint[]> =>
      store.list(migration, { status, afterSeq: last?.seq }, context);
    return await lister.retrying('list checkpoints', list, context);
  });
}

/** The rows that were set aside, in the order in which they were. */
export async function* listRejects(lister: Lister, context: CallContext): AsyncGenerator<StoredReject, void> {
  const { rejects } = lister.options.sink;
  if (!rejects) return;
  const migration = await lister.retrying('describe', () => lister.name(context), context);
  yield* pages(async (last) => {
    const list = (): Promise<readonly StoredReject[]> =>
      rejects.list(migration, { afterId: last?.id ?? 0 }, context);
    return await lister.retrying('list rejected rows', list, context);
  });
}

/** Asks for what comes after the last, until nothing does. */
async function* pages<Item>(
  after: (last: Item | undefined) => Promise<readonly Item[]>,
): AsyncGenerator<Item, void> {
  let last: Item | undefined;
  do {
    const page = await after(last);
    yield* page;
    last = page.at(-1);
  } while (last !== undefined);
}
