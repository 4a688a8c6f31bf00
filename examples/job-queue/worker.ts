/**
 * Copies tables slice by slice, as jobs of pg-boss. Any number of these may run, on any number of machines; one that is
 * killed is replaced by another as soon as its heartbeat is missed. It takes the variables of the command
 * (`migrate-with-resume.ts --help`), and SLICE_MS.
 *
 * `enqueue.ts` says which tables are to be copied.
 */
import { once } from 'node:events';
import { isMigratorError, type MigratorError, type RunResult } from 'resumable-migrator';
import { ConfigurationError, readConfiguration, type Configuration } from '../cli/configuration.ts';
import { migratorOf } from '../node-service/migrator.ts';
import { openQueue, sendSlice, type SliceJob, sliceMs, sliceQueue } from './queue.ts';

const { env } = process;
const ending = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ending.abort());

try {
  const configuration = readConfiguration([], env);
  if (configuration) await work(configuration);
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

async function work(configuration: Configuration): Promise<void> {
  const boss = await openQueue(env, (error) => console.error(`queue: ${error.message}`));
  const milliseconds = Number(env['SLICE_MS'] ?? sliceMs);
  await boss.work<SliceJob>(sliceQueue, { pollingIntervalSeconds: 0.5 }, async ([job]) => {
    if (!job) return;
    const { table } = job.data;
    // The job's own signal says that it was given to another worker.
    const signal = AbortSignal.any([job.signal, ending.signal]);
    console.log(`${table}: job ${job.id} begins`);
    const result = await copySlice(configuration, table, milliseconds, signal);
    if (isMigratorError(result)) {
      console.log(`${table}: failed, ${result.code}. ${result.help}`);
      // The queue keeps what is thrown, and tries again, later and later. A message may name a row's key; a code does not.
      throw new Error(result.code);
    }
    console.log(describe(table, result));
    // Before this job ends: should the process die in between, both jobs are there, and one finds nothing to do.
    if (result.status === 'paused') await sendSlice(boss, table, result.resumeAt);
  });
  console.log('ready');
  if (!ending.signal.aborted) await once(ending.signal, 'abort');
  // The slice in hand ends by the signal, and its job sends the next one for whoever is left.
  await boss.stop({ graceful: true, timeout: 40_000 });
}

/** Copies for a while, and answers with what was done, or with what went wrong. */
async function copySlice(
  configuration: Configuration,
  table: string,
  milliseconds: number,
  signal: AbortSignal,
): Promise<RunResult | MigratorError> {
  await using migrator = migratorOf(configuration, table);
  try {
    return await migrator.run({ signal, budget: { milliseconds } });
  } catch (error) {
    if (isMigratorError(error)) return error;
    throw error;
  }
}

function describe(table: string, { status, reason, rows, progress }: RunResult): string {
  const why = reason === null ? '' : ` (${reason})`;
  const { completed, total } = progress.checkpoints;
  const number = (value: number): string => value.toLocaleString('en');
  return `${table}: ${status}${why}, ${number(rows)} rows in this slice, ${number(progress.rows)} in all, ${completed} of ${total} checkpoints`;
}
