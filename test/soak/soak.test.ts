import { expect, test } from 'vitest';
import { startLocalStack } from '../../examples/local/stack.ts';
import { differences, soak } from './soak.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);

test('half a minute of kills and restarts loses no row and doubles none', async () => {
  console.log(`soak.test.ts: TEST_SEED=${seed}`);
  await using stack = await startLocalStack();
  const lines: string[] = [];
  const report = await soak(stack, {
    seed,
    milliseconds: 25_000,
    rows: 8_000,
    processes: 3,
    outages: true,
    log: (line) => lines.push(line),
  });
  console.log(JSON.stringify(report));
  expect(report.deviations, lines.join('\n')).toEqual([]);
  expect(report.migrations).toBeGreaterThan(0);
  expect(report.kills.SIGKILL + report.kills.SIGTERM + report.kills.SIGINT).toBeGreaterThan(3);
  expect(report.sentAgain).toBeLessThanOrEqual(report.mostSentAgain);
}, 240_000);

test('negative control: the comparison names a row that is lost, one that is there twice, and one that differs', () => {
  const expected = [
    ['1', 'a'],
    ['2', 'b'],
    ['3', 'c'],
  ];
  const actual = [
    ['2', 'b'],
    ['2', 'b'],
    ['3', null],
  ];
  expect(differences(expected, expected)).toEqual([]);
  expect(differences(expected, actual)).toEqual([
    '["1","a"] is there 1 times too seldom',
    '["2","b"] is there 1 times too often',
    '["3","c"] is there 1 times too seldom',
    '["3",null] is there 1 times too often',
  ]);
});
