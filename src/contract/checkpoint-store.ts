import type { CallContext, Key, KeyRange } from './rows.ts';

/**
 * - `pending`: not started, or given back
 * - `in_progress`: claimed; its lease says until when
 * - `completed`: every row of the range is in the sink
 * - `failed`: an error stopped it; the next run tries again
 */
export type CheckpointStatus = 'pending' | 'in_progress' | 'completed' | 'failed';

/** A checkpoint as it is stored. */
export interface Checkpoint {
  /** The store's own id of it, unique over all migrations. */
  readonly id: number;
  /** 1 for the first range of the plan, without gaps. */
  readonly seq: number;
  readonly range: KeyRange;
  readonly status: CheckpointStatus;
  /** The last key durably written; null before the first. */
  readonly cursor: Key | null;
  /** Rows of the source that were dealt with: written, set aside, or skipped by a transform. */
  readonly recordsProcessed: number;
  /** Rows that were written: as many, unless a transform makes more or fewer of them or rows are set aside. */
  readonly recordsWritten: number;
  /** Rows of the source that were set aside. */
  readonly recordsRejected: number;
  readonly errorMessage: string | null;
  readonly fenceToken: number;
}

/** A worker's right to a checkpoint. It ends when the fence token changes. */
export interface Lease {
  readonly migration: string;
  readonly id: number;
  readonly fenceToken: number;
}

/** What a plan depends on: a setting's name, and its value in text. A run with another fingerprint is refused. */
export type Fingerprint = Readonly<Record<string, string>>;

/** What is stored with a plan. */
export interface PlanSettings {
  readonly fingerprint: Fingerprint;
  /** Rows (or ids) a checkpoint, after `auto` was resolved: later extensions use the same. */
  readonly checkpointSize: number;
  /** True: one integer column; `start_id` and `end_id` are stored as integers, both inclusive. */
  readonly integerKey: boolean;
}

/** A plan as it is found in the store. */
export interface StoredPlan {
  /** Null: checkpoints without settings, as the script that this project grew out of left them. */
  readonly settings: PlanSettings | null;
  readonly checkpoints: number;
  /** The highest `seq`. Differs from `checkpoints` where someone deleted some of them. */
  readonly lastSeq: number;
  /** The end of the last range. */
  readonly end: Key;
}

/** Asks for checkpoints at the end of a plan. */
export interface AppendRequest {
  readonly settings: PlanSettings;
  /** The plan's last `seq` as the caller knows it, 0 for a new plan. Where it is another, nothing is written. */
  readonly afterSeq: number;
  readonly ranges: readonly KeyRange[];
}

/** Asks for checkpoints to work on. */
export interface ClaimRequest {
  /** Names the run. What a run failed at, it does not claim again. */
  readonly owner: string;
  readonly leaseMs: number;
  /** How many to take at the most, default 1. A store may take fewer, but at least one where one is free. */
  readonly most?: number | undefined;
}

/**
 * - `claimed`: it is the caller's until its lease ends; with `most`, so are those that were taken with it, in the order of `seq`
 * - `busy`: others hold what is left; the first of their leases ends in `waitMs`
 * - `none`: nothing is left that this run may work on
 */
export type ClaimOutcome =
  | { readonly kind: 'claimed'; readonly checkpoint: Checkpoint; readonly more?: readonly Checkpoint[] }
  | { readonly kind: 'busy'; readonly waitMs: number }
  | { readonly kind: 'none' };

/** Moves a checkpoint's cursor, under the condition that it still has our fence token and stands at `from`. */
export interface Advance {
  readonly lease: Lease;
  readonly from: Key | null;
  readonly to: Key;
  /** Source rows between the two. */
  readonly rows: number;
  /** Rows that were made of them and written. */
  readonly written: number;
  /** Those of the source rows that were set aside. */
  readonly rejected: number;
  /** True: no row of the range is left, so the checkpoint becomes `completed`. */
  readonly complete: boolean;
  /** Milliseconds, by the store's clock, for which the lease is renewed. */
  readonly leaseMs: number;
}

/** How a claimed checkpoint is given back. */
export type ReleaseOutcome =
  | { readonly status: 'pending' }
  | { readonly status: 'completed' }
  | { readonly status: 'failed'; readonly errorMessage: string };

/** Durable progress, in one answer whose cost does not grow with the rows. */
export interface StoreSummary {
  readonly pending: number;
  readonly inProgress: number;
  readonly completed: number;
  readonly failed: number;
  /** Numbers below the highest `seq` that no checkpoint has any more: someone deleted them. Left out where there are none. */
  readonly missing?: number | undefined;
  readonly recordsProcessed: number;
  readonly recordsWritten: number;
  readonly recordsRejected: number;
  /** The completed checkpoint with the highest `seq`. */
  readonly lastCompleted: Checkpoint | null;
  /** The first that is not completed: where a run would go on. */
  readonly next: Checkpoint | null;
}

/** Which checkpoints to list. */
export interface CheckpointFilter {
  readonly status?: CheckpointStatus | undefined;
  /** Only those after this one. Default 0. */
  readonly afterSeq?: number | undefined;
  /** Default 1,000. */
  readonly limit?: number | undefined;
}

/**
 * Remembers what is done. All decisions about leases are made by the store's own clock; every method may be called
 * again after it failed, and a method that says it wrote has written durably.
 */
export interface CheckpointStore {
  /** Where the checkpoints are, for messages. */
  readonly identity: string;
  /**
   * Makes the table, or adds to an older one what it lacks. Only `readPlan` is called before it; where that finds a plan, an
   * earlier run has prepared the table.
   */
  prepare(context?: CallContext): Promise<void>;
  /** The plan, or null where there is none (or no table yet). Writes nothing. */
  readPlan(migration: string, context?: CallContext): Promise<StoredPlan | null>;
  /** Appends checkpoints. False: the plan is longer than `afterSeq` already, and nothing was written. */
  append(migration: string, request: AppendRequest, context?: CallContext): Promise<boolean>;
  /** Gives settings to checkpoints that have none. False: they have some by now, or are not a whole plan. */
  adopt(migration: string, settings: PlanSettings, context?: CallContext): Promise<boolean>;
  /** Takes the first checkpoints that are free, each with a new fence token. */
  claim(migration: string, request: ClaimRequest, context?: CallContext): Promise<ClaimOutcome>;
  /** Lengthens a lease. False: it is lost. */
  renew(lease: Lease, leaseMs: number, context?: CallContext): Promise<boolean>;
  /** The second half of at-least-once delivery. */
  advance(advance: Advance, context?: CallContext): Promise<'committed' | 'stale'>;
  /** Gives a checkpoint back. False: the lease was lost, and nothing was written. */
  release(lease: Lease, outcome: ReleaseOutcome, context?: CallContext): Promise<boolean>;
  /** One checkpoint as it is stored now; null where it is not there any more. */
  read(migration: string, id: number, context?: CallContext): Promise<Checkpoint | null>;
  /** How far the migration is. */
  summarize(migration: string, context?: CallContext): Promise<StoreSummary>;
  /** Checkpoints in the order of `seq`. */
  list(migration: string, filter?: CheckpointFilter, context?: CallContext): Promise<readonly Checkpoint[]>;
  /** Puts checkpoints back to `pending` with no cursor and no counts, so that the next run copies them again. */
  reopen(migration: string, ids: readonly number[], context?: CallContext): Promise<void>;
  /** Forgets every checkpoint of the migration. */
  clear(migration: string, context?: CallContext): Promise<void>;
}
