import { open } from 'node:fs/promises';
import { bundleWorker } from '../../../examples/local/bundle-worker.ts';
import type { LocalD1 } from '../../../examples/local/d1.ts';
import type { LocalPostgres } from '../../../examples/local/postgres.ts';
import type { Measured } from '../lines.ts';
import { freshTarget, type Target } from '../target.ts';
import type { Subject } from './subject.ts';

/** This package inside a real Worker: Hyperdrive's connection to PostgreSQL, and the binding to D1. */
export const insideWorker: Subject = async ({ postgres, table, check }) => {
  await using target = await withWorker(postgres);
  const copied = await ask(target.d1, `/copy?table=${table.table}`);
  if (copied.answer['status'] !== 'completed')
    throw new Error(`The Worker's run ended otherwise: ${copied.text}`);
  await check(target.d1, 'this package inside a Worker');
  const verified = await ask(target.d1, `/verify?table=${table.table}`);
  if (verified.answer['equal'] !== true)
    throw new Error(`The Worker's verify() found differences: ${verified.text}`);
  return [
    { line: 'worker-copy', seconds: copied.seconds },
    { line: 'worker-verify', seconds: verified.seconds },
  ];
};

/** The same batches over the binding, and nothing else. */
export const workerCeiling: Subject = async ({ postgres, table, recording, check }) => {
  const measured: Measured[] = [];
  for (const inFlight of [1, 2, 4]) {
    await using target = await withWorker(postgres);
    await recording.prepare(target.d1);
    await using file = await open(recording.file);
    let requests = 0;
    for await (const body of file.readLines()) {
      await ask(target.d1, '/load', body);
      requests += 1;
    }
    const { seconds } = await ask(target.d1, `/replay?inFlight=${inFlight}`);
    await check(target.d1, `the ceiling over the binding (${table.table}, ${inFlight} in flight)`);
    measured.push({ line: 'worker-ceiling', inFlight, requests, seconds });
  }
  return measured;
};

async function withWorker(postgres: LocalPostgres): Promise<Target> {
  const script = await bundleWorker(new URL('../worker.ts', import.meta.url));
  const hyperdrives = { HYPERDRIVE: postgres.connectionString };
  return await freshTarget(postgres, { d1: { workers: [{ name: 'bench', script, hyperdrives }] } });
}

interface Asked {
  readonly answer: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** From here, as a Worker's own clock stands still while it computes. */
  readonly seconds: number;
}

async function ask(d1: LocalD1, path: string, body?: string): Promise<Asked> {
  const worker = await d1.worker('bench');
  const started = performance.now();
  const response = await worker.fetch(
    `http://bench${path}`,
    body === undefined ? {} : { method: 'POST', body },
  );
  const text = await response.text();
  const seconds = (performance.now() - started) / 1000;
  if (!response.ok) throw new Error(`The Worker answers ${response.status}: ${text.slice(0, 500)}`);
  return { answer: JSON.parse(text) as Asked['answer'], text: text.slice(0, 500), seconds };
}
