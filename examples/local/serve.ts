/**
 * `npm run local`: PostgreSQL with two sample tables, an empty D1 and Cloudflare's API before it, until Ctrl-C. Other
 * terminals find them by the variables in `.local/env.sh`.
 */
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleWorker } from './bundle-worker.ts';
import { freePort } from './ports.ts';
import { fillCameras, fillDrive } from './sample-data.ts';
import { startLocalStack } from './stack.ts';
import { workerOptions } from './worker-options.ts';

const HELP = `Keeps a local PostgreSQL and a local D1 running, with sample tables, until Ctrl-C.

  npm run local [-- --rows N] [--worker FOLDER]

  --rows N         rows of the table coordinate_speed_new (200000)
  --worker FOLDER  serve FOLDER/worker.ts too, with the bindings DB (D1) and HYPERDRIVE (PostgreSQL), and what else
                   FOLDER/wrangler.jsonc gives it, if there is one
`;

/** Holds the password of the local PostgreSQL, so only its owner may read it; git ignores the folder. */
const variablesFile = fileURLToPath(new URL('../../.local/env.sh', import.meta.url));

async function serve(rows: number, worker: string | undefined): Promise<void> {
  const port = worker === undefined ? undefined : await freePort();
  const script = worker && (await bundleWorker(pathToFileURL(resolve(worker, 'worker.ts'))));
  const configuration = pathToFileURL(resolve(worker ?? '', 'wrangler.jsonc'));
  const { bindings, miniflare } = existsSync(configuration)
    ? workerOptions(configuration)
    : { bindings: {}, miniflare: {} };
  await using stack = await startLocalStack({
    workers: ({ connectionString }) =>
      script === undefined || script === ''
        ? []
        : [
            {
              name: 'worker',
              script,
              hyperdrives: { HYPERDRIVE: connectionString },
              bindings,
              miniflare: { ...miniflare, unsafeDirectSockets: [{ host: '127.0.0.1', port }] },
            },
          ],
  });
  const drive = await fillDrive(stack.env.DATABASE_URL, rows);
  const cameras = await fillCameras(stack.env.DATABASE_URL);
  const variables = {
    ...stack.env,
    ...(port === undefined ? {} : { WORKER_URL: `http://127.0.0.1:${port}` }),
  };
  await mkdir(resolve(variablesFile, '..'), { recursive: true });
  // A file that is there keeps its mode, so it is made anew.
  await rm(variablesFile, { force: true });
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'\n`);
  await writeFile(variablesFile, lines.join(''), { mode: 0o600 });
  // Miniflare ends the process as soon as a signal comes, without a chance to wait for anything; what was started is
  // ended by the guards of the stack.
  process.once('exit', () => rmSync(variablesFile, { force: true }));
  console.log(`PostgreSQL has two tables: coordinate_speed_new (${drive} rows), camera_locations (${cameras} rows).
D1 is empty, and Cloudflare's API for it is at ${stack.env.CLOUDFLARE_API_BASE_URL}`);
  if (port !== undefined) console.log(`The Worker of ${worker} is at ${variables['WORKER_URL']}`);
  console.log('\nIn another terminal, in this folder:  . .local/env.sh\nCtrl-C stops all of it.');
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '200000' },
      worker: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  if (!/^[1-9]\d*$/.test(values.rows)) throw new Error(`--rows must be a whole number, not ${values.rows}.`);
  await serve(Number(values.rows), values.worker);
}

try {
  await main();
} catch (error) {
  console.error(`❌ ${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
  process.exitCode = 1;
}
