import type { Advance, CommitOutcome } from 'resumable-migrator';
import { MemoryCheckpointStore, type MemoryDatabase, MemorySink } from 'resumable-migrator/memory';

/** A store that forgot why there are fence tokens. */
class UnfencedStore extends MemoryCheckpointStore {
  override advanceNow(advance: Advance): CommitOutcome {
    const checkpoint = this.database.checkpoints.find(({ id }) => id === advance.lease.id);
    if (!checkpoint) return 'stale';
    checkpoint.cursor = advance.to;
    if (advance.complete) checkpoint.status = 'completed';
    return 'committed';
  }
}

/** A sink on such a store: what tests of the fence must be able to tell from the real one. */
export class UnfencedSink extends MemorySink {
  override readonly checkpoints: MemoryCheckpointStore;
  constructor(database: MemoryDatabase) {
    super({ database, table: 't' });
    this.checkpoints = new UnfencedStore({ database });
  }
}
