import type { LocalD1 } from '../../../examples/local/d1.ts';
import type { LocalPostgres } from '../../../examples/local/postgres.ts';
import type { Measured } from '../lines.ts';
import type { Recording } from '../recording.ts';
import type { BenchTable, Contents } from '../tables.ts';

/** What a subject finds when its turn comes. */
export interface Turn {
  readonly postgres: LocalPostgres;
  readonly table: BenchTable;
  readonly recording: Recording;
  /** Fails the benchmark unless D1 holds the whole table, or the given part of it. */
  check(d1: Pick<LocalD1, 'directory'>, what: string, contents?: Contents): Promise<void>;
}

/** Something that is measured; in every round it has its turn on each table. */
export type Subject = (turn: Turn) => Promise<Measured[]>;
