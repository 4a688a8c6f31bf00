import { PgBoss } from 'pg-boss';
import type { Environment } from '../cli/configuration.ts';

/** What a job is told: the table of which it copies a slice. */
export interface SliceJob {
  readonly table: string;
}

export const sliceQueue = 'copy-slice';

/** How long one job copies at the most; then it sends itself again, and other tables have their turn. */
export const sliceMs = 20_000;

/** Opens the queue. Its tables are made in the schema `pgboss` of QUEUE_DATABASE_URL, or of the source itself. */
export async function openQueue(env: Environment, onError: (error: Error) => void): Promise<PgBoss> {
  const connectionString = env['QUEUE_DATABASE_URL'] ?? env['DATABASE_URL'] ?? '';
  const boss = new PgBoss({
    connectionString,
    application_name: 'job-queue',
    // A worker that died is noticed by the others, so they look often.
    superviseIntervalSeconds: 2,
    monitorIntervalSeconds: 2,
  });
  boss.on('error', onError);
  await boss.start();
  await boss.createQueue(sliceQueue, {
    // One job that waits and one that works for each table: a job can send its successor before it ends, and asking
    // twice for the same table makes no second chain.
    policy: 'stately',
    // A job whose process is silent for so long is given to another. Should the process live all the same, the leases of
    // the checkpoints keep the two from writing the same rows.
    heartbeatSeconds: 10,
    expireInSeconds: 15 * 60,
    retryLimit: 20,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 60,
  });
  return boss;
}

/** Asks for the next slice of a table. False: it was asked for already. */
export async function sendSlice(boss: PgBoss, table: string, startAfter?: Date | null): Promise<boolean> {
  const data: SliceJob = { table };
  const id = await boss.send(sliceQueue, data, { singletonKey: table, ...(startAfter && { startAfter }) });
  return id !== null;
}
