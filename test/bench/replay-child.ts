/** The ceiling over REST: a process that posts what the migrator would send, and does nothing else. */
import { readFileSync } from 'node:fs';
import { jobOfChild } from './child-process.ts';
import { Poster } from './post.ts';
import { byCheckpoint, checkpointOf, type RecordedBatch, sendAll } from './replay.ts';

/** What the process is to do. */
export interface ReplayJob {
  readonly file: string;
  readonly inFlight: number;
}

const { file, inFlight } = jobOfChild() as ReplayJob;
const recorded = readFileSync(file);
const items: { checkpoint: string; item: Buffer }[] = [];
for (let start = 0; start < recorded.length;) {
  const end = recorded.indexOf('\n', start);
  const item = recorded.subarray(start, end);
  items.push({ checkpoint: checkpointOf(JSON.parse(item.toString()) as RecordedBatch), item });
  start = end + 1;
}
const groups = byCheckpoint(items);
using poster = new Poster(process.env);
const started = performance.now();
await sendAll(groups, inFlight, (body) => poster.post(body));
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, requests: items.length }));
