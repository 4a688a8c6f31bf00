import type {
  CallContext,
  Key,
  RejectedRow,
  RejectFilter,
  RejectStore,
  StoredReject,
} from '../contract/index.ts';
import { answer, type MemoryDatabase } from './database.ts';

/** Rejected rows in a {@link MemoryDatabase}. */
export class MemoryRejectStore implements RejectStore {
  readonly identity: string = 'memory';
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  prepare(context?: CallContext): Promise<void> {
    return answer(context, () => undefined);
  }

  list(
    migration: string,
    { afterId = 0, limit = 100 }: RejectFilter = {},
    context?: CallContext,
  ): Promise<readonly StoredReject[]> {
    return answer(context, () =>
      this.#database.rejects
        .filter((reject) => reject.migration === migration && reject.id > afterId)
        .slice(0, limit)
        .map(({ migration: _migration, ...reject }) => reject),
    );
  }

  remove(migration: string, keys: readonly Key[], context?: CallContext): Promise<void> {
    const texts = new Set(keys.map((key) => JSON.stringify(key)));
    return answer(context, () =>
      this.#keep((reject) => reject.migration !== migration || !texts.has(JSON.stringify(reject.key))),
    );
  }

  clear(migration: string, seqs?: readonly number[], context?: CallContext): Promise<void> {
    return answer(context, () =>
      this.#keep((reject) => reject.migration !== migration || (seqs && !seqs.includes(reject.seq)) === true),
    );
  }

  /** Inside the step that writes a batch: a row that was set aside before is overwritten. */
  putNow(migration: string, rejects: readonly RejectedRow[]): void {
    const database = this.#database;
    for (const reject of rejects) {
      const key = JSON.stringify(reject.key);
      const known = database.rejects.findIndex(
        (other) => other.migration === migration && JSON.stringify(other.key) === key,
      );
      const id = database.rejects[known]?.id ?? (database.rejects.at(-1)?.id ?? 0) + 1;
      const stored = { ...reject, id, migration, createdAt: new Date(database.now()).toISOString() };
      database.rejects.splice(known === -1 ? database.rejects.length : known, known === -1 ? 0 : 1, stored);
    }
  }

  #keep(isKept: (reject: StoredReject & { readonly migration: string }) => boolean): void {
    this.#database.rejects.splice(0, Infinity, ...this.#database.rejects.filter(isKept));
  }
}
