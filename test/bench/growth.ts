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
  /** The peak of the copying process's memory, without what it held before it began. */
  readonly peakBytes: number;
}

/** Whether speed and memory stay as they are when the table grows: tables like the narrow one, of other lengths. */
export async function measureGrowth(
  postgres: LocalPostgres,
  lengths: readonly number[],
  { checkOf, log }: { checkOf: (table: BenchTable) => Turn['check']; log: (line: string) => void },
): Promise<GrowthPoint[]> {
  const points: GrowthPoint[] = [];
  for (const rows of lengths) {
    const table = await makeDriveOf(postgres.connectionString, rows);
    await using target = await freshTarget(postgres);
    const job: SdkJob = { kind: 'copy', table: table.table };
    const { seconds, memory } = await runChild<SdkResult>(sdkChild, target.env, job);
    await checkOf(table)(target.d1, `this package, ${rows} rows`);
    await dropTable(postgres.connectionString, table);
    const peakBytes = memory.peak - memory.before;
    log(`  ${rows} rows: ${seconds.toFixed(2)} s, ${(peakBytes / 1e6).toFixed(0)} MB`);
    points.push({ rows, seconds: round(seconds), rowsPerSecond: Math.round(rows / seconds), peakBytes });
  }
  return points;
}
