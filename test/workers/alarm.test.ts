import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectCopied } from './copied.ts';
import { isWrite } from './counts.ts';
import { type Deployed, expectWithinLimits, startDeployed } from './deployed.ts';

const rows = 400_000;
const write = isWrite('coordinate_speed_new');
let deployed: Deployed;
let { world, d1, counts } = {} as Deployed;

beforeAll(async () => {
  deployed = await startDeployed('worker-alarm', new URL('./counted-alarm.ts', import.meta.url), rows);
  ({ world, d1, counts } = deployed);
});
afterAll(async () => await deployed?.[Symbol.asyncDispose]());

interface Answer {
  readonly phase: string;
  readonly failures: number;
  readonly error: string | null;
  readonly progress: { readonly rows: number };
}

async function ask(method: 'GET' | 'POST', path: string): Promise<Answer> {
  const response = await (await d1.worker('worker-alarm')).fetch(`http://alarm${path}`, { method });
  return (await response.json()) as Answer;
}

async function until(wanted: (answer: Answer) => boolean): Promise<Answer> {
  for (;;) {
    const answer = await ask('GET', '/');
    if (wanted(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('alarms copy slice by slice: paused and resumed, killed in slices, and tried again after failures', async () => {
  expect(await ask('GET', '/')).toMatchObject({ phase: 'idle', progress: { rows: 0 } });
  expect(await ask('POST', '/resume')).toMatchObject({ phase: 'idle' });

  // Paused in a slice, which ends before its budget does; a restart does not wake it.
  const reached = counts.reach(write, 2);
  expect(await ask('POST', '/start')).toMatchObject({ phase: 'running' });
  await reached;
  expect(await ask('POST', '/pause')).toMatchObject({ phase: 'paused' });
  await expect.poll(() => counts.invocations('alarm').at(-1)?.ended, { timeout: 60_000 }).toBe(true);
  const paused = await ask('GET', '/');
  expect(paused.progress.rows).toBeGreaterThan(0);
  await d1.restart();
  expect(await ask('GET', '/')).toEqual(paused);

  // A source that is away for a while.
  await world.postgres('ALTER TABLE coordinate_speed_new RENAME TO elsewhere');
  expect(await ask('POST', '/resume')).toMatchObject({ phase: 'running' });
  const failed = await until(({ failures }) => failures >= 2);
  expect(failed).toMatchObject({ phase: 'running', error: expect.stringContaining('coordinate_speed_new') });
  const before = counts.stop('before', write, 2);
  await world.postgres('ALTER TABLE elsewhere RENAME TO coordinate_speed_new');

  // Killed twice, and nobody asks it to go on.
  await before;
  const during = counts.stop('during', write, 2);
  await d1.restart();
  await during;
  await d1.restart();

  expect(await until(({ phase }) => phase === 'completed')).toMatchObject({
    failures: 0,
    error: null,
    progress: { rows },
  });
  const alarms = counts.invocations('alarm');
  expect(alarms.filter(({ ended }) => !ended)).toHaveLength(2);
  expect(alarms.length).toBeGreaterThan(5);
  expectWithinLimits('worker-alarm', counts);
  await expectCopied(world, d1, rows);
}, 240_000);
