import pLimit from 'p-limit';
import type { PauseReason, RunResult } from '../../contract/index.ts';
import { type GroupResult, isMigratorError, MigratorError, type TableResult } from '../../errors.ts';
import type { GroupOrder } from './group-options.ts';
import type { RunOptions } from '../run.ts';
import { SharedBudget } from './shared-budget.ts';

/** A table of a group, as far as the order depends on it. */
export interface GroupMember {
  readonly migration: string;
  /** The source's identity of the table. */
  readonly table: string;
  /** Identities of the tables that its rows refer to. */
  readonly references: readonly string[];
}

/** A table in its turn, and the tables of the group that have to be complete before it. */
export interface Turn<Member extends GroupMember = GroupMember> {
  readonly member: Member;
  readonly parents: readonly Member[];
}

/**
 * Puts tables in the order of copying. In the given order a table waits for the parents before it alone.
 *
 * @throws MigratorError `GROUP_CYCLE`
 */
export function arrange<Member extends GroupMember>(
  members: readonly Member[],
  order: GroupOrder,
): Turn<Member>[] {
  const turns = members.map((member, index) => ({
    member,
    parents: members.filter(
      (other, place) =>
        other.table !== member.table &&
        member.references.includes(other.table) &&
        (order === 'references' || place < index),
    ),
  }));
  const { sorted, rest } = sort(turns);
  if (rest.length > 0) throw cycleError(cyclesIn(rest));
  return sorted;
}

/** Takes the first turn whose parents have all been taken, again and again. What is left hangs on a cycle. */
function sort<Member extends GroupMember>(
  turns: readonly Turn<Member>[],
): { readonly sorted: Turn<Member>[]; readonly rest: Turn<Member>[] } {
  const sorted: Turn<Member>[] = [];
  const rest = [...turns];
  for (;;) {
    const waiting = new Set(rest.map(({ member }) => member));
    const next = rest.findIndex(({ parents }) => !parents.some((parent) => waiting.has(parent)));
    if (next === -1) return { sorted, rest };
    sorted.push(...rest.splice(next, 1));
  }
}

/** One cycle after the other, each in the order in which its tables refer to each other. */
function cyclesIn(turns: readonly Turn[]): GroupMember[][] {
  const cycles: GroupMember[][] = [];
  for (let left = [...turns]; left.length > 0;) {
    const path: Turn[] = [];
    // Every turn that is left has a parent that is left, so the walk comes back to where it was.
    for (let turn = left[0]; turn && !path.includes(turn);) {
      path.push(turn);
      const { parents } = turn;
      turn = left.find(({ member }) => parents.includes(member));
    }
    const last = path.at(-1);
    const start = path.findIndex(({ member }) => last?.parents.includes(member));
    const cycle = path.slice(start).map(({ member }) => member);
    cycles.push(cycle);
    const others = left.filter(({ member }) => !cycle.includes(member));
    left = sort(
      others.map(({ member, parents }) => ({ member, parents: parents.filter((p) => !cycle.includes(p)) })),
    ).rest;
  }
  return cycles;
}

function cycleError(cycles: readonly (readonly GroupMember[])[]): MigratorError {
  const shown = cycles.map((cycle) =>
    [...cycle, ...cycle.slice(0, 1)].map(({ migration }) => migration).join(' -> '),
  );
  return new MigratorError(
    'GROUP_CYCLE',
    `Tables refer to each other in a cycle, so none of them can be copied first: ${shown.join('; ')}. Nothing was written.`,
    {
      help: "Copy one table of the cycle without the column that refers to the next (the source's `columns`), and the order is found; or drop or leave out the foreign key in the sink until all is copied, as D1 checks it at every batch, and give the order yourself: add the tables in it, with `order: 'given'`.",
    },
  );
}

/** Copies a table, and tells `onBatch` of the rows of each batch. */
export type RunMember<Member extends GroupMember> = (
  member: Member,
  options: RunOptions,
  onBatch: (rows: number) => void,
) => Promise<RunResult>;

/** A table that could not be described, and so has no turn. */
export interface BrokenTable<Member extends GroupMember> {
  readonly migration: string;
  readonly error: MigratorError;
  readonly mayBeParentOf: (member: Member) => boolean;
}

/** How a group is run. */
export interface TurnOptions extends RunOptions {
  readonly concurrency: number;
}

/**
 * Copies the tables of a group in their turns.
 *
 * @throws MigratorError `GROUP_FAILED` where tables failed, with the result as `error.group`.
 */
export async function runGroup<Member extends GroupMember>(
  turns: readonly Turn<Member>[],
  runMember: RunMember<Member>,
  broken: readonly BrokenTable<Member>[],
  options: TurnOptions,
): Promise<GroupResult> {
  const started = performance.now();
  const run = new GroupRun(turns, runMember, broken, options);
  await run.execute();
  const tables = [
    ...broken.map(({ migration, error }) => failedTable(migration, error)),
    ...turns.map(({ member }) => run.outcomes.get(member)).filter((table) => table !== undefined),
  ];
  const result = summarize(tables, Math.round(performance.now() - started));
  if (result.status === 'failed') throw groupError(result);
  return result;
}

/** The result where the signal ended the group before the tables could be put in order. */
export function pausedGroup(migrations: readonly string[]): GroupResult {
  return summarize(
    migrations.map((migration) => skipped(migration, 'signal')),
    0,
  );
}

class GroupRun<Member extends GroupMember> {
  readonly outcomes: Map<Member, TableResult> = new Map();
  readonly #waiting: Set<Turn<Member>>;
  readonly #runMember: RunMember<Member>;
  readonly #broken: readonly BrokenTable<Member>[];
  readonly #options: TurnOptions;
  readonly #budget: SharedBudget;

  constructor(
    turns: readonly Turn<Member>[],
    runMember: RunMember<Member>,
    broken: readonly BrokenTable<Member>[],
    options: TurnOptions,
  ) {
    this.#broken = broken;
    this.#waiting = new Set(turns);
    this.#runMember = runMember;
    this.#options = options;
    this.#budget = new SharedBudget(options.budget ?? {});
  }

  async execute(): Promise<void> {
    const active = new Set<Promise<void>>();
    while (this.#waiting.size > 0 || active.size > 0) {
      const turn = active.size < this.#options.concurrency ? this.#next() : undefined;
      if (!turn) {
        await Promise.race(active);
        continue;
      }
      this.#waiting.delete(turn);
      const skip = this.#skip(turn);
      if (skip) {
        this.outcomes.set(turn.member, skip);
        continue;
      }
      const task = this.#copy(turn.member).finally(() => active.delete(task));
      active.add(task);
    }
  }

  /** The first table whose parents have all ended, in whatever way. Where none is active there is one. */
  #next(): Turn<Member> | undefined {
    return [...this.#waiting].find(({ parents }) => parents.every((parent) => this.outcomes.has(parent)));
  }

  /** Why the table is not to be copied now; null where it is. */
  #skip({ member, parents }: Turn<Member>): TableResult | null {
    const incomplete = parents
      .map((parent) => this.outcomes.get(parent))
      .filter((outcome) => outcome !== undefined)
      .filter(({ status }) => status !== 'completed');
    const unknown = this.#broken.filter((table) => table.mayBeParentOf(member));
    const names = [...unknown, ...incomplete].map(({ migration }) => migration);
    // A failure above says more than that the group is ending anyway.
    const broken = incomplete.some(
      (outcome) =>
        outcome.status === 'failed' || (outcome.status === 'skipped' && outcome.reason === 'parents'),
    );
    if (broken || unknown.length > 0) return skipped(member.migration, 'parents', names);
    if (this.#options.signal?.aborted) return skipped(member.migration, 'signal');
    if (this.#budget.spent) return skipped(member.migration, 'budget');
    if (this.#quotaIsUsedUp()) return skipped(member.migration, 'quota');
    return names.length > 0 ? skipped(member.migration, 'parents', names) : null;
  }

  #quotaIsUsedUp(): boolean {
    return [...this.outcomes.values()].some(
      (outcome) => outcome.status === 'paused' && outcome.result.reason === 'quota',
    );
  }

  async #copy(member: Member): Promise<void> {
    const { migration } = member;
    const share = this.#budget.share();
    const { signal } = this.#options;
    try {
      const options = { signal, budget: share.budget };
      const result = await this.#runMember(member, options, (rows) => share.committed(rows));
      // Rejected with where it is anything else.
      const status = result.status === 'completed' ? 'completed' : 'paused';
      this.outcomes.set(member, { migration, status, result });
    } catch (error) {
      const stopped = signal?.aborted === true && error === signal.reason;
      this.outcomes.set(member, stopped ? skipped(migration, 'signal') : failedTable(migration, error));
    }
  }
}

/** A table that an error ended. */
function failedTable(migration: string, cause: unknown): TableResult {
  const error = asMigratorError(cause, migration);
  return { migration, status: 'failed', error, result: error.result ?? null };
}

/** The error itself with its migration, or one around what some adapter threw. */
export function asMigratorError(error: unknown, migration: string): MigratorError {
  if (isMigratorError(error)) return error.place.migration === undefined ? error.with({ migration }) : error;
  return new MigratorError('INTERNAL', error instanceof Error ? error.message : String(error), {
    migration,
    help: 'An adapter threw something that is no MigratorError: see `cause`.',
    cause: error,
  });
}

function skipped(
  migration: string,
  reason: 'parents' | PauseReason,
  parents: readonly string[] = [],
): TableResult {
  const are = parents.length === 1 ? 'is' : 'are';
  const message = {
    parents: `Its rows refer to rows of ${parents.join(', ')}, which ${are} not complete.`,
    signal: 'The signal ended the run before its turn.',
    budget: 'The budget was spent before its turn.',
    quota: 'A quota of the sink was used up before its turn.',
  }[reason];
  return { migration, status: 'skipped', reason, parents, message };
}

function summarize(tables: readonly TableResult[], milliseconds: number): GroupResult {
  const count = (status: TableResult['status']): number =>
    tables.filter((table) => table.status === status).length;
  const results = tables.map((table) => (table.status === 'skipped' ? null : table.result));
  const sum = (field: 'rows' | 'written' | 'rejected' | 'batches' | 'completedCheckpoints'): number =>
    results.reduce((total, result) => total + (result?.[field] ?? 0), 0);
  const totals = {
    tables: tables.length,
    completed: count('completed'),
    paused: count('paused'),
    failed: count('failed'),
    skipped: count('skipped'),
    rows: sum('rows'),
    written: sum('written'),
    rejected: sum('rejected'),
    batches: sum('batches'),
    completedCheckpoints: sum('completedCheckpoints'),
  };
  const status = totals.failed > 0 ? 'failed' : totals.completed === totals.tables ? 'completed' : 'paused';
  const isPaused = status === 'paused';
  const resumeAt = isPaused ? resumeAtOf(tables) : null;
  return { status, reason: isPaused ? reasonOf(tables) : null, resumeAt, tables, totals, milliseconds };
}

function reasonOf(tables: readonly TableResult[]): GroupResult['reason'] {
  for (const table of tables) {
    const reason =
      table.status === 'paused' ? table.result.reason : table.status === 'skipped' ? table.reason : null;
    if (reason !== null && reason !== 'parents') return reason;
  }
  return null;
}

/** The latest of them: before it some table could not go on. */
function resumeAtOf(tables: readonly TableResult[]): Date | null {
  const times = tables.flatMap((table) => (table.status === 'paused' ? (table.result.resumeAt ?? []) : []));
  return times.length === 0 ? null : new Date(Math.max(...times.map(Number)));
}

function groupError(group: GroupResult): MigratorError {
  const { tables, failed, skipped: left } = group.totals;
  const failures = group.tables.filter((table) => table.status === 'failed');
  const [first] = failures;
  const also = left === 0 ? '' : `; ${left} ${left === 1 ? 'was' : 'were'} not begun`;
  return new MigratorError(
    'GROUP_FAILED',
    `${failed} of ${tables} tables failed${also}. The first: ${first?.error.message ?? ''}`,
    {
      help: `${first ? `${first.error.help} ` : ''}Then run the group again: what is complete is skipped, the rest goes on where it stopped.`,
      retryable: failures.every(({ error }) => error.retryable),
      cause: first?.error,
      group,
    },
  );
}

/** Asks every table the same, `concurrency` of them at a time; answers stand in the order of the tables. */
export async function askEach<Member, Answer>(
  members: readonly Member[],
  concurrency: number,
  ask: (member: Member, index: number) => Promise<Answer>,
): Promise<Answer[]> {
  const limit = pLimit(concurrency);
  return await Promise.all(members.map((member, index) => limit(() => ask(member, index))));
}
