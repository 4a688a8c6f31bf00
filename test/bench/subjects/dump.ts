import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runNode } from '../child-process.ts';
import { writeDump } from '../dump.ts';
import { temporaryDirectory } from '../temporary.ts';
import type { Subject } from './subject.ts';

const require = createRequire(import.meta.url);
const wrangler = join(dirname(require.resolve('wrangler/package.json')), 'bin', 'wrangler.js');

/** A dump as SQL, run by Cloudflare's own command on a local database of its own. */
export const dumpAndWrangler: Subject = async ({ postgres, table, recording, check }) => {
  await using directory = await temporaryDirectory('wrangler');
  const { path } = directory;
  const file = join(path, 'dump.sql');
  const database = { binding: 'DB', database_name: 'bench', database_id: 'bench' };
  const config = { name: 'bench', compatibility_date: '2026-07-01', d1_databases: [database] };
  await writeFile(join(path, 'wrangler.json'), JSON.stringify(config));
  const started = performance.now();
  await writeDump(postgres.connectionString, table, recording.createTable, file);
  const dumpSeconds = (performance.now() - started) / 1000;
  // It stays on this machine: no questions, no metrics, nothing of the user's own settings.
  const env = { HOME: path, CI: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_SEND_ERROR_REPORTS: 'false' };
  const args = ['d1', 'execute', 'bench', '--local', '--yes', '--file', file, '--persist-to', path];
  await runNode([wrangler, ...args], { env, cwd: path });
  const seconds = (performance.now() - started) / 1000;
  await check({ directory: path }, 'dump and wrangler');
  return [
    { line: 'dump', seconds: dumpSeconds },
    { line: 'dump-wrangler', seconds },
  ];
};
