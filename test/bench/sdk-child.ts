/** A process that uses the package as a host does on Node, with default options, and tells how long that took. */
import { appendFileSync } from 'node:fs';
import { ResumableMigrator } from 'resumable-migrator';
import { D1RestSink } from 'resumable-migrator/d1';
import { httpFetch } from 'resumable-migrator/node';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { jobOfChild } from './child-process.ts';
import { insertsInto } from './replay.ts';

/** What the process is to do. */
export interface SdkJob {
  readonly kind: 'copy' | 'verify';
  readonly table: string;
  /** The bodies of all requests that write rows are added to this file, one a line. */
  readonly recordTo?: string;
}

/** What it answers. */
export interface SdkResult {
  readonly seconds: number;
  readonly rows: number;
  /** Memory of the process before it began, with everything imported, and its peak: bytes. */
  readonly memory: { readonly before: number; readonly peak: number };
}

const { env } = process;
const { kind, table, recordTo } = jobOfChild() as SdkJob;

const recording =
  (file: string): typeof fetch =>
  async (url, init) => {
    const body = await new Response(init?.body ?? null).text();
    const response = await fetch(url, { ...init, body });
    if (response.ok && insertsInto(table, body)) appendFileSync(file, `${body}\n`);
    return response;
  };

await using migrator = new ResumableMigrator({
  source: new PostgresKeysetSource({ connectionString: env['DATABASE_URL'] ?? '', table }),
  sink: new D1RestSink({
    accountId: env['CLOUDFLARE_ACCOUNT_ID'] ?? '',
    databaseId: env['D1_DATABASE_ID'] ?? '',
    apiToken: env['CLOUDFLARE_API_TOKEN'] ?? '',
    baseUrl: env['CLOUDFLARE_API_BASE_URL'],
    table,
    fetch: recordTo === undefined ? httpFetch : recording(recordTo),
  }),
});

const highest = (): number => process.resourceUsage().maxRSS * 1024;
const before = process.memoryUsage.rss();
const highestBefore = highest();
let sampled = before;
const sampling = setInterval(() => (sampled = Math.max(sampled, process.memoryUsage.rss())), 20);
const started = performance.now();
const rows = await work();
const seconds = (performance.now() - started) / 1000;
clearInterval(sampling);
// The system's own mark is exact, and counts only where loading the modules did not need more than the run.
const peak = highest() > highestBefore ? highest() : sampled;
const result: SdkResult = { seconds, rows, memory: { before, peak } };
console.log(JSON.stringify(result));

async function work(): Promise<number> {
  if (kind === 'copy') {
    const { status, rows: copied } = await migrator.run();
    if (status !== 'completed') throw new Error(`The run ended ${status}.`);
    return copied;
  }
  const { equal, rows: compared } = await migrator.verify({ mode: 'full' });
  if (!equal) throw new Error('verify() found both sides different.');
  return compared;
}
