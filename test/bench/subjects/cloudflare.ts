import { runChild } from '../child-process.ts';
import type { SdkJob, SdkResult } from '../sdk-child.ts';
import { distantTarget } from '../target.ts';
import { sdkChild } from './rest.ts';
import { LINES, type Measured } from '../lines.ts';
import type { Subject, Turn } from './subject.ts';

/** What a request to Cloudflare from a well-connected machine meets. */
export const DISTANCE = {
  roundTripMs: 60,
  bandwidthBitsPerSecond: 100_000_000,
  quota: { requests: 1_200, windowMs: 300_000 },
} as const;

/** This package over REST as it is from afar. */
export const fromAfar: Subject = (turn) => copy(turn, 'afar', DISTANCE);

/** The same without the distance: what ways are held against that would take hours with it. */
export const throughApi: Subject = (turn) => copy(turn, 'api-copy', {});

async function copy(
  { postgres, table, check }: Turn,
  line: 'afar' | 'api-copy',
  distance: Partial<typeof DISTANCE>,
): Promise<Measured[]> {
  await using target = await distantTarget(postgres, distance);
  const job: SdkJob = { kind: 'copy', table: table.table };
  const { seconds } = await runChild<SdkResult>(sdkChild, target.env, job);
  await check(target.d1, LINES[line].label);
  return [{ line, seconds, requests: await target.requests() }];
}
