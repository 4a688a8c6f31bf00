import { runChild } from '../child-process.ts';
import type { InsertsJob } from '../inserts-child.ts';
import type { Measured } from '../lines.ts';
import { distantTarget } from '../target.ts';
import type { Subject, Turn } from './subject.ts';

const child = new URL('../inserts-child.ts', import.meta.url);

/** Milliseconds between two statements in the script that this project grew out of. */
const guideDelayMs = 200;

/** As that script does it: 95 parameters a statement, one after the other. */
export const guide: Subject = async (turn) => {
  const { part, seconds, requests } = await insert(turn, { parameters: 95, inFlight: 1 }, 'the guide');
  // The delay is reckoned: waiting for it would measure nothing.
  const delayed = seconds + (requests * guideDelayMs) / 1000;
  return [
    { line: 'guide', seconds, part, requests },
    { line: 'guide-delayed', seconds: delayed, part, requests },
  ];
};

/** As sling does it: 100 values a statement, 50 requests at a time. */
export const sling: Subject = async (turn) => [
  { line: 'sling', ...(await insert(turn, { parameters: 100, inFlight: 50 }, 'sling')) },
];

async function insert(
  { postgres, table, recording, check }: Turn,
  settings: Pick<InsertsJob, 'parameters' | 'inFlight'>,
  what: string,
): Promise<Required<Pick<Measured, 'seconds' | 'requests' | 'part'>>> {
  await using target = await distantTarget(postgres, {});
  await (await target.d1.database()).prepare(recording.createTable).run();
  const { table: name, columns, part } = table;
  const job: InsertsJob = { table: { table: name, columns }, rows: part.rows, ...settings };
  const result = await runChild<{ seconds: number; requests: number }>(child, target.env, job);
  await check(target.d1, what, part);
  return { part: part.rows, ...result };
}
