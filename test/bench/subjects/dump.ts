import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { writeDump } from '../dump.ts';
import type { Subject } from './subject.ts';

const require = createRequire(import.meta.url);
const wrangler = join(dirname(require.resolve('wrangler/package.json')), 'bin', 'wrangler.js');

/** A dump as SQL, run by Cloudflare's own command on a local database of its own. */
export const dumpAndWrangler: Subject = async ({ postgres, table, recording, check }) => {
  const directory = await mkdtemp(join(tmpdir(), 'bench-wrangler-'));
  try {
    const file = join(directory, 'dump.sql');
    const started = performance.now();
    await writeDump(postgres.connectionString, table, recording.createTable, file);
    const made = performance.now();
    const database = { binding: 'DB', database_name: 'bench', database_id: 'bench' };
    const config = { name: 'bench', compatibility_date: '2026-07-01', d1_databases: [database] };
    await writeFile(join(directory, 'wrangler.json'), JSON.stringify(config));
    const run = performance.now();
    const args = ['d1', 'execute', 'bench', '--local', '--yes', '--file', file, '--persist-to', directory];
    await promisify(execFile)(process.execPath, [wrangler, ...args], {
      cwd: directory,
      maxBuffer: 1 << 28,
      env: {
        PATH: process.env['PATH'],
        HOME: directory,
        CI: '1',
        WRANGLER_SEND_METRICS: 'false',
        WRANGLER_SEND_ERROR_REPORTS: 'false',
      },
    });
    const ended = performance.now();
    await check({ directory }, 'dump and wrangler');
    return [
      { line: 'dump', seconds: (made - started) / 1000 },
      { line: 'dump-wrangler', seconds: (made - started + ended - run) / 1000 },
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
