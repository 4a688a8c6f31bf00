import { afterAll, beforeAll, expect, test } from 'vitest';
import { workerOptions } from '../../examples/local/worker-options.ts';
import type { Report } from './observed-d1.ts';
import { equal, type ObservedStack, rows, startObserved, until } from './observed-stack.ts';

interface Table {
  readonly table: string;
  readonly instance: string | null;
  readonly status: string;
  readonly error: { readonly message: string } | null;
  readonly progress: { readonly rows: number };
}
/** The local runtime's status of an instance. */
interface Instance {
  readonly status: string;
  readonly __LOCAL_DEV_STEP_OUTPUTS: readonly object[];
}

const configuration = new URL('../../examples/worker-workflow/wrangler.jsonc', import.meta.url);
let stack: ObservedStack;

beforeAll(async () => {
  const TABLES = ['coordinate_speed_new', 'camera_locations', 'no_such_table'];
  stack = await startObserved({
    example: 'worker-workflow',
    script: './workflow-worker.ts',
    // A slice is one batch, so that the larger table needs more slices than one instance may have.
    variables: { TABLES, SLICE_BATCHES: 1 },
  });
});
afterAll(async () => await stack?.[Symbol.asyncDispose]());

const tables = async (): Promise<Table[]> => (await stack.fetch('/')) as Table[];
const drive = async (): Promise<Table> => (await tables())[0] as Table;
const instance = async (id: string): Promise<Instance> => (await stack.fetch(`/?instance=${id}`)) as Instance;

/** The first invocation that wrote rows of a table. */
function copyOf(name: string): Report | undefined {
  return [...stack.reports.values()].find(({ table, rowsWritten }) => table === name && rowsWritten > 0);
}

test('a workflow copies tables through a kill of the whole runtime and a pause, each row once', async () => {
  expect(await tables()).toMatchObject([
    { status: 'not started', progress: { rows: 0 } },
    { status: 'not started', progress: { rows: 0 } },
    { status: 'not started', progress: { rows: 0 } },
  ]);
  await stack.fetch('/start', 'POST');
  await stack.killAt('coordinate_speed_new', 80_000);
  // The step that was killed had committed rows, and has returned nothing.
  const { progress } = await drive();
  expect(progress.rows).toBeGreaterThan(0);
  expect(progress.rows).toBeLessThan(rows.coordinate_speed_new);
  const { __LOCAL_DEV_STEP_OUTPUTS: returned } = await instance('coordinate_speed_new-1');
  expect(sumOf(returned)).toBeLessThan(progress.rows);

  for (const { table } of await tables()) await stack.fetch(`/wake?instance=${table}-1`);
  await until(drive, ({ progress: now }) => now.rows > progress.rows);
  await stack.fetch('/pause', 'POST');
  const paused = await until(drive, ({ status }) => status === 'paused');
  expect(paused.progress.rows).toBeLessThan(rows.coordinate_speed_new);
  // What is paused is neither started anew nor started twice.
  await stack.fetch('/start', 'POST');
  expect(await drive()).toEqual(paused);
  await stack.fetch('/resume', 'POST');

  const isOver = ({ status }: Table): boolean => status === 'complete' || status === 'errored';
  expect(await until(tables, (all) => all.every(isOver))).toMatchObject([
    // It took more slices than one instance has.
    { instance: 'coordinate_speed_new-2', status: 'complete', progress: { rows: rows.coordinate_speed_new } },
    { instance: 'camera_locations-1', status: 'complete', progress: { rows: rows.camera_locations } },
    // What no further try can mend ends an instance at once; it would have had five more tries.
    {
      instance: 'no_such_table-1',
      status: 'errored',
      error: { message: expect.stringMatching(/^SOURCE_TABLE_NOT_FOUND: /) as string },
    },
  ]);
  for (const table of ['coordinate_speed_new', 'camera_locations'] as const) {
    expect(await stack.compare(table)).toEqual(equal(table));
  }
}, 240_000);

test('a failure that a later try may mend has the step tried again', () => {
  // PostgreSQL had no connection for the first try, and the copy was completed by a later one of the same run.
  const copied = copyOf('camera_locations');
  expect(copied).toMatchObject({ attempt: 2 });
  expect(copied?.rowsWritten).toBeGreaterThan(rows.camera_locations);
});

test('an instance has few steps, which return little', async () => {
  const { __LOCAL_DEV_STEP_OUTPUTS: outputs } = await instance('coordinate_speed_new-1');
  // Its slices and the step that hands over to the next instance, of 1,024 that Workflows allows at least.
  expect(outputs).toHaveLength(11);
  expect(outputs.at(-1)).toEqual({ nextPart: 2 });
  for (const output of outputs) expect(JSON.stringify(output).length).toBeLessThan(200);
});

test('all slices of an instance together stay below the 1,000 queries that an invocation may send D1', async () => {
  const connections = await stack.connections();
  const invocations = [...stack.reports.values()];
  for (const { queries } of invocations) expect(queries + connections).toBeLessThan(1_000);
  // A slice of the size that is configured costs what a slice of one batch does, and some three queries each further batch.
  const oneSlice = copyOf('camera_locations')?.queries ?? NaN;
  const batches = Number(workerOptions(configuration).bindings['SLICE_BATCHES']);
  expect(10 * (oneSlice + 3 * (batches - 1))).toBeLessThan(900);
  console.log(`Queries: ${invocations.map(({ table, queries }) => `${table} ${queries}`).join(', ')}.`);
});

test('a row that is written twice is found by the comparison', async () => {
  const database = await stack.d1.database();
  await database.prepare('INSERT INTO camera_locations SELECT * FROM camera_locations WHERE id = 7').run();
  expect(await stack.compare('camera_locations')).toMatchObject({
    d1Rows: rows.camera_locations + 1,
    extra: 1,
  });
});

test('a table that is complete can be started again, for the rows that have come since', async () => {
  await stack.query(`INSERT INTO coordinate_speed_new VALUES (300001, 1, 2, 3, now())`);
  await stack.fetch('/start', 'POST');
  const done = await until(drive, ({ status, progress }) => status === 'complete' && progress.rows > 300_000);
  expect(done.progress.rows).toBe(300_001);
  expect(await stack.compare('coordinate_speed_new')).toMatchObject({
    rows: 300_001,
    d1Rows: 300_001,
    extra: 0,
  });
});

function sumOf(outputs: readonly object[]): number {
  return outputs.reduce((sum, output) => sum + ((output as { readonly rows?: number }).rows ?? 0), 0);
}
