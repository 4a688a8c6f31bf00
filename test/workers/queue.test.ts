import { afterAll, beforeAll, expect, test } from 'vitest';
import { workerOptions } from '../../examples/local/worker-options.ts';
import type { SampleTable } from '../../examples/local/sample-data.ts';
import { equal, type ObservedStack, rows, startObserved, until } from './observed-stack.ts';
import type { Report } from './observed-d1.ts';

interface Table {
  readonly table: string;
  readonly progress: { readonly rows: number };
}

const { bindings, miniflare } = workerOptions(
  new URL('../../examples/worker-queue/wrangler.jsonc', import.meta.url),
);
let stack: ObservedStack;

beforeAll(async () => {
  const TABLES = ['coordinate_speed_new', 'camera_locations', 'no_such_table'];
  stack = await startObserved({
    example: 'worker-queue',
    script: './queue-worker.ts',
    variables: {
      TABLES,
      CONSUMERS: 2,
      SLICE_BATCHES: 1,
      RETRY_SECONDS: 1,
    },
    miniflare: {
      queueConsumers: {
        ...(miniflare['queueConsumers'] as object),
        'copy-slices-dead': { maxBatchTimeout: 0 },
      },
    },
  });
  await (await stack.d1.database()).exec('CREATE TABLE dead (message TEXT NOT NULL)');
});
afterAll(async () => await stack?.[Symbol.asyncDispose]());

const tables = async (): Promise<[Table, Table, Table]> => (await stack.fetch('/')) as [Table, Table, Table];
const invocations = (table: string): Report[] =>
  [...stack.reports.values()].filter((one) => one.table === table);

/** Hands a message to a consumer, beside those that the local queue hands out one after the other. */
async function deliver(left: number): Promise<void> {
  const body = { table: 'coordinate_speed_new', left };
  const message = { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body };
  const { outcome, explicitAcks } = await (await stack.d1.worker('copy')).queue('copy-slices', [message]);
  expect({ outcome, explicitAcks }).toEqual({ outcome: 'ok', explicitAcks: [message.id] });
}

test('a message with none left after it copies its slice and sends no other', async () => {
  expect(await tables()).toMatchObject([{ progress: { rows: 0 } }, { progress: { rows: 0 } }, {}]);
  await deliver(0);
  expect(invocations('coordinate_speed_new')).toMatchObject([{ sent: 0 }]);
  const [drive] = await tables();
  expect(drive.progress.rows).toBeGreaterThan(0);
  expect(drive.progress.rows).toBeLessThan(50_000);
});

test('consumers copy tables at the same time, through a kill of the whole runtime, each row once', async () => {
  const met = stack.meet(3);
  await stack.fetch('/start', 'POST');
  await Promise.all([met, deliver(1_000), deliver(1_000)]);

  await stack.killAt('coordinate_speed_new', 200_000);
  const [killed] = await tables();
  expect(killed.progress.rows).toBeGreaterThan(100_000);
  expect(killed.progress.rows).toBeLessThan(rows.coordinate_speed_new);
  // The local queue keeps its messages in memory alone, so they are sent again.
  await stack.fetch('/start', 'POST');

  const isComplete = (table: SampleTable, { progress }: Table): boolean => progress.rows === rows[table];
  await until(
    tables,
    ([first, second]) => isComplete('coordinate_speed_new', first) && isComplete('camera_locations', second),
  );
  for (const table of ['coordinate_speed_new', 'camera_locations'] as const) {
    expect(await stack.compare(table)).toEqual(equal(table));
  }
}, 120_000);

test('a failure that a later try may mend has the message delivered again, after a while', () => {
  const tries = invocations('camera_locations');
  // PostgreSQL refused the connection at every first try, so whatever was copied was copied by another.
  expect(tries.filter(({ attempt, rowsWritten }) => attempt === 1 && rowsWritten > 0)).toEqual([]);
  expect(
    tries.filter(({ attempt, rowsWritten }) => attempt === 2 && rowsWritten > rows.camera_locations),
  ).toHaveLength(1);
});

test('a failure that no further try can mend is a dead letter at once, which says why', async () => {
  const { results } = await (
    await stack.d1.database()
  )
    .prepare('SELECT message FROM dead')
    .all<{ message: string }>();
  const letters = results.map(({ message }) => JSON.parse(message) as object);
  expect(letters.length).toBeGreaterThan(0);
  for (const letter of letters) {
    const error = expect.stringMatching(/^SOURCE_TABLE_NOT_FOUND: /) as string;
    expect(letter).toEqual({ table: 'no_such_table', left: expect.any(Number) as number, error });
  }
  expect(invocations('no_such_table').filter(({ attempt, sent }) => attempt > 1 || sent > 0)).toEqual([]);
});

test('a message is followed by one at the most, and sends D1 fewer than 1,000 queries', async () => {
  const all = [...stack.reports.values()];
  const connections = await stack.connections();
  for (const { queries, sent } of all) {
    expect(sent).toBeLessThanOrEqual(1);
    expect(queries + connections).toBeLessThan(1_000);
  }
  // A slice of the size that is configured costs what a slice of one batch does, and some three queries each further batch.
  const oneSlice = Math.max(...all.map(({ queries }) => queries));
  expect(oneSlice + 3 * (Number(bindings['SLICE_BATCHES']) - 1)).toBeLessThan(900);
  console.log(
    `${all.length} messages; queries: ${all.map(({ table, queries }) => `${table} ${queries}`).join(', ')}.`,
  );
});
