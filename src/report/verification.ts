import type { Key } from '../contract/index.ts';
import type { VerifyResult } from '../engine/index.ts';
import { showKey } from '../errors.ts';
import { count, showRange } from './format.ts';
import type { RecordedDifference, RecordedVerification } from './record.ts';

/** Examples of each kind that are kept. */
const keptExamples = 10;

/** What a report needs of a comparison, without the thousands of rows that it may list. */
export function verificationRecord(result: VerifyResult, at: string): RecordedVerification {
  const { mode, equal, sourceRows, sinkRows, checkedCheckpoints, uncheckedCheckpoints } = result;
  const common = { at, mode, equal, sourceRows, sinkRows, checkedCheckpoints, uncheckedCheckpoints };
  if (result.mode === 'count') {
    return {
      ...common,
      complete: uncheckedCheckpoints === 0,
      counts: null,
      differingCheckpoints: result.differences.length,
      examples: result.differences.slice(0, keptExamples).map((difference) => ({
        kind: 'count',
        seq: difference.seq,
        place: showRange(difference.range),
        detail: `${count(difference.expectedRows)} rows expected, ${count(difference.sinkRows)} found`,
      })),
    };
  }
  const { missing, different, extra } = result;
  return {
    ...common,
    complete: result.status === 'completed' && uncheckedCheckpoints === 0,
    counts: result.counts,
    differingCheckpoints: null,
    examples: [
      ...missing.slice(0, keptExamples).map((row) => example('missing', row, '')),
      ...different
        .slice(0, keptExamples)
        .map((row) => example('different', row, showKey(row.columns.slice(0, 20)))),
      ...extra.slice(0, keptExamples).map((row) => example('extra', row, '')),
    ],
  };
}

function example(
  kind: RecordedDifference['kind'],
  { seq, key }: { readonly seq: number | null; readonly key: Key },
  detail: string,
): RecordedDifference {
  return { kind, seq, place: showKey(key), detail };
}
