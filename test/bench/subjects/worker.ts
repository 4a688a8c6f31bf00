import { open } from 'node:fs/promises';
import { bundleWorker } from '../../../examples/local/bundle-worker.ts';
import { type LocalD1, startD1 } from '../../../examples/local/d1.ts';
import { freePort } from '../../../examples/local/ports.ts';
import type { LocalPostgres } from '../../../examples/local/postgres.ts';
import type { Measured } from '../lines.ts';
import type { Subject } from './subject.ts';

/** This package inside a real Worker: Hyperdrive's connection to PostgreSQL, and the binding to D1. */
export const insideWorker: Subject = async ({ postgres, table, check }) => {
  await using deployed = await deploy(postgres);
  const copied = await ask(deployed.worker, `/copy?table=${table.table}`);
  if (copied.answer['status'] !== 'completed')
    throw new Error(`The Worker's run ended otherwise: ${copied.text}`);
  await check(deployed.d1, 'this package inside a Worker');
  const verified = await ask(deployed.worker, `/verify?table=${table.table}`);
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
    await using deployed = await deploy(postgres);
    await recording.prepare(deployed.d1);
    await using file = await open(recording.file);
    let requests = 0;
    for await (const body of file.readLines()) {
      await ask(deployed.worker, '/load', body);
      requests += 1;
    }
    const { seconds } = await ask(deployed.worker, `/replay?inFlight=${inFlight}`);
    await check(deployed.d1, `the ceiling over the binding (${table.table}, ${inFlight} in flight)`);
    measured.push({ line: 'worker-ceiling', inFlight, requests, seconds });
  }
  return measured;
};

interface Deployed extends AsyncDisposable {
  readonly d1: LocalD1;
  /** Where the Worker runs. */
  readonly worker: LocalD1;
}

/**
 * The Worker in a workerd of its own: within one, Workers and D1 would take turns on a single thread, and at Cloudflare they do
 * not even share a machine.
 */
async function deploy(postgres: LocalPostgres): Promise<Deployed> {
  const script = await bundleWorker(new URL('../worker.ts', import.meta.url));
  const port = await freePort();
  const hyperdrives = { HYPERDRIVE: postgres.connectionString };
  const direct = { unsafeDirectSockets: [{ host: '127.0.0.1', port }] };
  const d1 = await startD1({ workers: [{ name: 'd1-server', script: d1Server, miniflare: direct }] });
  try {
    const remote = { external: { address: `127.0.0.1:${port}`, http: {} } };
    const miniflare = { serviceBindings: { D1_SERVER: remote } };
    const worker = await startD1({ workers: [{ name: 'bench', script, hyperdrives, miniflare }] });
    await ask(worker, '/awake');
    return {
      d1,
      worker,
      async [Symbol.asyncDispose]() {
        await worker.stop();
        await d1.stop();
      },
    };
  } catch (error) {
    await d1.stop();
    throw error;
  }
}

/** Hands over what comes to where a binding sends it. */
const d1Server = `export default { fetch: (request, { DB }) => DB.fetcher.fetch(request) };`;

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
