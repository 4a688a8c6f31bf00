import { runChild } from '../child-process.ts';
import type { SdkJob, SdkResult } from '../sdk-child.ts';
import { distantTarget } from '../target.ts';
import { sdkChild } from './rest.ts';
import type { Subject } from './subject.ts';

/** What a request to Cloudflare from a well-connected machine meets. */
export const DISTANCE = {
  roundTripMs: 60,
  bandwidthBitsPerSecond: 100_000_000,
  quota: { requests: 1_200, windowMs: 300_000 },
} as const;

/** This package over REST as it is from afar. */
export const fromAfar: Subject = async ({ postgres, table, check }) => {
  await using target = await distantTarget(postgres, DISTANCE);
  const job: SdkJob = { kind: 'copy', table: table.table };
  const { seconds } = await runChild<SdkResult>(sdkChild, target.env, job);
  await check(target.d1, 'this package from afar');
  return [{ line: 'afar', seconds, requests: await target.requests() }];
};
