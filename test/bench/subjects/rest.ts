import { runChild } from '../child-process.ts';
import type { ReplayJob } from '../replay-child.ts';
import type { Measured } from '../lines.ts';
import type { SdkJob, SdkResult } from '../sdk-child.ts';
import { freshTarget } from '../target.ts';
import type { Subject } from './subject.ts';

export const sdkChild: URL = new URL('../sdk-child.ts', import.meta.url);
const replayChild = new URL('../replay-child.ts', import.meta.url);

/** This package, in a process of its own. */
export const overRest: Subject = async ({ postgres, table, check }) => {
  await using target = await freshTarget(postgres);
  const run = (kind: SdkJob['kind']): Promise<SdkResult> =>
    runChild<SdkResult>(sdkChild, target.env, { kind, table: table.table } satisfies SdkJob);
  const copy = await run('copy');
  await check(target.d1, 'this package over REST');
  const verify = await run('verify');
  return [
    { line: 'rest-copy', seconds: copy.seconds },
    { line: 'rest-verify', seconds: verify.seconds },
  ];
};

/** The same writes, and nothing else. */
export const restCeiling: Subject = async ({ postgres, table, recording, check }) => {
  const measured: Measured[] = [];
  for (const inFlight of [1, 2, 4]) {
    await using target = await freshTarget(postgres);
    await recording.prepare(target.d1);
    const job: ReplayJob = { file: recording.file, inFlight };
    const result = await runChild<{ seconds: number; requests: number }>(replayChild, target.env, job);
    await check(target.d1, `the ceiling over REST (${table.table}, ${inFlight} in flight)`);
    measured.push({ line: 'rest-ceiling', inFlight, ...result });
  }
  return measured;
};
