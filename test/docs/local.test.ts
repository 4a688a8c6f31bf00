import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Checkout } from './shell.ts';

interface Answer {
  readonly phase: string;
  readonly progress?: { readonly rows: number };
}

test('an example with a configuration of its own is served by one command, and copies the sample table', async () => {
  await using checkout = await Checkout.create();
  const local = checkout.start('npm run local -- --rows 2000 --worker examples/worker-alarm', {});
  const state = { ended: false };
  void local.ended.then(() => (state.ended = true));
  try {
    while (!/Ctrl-C/.test(local.output()) && !state.ended) await sleep(50);
    const url = /The Worker of examples\/worker-alarm is at (\S+)/.exec(local.output())?.[1] ?? '';
    const ask = async (path: string, method: string): Promise<Answer> =>
      (await (await fetch(`${url}${path}`, { method })).json()) as Answer;
    expect(await ask('/start', 'POST')).toMatchObject({ phase: 'running' });
    let answer = await ask('/', 'GET');
    while (answer.phase === 'running') {
      await sleep(50);
      answer = await ask('/', 'GET');
    }
    expect(answer).toMatchObject({ phase: 'completed', progress: { rows: 2_000 } });
  } finally {
    local.interrupt();
    await local.ended;
  }
});
