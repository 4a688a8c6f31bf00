import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import pg from 'pg';
import { startPostgres } from '../../examples/local/postgres.ts';
import { DRIVE_ROWS } from '../../examples/local/sample-data.ts';
import { type GrowthPoint, measureGrowth } from './growth.ts';
import { figuresOf, type LineFigures, type Measured } from './lines.ts';
import { record } from './recording.ts';
import { fromAfar, throughApi } from './subjects/cloudflare.ts';
import { readingAlone } from './subjects/copy-out.ts';
import { dumpAndWrangler } from './subjects/dump.ts';
import { guide, sling } from './subjects/inserts.ts';
import { overRest, restCeiling } from './subjects/rest.ts';
import type { Subject, Turn } from './subjects/subject.ts';
import { insideWorker, workerCeiling } from './subjects/worker.ts';
import { type BenchTable, checkContents, makeNarrow, makeWide } from './tables.ts';

/** What can be asked for by a word. */
export const SUBJECTS: Readonly<Record<string, readonly Subject[]>> = {
  ceiling: [restCeiling],
  rest: [overRest],
  worker: [workerCeiling, insideWorker],
  copy: [readingAlone],
  api: [throughApi],
  dump: [dumpAndWrangler],
  sling: [sling],
  guide: [guide],
  cloudflare: [fromAfar],
};

/** These take minutes, or are there for others that do: they have their turn in {@link slowRounds}. */
const slow: ReadonlySet<Subject> = new Set([throughApi, dumpAndWrangler, sling, guide, fromAfar]);

const mostSlowRounds = 3;

/** The rounds in which what takes minutes has its turn; the first round is 1. */
export function slowRounds(rounds: number): number[] {
  const every = Math.ceil(rounds / mostSlowRounds);
  return Array.from({ length: Math.ceil(rounds / every) }, (_, index) => index * every + 1);
}

/** What has its turn in a round. What comes first, or behind what, may matter, so every second round goes the other way round. */
export function turnsOf(subjects: readonly Subject[], round: number, rounds: number): Subject[] {
  const turns = subjects.filter((one) => slowRounds(rounds).includes(round) || !slow.has(one));
  return round % 2 === 0 ? turns.toReversed() : turns;
}

export interface BenchOptions {
  readonly rounds: number;
  /** Rows of the narrow table; the wide one is smaller in the same proportion. */
  readonly rows: number;
  readonly subjects: readonly Subject[];
  /** Lengths of tables for speed and memory; see {@link lengthsOf}. */
  readonly lengths: readonly number[];
  readonly log: (line: string) => void;
}

/** Everything that was measured in one run. */
export interface BenchReport {
  readonly date: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryBytes: number };
  readonly versions: Readonly<Record<'package' | 'node' | 'postgres' | 'workerd' | 'wrangler', string>>;
  readonly rounds: number;
  readonly tables: readonly TableReport[];
  readonly growth: readonly GrowthPoint[];
}

export interface TableReport {
  readonly name: 'narrow' | 'wide';
  readonly rows: number;
  readonly columns: number;
  /** Bytes of the recorded requests: the texts of the rows, with the statements around them. */
  readonly bytes: number;
  readonly lines: readonly LineFigures[];
}

/** Measures; rejects where anything that was copied is not what PostgreSQL holds. */
export async function bench({ rows, rounds, subjects, lengths, log }: BenchOptions): Promise<BenchReport> {
  if (!existsSync(new URL('../../dist/index.js', import.meta.url)))
    throw new Error('The benchmark measures the built package: npm run build');
  await using postgres = await startPostgres();
  log(`Making a table of ${rows} rows, and a wide one`);
  const narrow = await makeNarrow(postgres.connectionString, rows);
  const wide = await makeWide(postgres.connectionString, rows);
  const checkOf =
    (table: BenchTable): Turn['check'] =>
    (d1, what, contents = table) =>
      checkContents(d1, table, contents, what);

  const tables: TableReport[] = [];
  if (subjects.length > 0) {
    await using recordedNarrow = await record(postgres, narrow);
    await using recordedWide = await record(postgres, wide);
    const measuredTables = [
      { name: 'narrow', table: narrow, recording: recordedNarrow, measured: [] as Measured[][] },
      { name: 'wide', table: wide, recording: recordedWide, measured: [] as Measured[][] },
    ] as const;
    for (let n = 1; n <= rounds; n += 1) {
      for (const { name, table, recording, measured } of measuredTables) {
        const ofRound: Measured[] = [];
        for (const subject of turnsOf(subjects, n, rounds)) {
          const turn = { postgres, table, recording, check: checkOf(table) };
          for (const one of await subject(turn)) {
            ofRound.push(one);
            log(`  round ${n}, ${name}: ${one.line}${inFlight(one)} ${one.seconds.toFixed(2)} s${part(one)}`);
          }
        }
        measured.push(ofRound);
      }
    }
    for (const { name, table, recording, measured } of measuredTables) {
      const { rows: count, columns } = table;
      const lines = figuresOf(count, measured);
      tables.push({ name, rows: count, columns: Object.keys(columns).length, bytes: recording.bytes, lines });
    }
  }
  const growth = await measureGrowth(postgres, lengths, { checkOf, log });
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: { cpu: cpus()[0]?.model.trim() ?? '', cores: availableParallelism(), memoryBytes: totalmem() },
    versions: await versions(postgres.connectionString),
    rounds,
    tables,
    growth,
  };
}

/** 200,000, 1 and 2 million rows where the narrow table is whole, and 10 and 20 million where `large` is asked for. */
export function lengthsOf(rows: number, large: boolean): number[] {
  const millions = [0.2, 1, 2, ...(large ? [10, 20] : [])];
  return millions.map((count) => Math.ceil(count * 1_000_000 * Math.min(1, rows / DRIVE_ROWS)));
}

function inFlight({ inFlight: requests }: Measured): string {
  return requests === undefined ? '' : `, ${requests} in flight`;
}

function part({ part: rows }: Measured): string {
  return rows === undefined ? '' : ` for ${rows} rows`;
}

async function versions(connectionString: string): Promise<BenchReport['versions']> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  await client.end();
  const of = (path: string): string => {
    const text = readFileSync(new URL(`../../${path}/package.json`, import.meta.url), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  };
  return {
    package: of('.'),
    node: process.versions.node,
    postgres: rows[0]?.server_version ?? '',
    workerd: of('node_modules/workerd'),
    wrangler: of('node_modules/wrangler'),
  };
}
