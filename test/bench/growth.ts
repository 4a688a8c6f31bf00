import type { LocalPostgres } from '../../examples/local/postgres.ts';
import { runChild } from './child-process.ts';
import { round } from './lines.ts';
import type { SdkJob, SdkResult } from './sdk-child.ts';
import { sdkChild } from './subjects/rest.ts';
import type { Turn } from './subjects/subject.ts';
import { type BenchTable, dropTable, makeDriveOf } from './tables.ts';
import { freshTarget } from './target.ts';

/** A copy of a table of some length. */
export interface GrowthPoint {
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly memory: Peak;
  /** With {@link smallYoungSpace}, in a run of its own. */
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

/** Whether speed and memory stay as they are when the table grows: tables like the narrow one, of other lengths. */
export async function measureGrowth(
  postgres: LocalPostgres,
  lengths: readonly number[],
  { checkOf, log }: { checkOf: (table: BenchTable) => Turn['check']; log: (line: string) => void },
): Promise<GrowthPoint[]> {
  const points: GrowthPoint[] = [];
  for (const rows of lengths) {
    const table = await makeDriveOf(postgres.connectionString, rows);
    const copy = async (nodeOptions: string): Promise<{ readonly seconds: number; readonly peak: Peak }> => {
      await using target = await freshTarget(postgres);
      const job: SdkJob = { kind: 'copy', table: table.table };
      const env = { ...target.env, NODE_OPTIONS: nodeOptions };
      const { seconds, memory } = await runChild<SdkResult>(sdkChild, env, job);
      await checkOf(table)(target.d1, `this package, ${rows} rows`);
      const peak = { grown: memory.peak - memory.before, whole: memory.peak };
      const words = [nodeOptions, `${seconds.toFixed(2)} s, ${(peak.grown / 1e6).toFixed(0)} MB`];
      log(`  ${rows} rows: ${words.filter(Boolean).join(' ')}`);
      return { seconds, peak };
    };
    const { seconds, peak: memory } = await copy('');
    const { peak: smallMemory } = await copy(smallYoungSpace);
    await dropTable(postgres.connectionString, table);
    points.push({
      rows,
      seconds: round(seconds),
      rowsPerSecond: Math.round(rows / seconds),
      memory,
      smallMemory,
    });
  }
  return points;
}
