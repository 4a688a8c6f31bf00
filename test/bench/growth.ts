import type { LocalPostgres } from '../../examples/local/postgres.ts';
import { runChild } from './child-process.ts';
import { median, round } from './lines.ts';
import type { SdkJob, SdkResult } from './sdk-child.ts';
import { sdkChild } from './subjects/rest.ts';
import type { Turn } from './subjects/subject.ts';
import { type BenchTable, dropTable, makeDriveOf } from './tables.ts';
import { freshTarget } from './target.ts';

/** Copies of a table of some length. */
export interface GrowthPoint {
  readonly rows: number;
  /** The median of all of them. */
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly memory: Peak;
  /** With {@link smallYoungSpace}, in runs of their own. */
  readonly smallMemory: Peak;
}

/** The most memory that the copying process needed: bytes. */
interface Peak {
  /** Without what it held before it began. */
  readonly grown: number;
  readonly whole: number;
}

/** Keeps Node's space for young objects as small as it begins, which otherwise grows with what a process has made in all. */
export const smallYoungSpace = '--max-semi-space-size=1';

/** The options of Node in each round: what differs between lengths is to be the length, and not what the machine did at the time. */
const nodeOptionsOfRounds = ['', smallYoungSpace, ''] as const;

/** Whether speed and memory stay as they are when the table grows: tables like the narrow one, of other lengths, each copied in every round. */
export async function measureGrowth(
  postgres: LocalPostgres,
  lengths: readonly number[],
  { checkOf, log }: { checkOf: (table: BenchTable) => Turn['check']; log: (line: string) => void },
): Promise<GrowthPoint[]> {
  const tables: { readonly rows: number; readonly table: BenchTable; readonly copies: Copy[] }[] = [];
  for (const rows of lengths)
    tables.push({ rows, table: await makeDriveOf(postgres.connectionString, rows), copies: [] });
  for (const nodeOptions of nodeOptionsOfRounds) {
    for (const { rows, table, copies } of tables) {
      await using target = await freshTarget(postgres);
      const job: SdkJob = { kind: 'copy', table: table.table };
      const env = { ...target.env, NODE_OPTIONS: nodeOptions };
      const { seconds, memory } = await runChild<SdkResult>(sdkChild, env, job);
      await checkOf(table)(target.d1, `this package, ${rows} rows`);
      const peak = { grown: memory.peak - memory.before, whole: memory.peak };
      copies.push({ nodeOptions, seconds, peak });
      const words = [nodeOptions, `${seconds.toFixed(2)} s, ${(peak.grown / 1e6).toFixed(0)} MB`];
      log(`  ${rows} rows: ${words.filter(Boolean).join(' ')}`);
    }
  }
  return await Promise.all(
    tables.map(async ({ rows, table, copies }) => {
      await dropTable(postgres.connectionString, table);
      const seconds = median(copies.map((copy) => copy.seconds));
      const [memory, smallMemory] = ['', smallYoungSpace].map((options) => highest(copies, options));
      return {
        rows,
        seconds: round(seconds),
        rowsPerSecond: Math.round(rows / seconds),
        memory: memory as Peak,
        smallMemory: smallMemory as Peak,
      };
    }),
  );
}

interface Copy {
  readonly nodeOptions: string;
  readonly seconds: number;
  readonly peak: Peak;
}

/** The most that any of the copies with these options needed. */
function highest(copies: readonly Copy[], nodeOptions: string): Peak {
  const peaks = copies.filter((copy) => copy.nodeOptions === nodeOptions).map(({ peak }) => peak);
  return {
    grown: Math.max(...peaks.map(({ grown }) => grown)),
    whole: Math.max(...peaks.map(({ whole }) => whole)),
  };
}
