/**
 * A process that copies, as a host does: it says what became of the run, closes what is its own, and must then end by
 * itself. Started by event-loop.test.ts.
 */
import { ResumableMigrator } from 'resumable-migrator';
import { D1RestSink } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

interface Task {
  readonly table: string;
  readonly signalAfterBatches?: number;
  readonly options?: object;
  readonly run?: object;
  readonly timeoutMs?: number;
}

const env = process.env as Record<string, string>;
const task = JSON.parse(env['TASK'] ?? '{}') as Task;
const controller = new AbortController();
let outcome = '';
{
  await using migrator = new ResumableMigrator({
    source: new PostgresKeysetSource({ connectionString: env['DATABASE_URL'] ?? '', table: task.table }),
    sink: new D1RestSink({
      accountId: env['CLOUDFLARE_ACCOUNT_ID'] ?? '',
      databaseId: env['D1_DATABASE_ID'] ?? '',
      apiToken: env['CLOUDFLARE_API_TOKEN'] ?? '',
      baseUrl: env['CLOUDFLARE_API_BASE_URL'],
      timeoutMs: task.timeoutMs,
      table: task.table,
    }),
    ...task.options,
  });
  let batches = 0;
  migrator.on('batch:committed', () => {
    batches += 1;
    if (batches === task.signalAfterBatches) controller.abort();
  });
  outcome = await migrator.run({ signal: controller.signal, ...task.run }).then(
    ({ status, reason }) => `${status} ${reason}`,
    (error: { code: string }) => `failed ${error.code}`,
  );
}
console.log(outcome);
// Asked a little later: what ends on its own accord has ended by then. The timer itself counts as long as it runs.
const ask = (): void => console.log(JSON.stringify(process.getActiveResourcesInfo().filter(isAlive)));
setTimeout(() => setImmediate(ask), 250);

/** The pipes of the output are the test's own. */
function isAlive(resource: string): boolean {
  return !/^(PipeWrap|TTYWrap|Immediate)$/.test(resource);
}
