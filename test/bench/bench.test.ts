import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { bench, type BenchReport, slowRounds, turnsOf } from './bench.ts';
import { runChild } from './child-process.ts';
import { figuresOf, type Measured } from './lines.ts';
import type { SdkJob, SdkResult } from './sdk-child.ts';
import { fromAfar } from './subjects/cloudflare.ts';
import { overRest, restCeiling, sdkChild } from './subjects/rest.ts';
import type { Subject } from './subjects/subject.ts';
import { freshTarget } from './target.ts';

const command = fileURLToPath(new URL('./run.ts', import.meta.url));

async function run(...args: string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  await once(child, 'close');
  return { exitCode: child.exitCode, stdout, stderr };
}

test('the command measures every subject on both tables, and prints one JSON object', async () => {
  const words = 'ceiling,rest,worker,copy,api,sling,guide,cloudflare,memory';
  const { exitCode, stdout, stderr } = await run(
    '--rows',
    '3000',
    '--rounds',
    '1',
    '--only',
    words,
    '--json',
  );
  expect(exitCode, stderr).toBe(0);
  const report = JSON.parse(stdout) as BenchReport;
  expect(report.tables.map(({ name, rows, columns }) => ({ name, rows, columns }))).toEqual([
    { name: 'narrow', rows: 3_000, columns: 5 },
    { name: 'wide', rows: 81, columns: 40 },
  ]);
  for (const { lines } of report.tables) {
    expect(lines.map(({ line }) => line)).toEqual([
      'rest-ceiling',
      'rest-copy',
      'rest-verify',
      'worker-ceiling',
      'worker-copy',
      'worker-verify',
      'copy-out',
      'api-copy',
      'sling',
      'guide',
      'guide-delayed',
      'afar',
    ]);
    for (const { rounds, seconds, rowsPerSecond, toCeiling, toCopy } of lines) {
      expect(rounds).toHaveLength(1);
      for (const figure of [seconds, rowsPerSecond, toCeiling, toCopy]) expect(figure).toBeGreaterThan(0);
    }
  }
  expect(report.growth.map(({ rows }) => rows)).toEqual([272, 1_358, 2_715]);
  for (const { memory, smallMemory } of report.growth) {
    expect(memory.grown).toBeGreaterThan(0);
    expect(smallMemory.whole).toBeGreaterThan(smallMemory.grown);
  }
  expect(Object.values(report.versions).every((version) => /^\d+\.\d/.test(version))).toBe(true);
}, 180_000);

describe('negative control', () => {
  const damages: [string, string, string][] = [
    ['leaves a row out', 'DELETE FROM coordinate_speed_new WHERE id = 77', 'has 199 rows in D1, and 200'],
    [
      'changes the last digit of a float',
      'UPDATE coordinate_speed_new SET latitude = latitude + 1e-14 WHERE id = 77',
      'has other values in D1',
    ],
    [
      'makes an empty text of a null',
      "UPDATE measurements_wide SET notes = '' WHERE notes IS NULL",
      'has other values in D1',
    ],
    [
      'changes a byte',
      "UPDATE measurements_wide SET digest = x'00' || substr(digest, 2) WHERE id = 7",
      'has other values in D1',
    ],
  ];

  test.each(damages)('a subject that %s fails the benchmark', async (_, damage, message) => {
    const wrong: Subject = async ({ postgres, table: { table }, check }) => {
      await using target = await freshTarget(postgres);
      const job: SdkJob = { kind: 'copy', table };
      const { seconds } = await runChild<SdkResult>(sdkChild, target.env, job);
      if (damage.includes(table)) await (await target.d1.database()).prepare(damage).run();
      await check(target.d1, 'wrong');
      return [{ line: 'rest-copy', seconds }];
    };
    const options = { rounds: 1, rows: 200, lengths: [], log: () => undefined };
    await expect(bench({ ...options, subjects: [wrong] })).rejects.toThrow(message);
  });

  test('without the damage it passes', async () => {
    const report = await bench({
      rounds: 1,
      rows: 200,
      lengths: [],
      log: () => undefined,
      subjects: [overRest],
    });
    expect(report.tables.map(({ lines }) => lines.map(({ line }) => line))).toEqual([
      ['rest-copy', 'rest-verify'],
      ['rest-copy', 'rest-verify'],
    ]);
  });

  test.each([
    [['--only', 'rest,nonsense'], '--only does not know nonsense.'],
    [['--rounds', '0'], '--rounds takes a whole number above 0.'],
    [['--write', '--only', 'rest'], '--write needs all figures, so leave --only out.'],
    [['--nonsense'], "Unknown option '--nonsense'"],
  ])('the command refuses %j', async (args, message) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('figures', () => {
  const copy = (seconds: number): Measured => ({ line: 'rest-copy', seconds });
  const ceiling = (inFlight: number, seconds: number): Measured => ({
    line: 'rest-ceiling',
    inFlight,
    seconds,
  });

  test('a ratio is the median of the ratios of each round, not the ratio of the medians', () => {
    const rounds = [
      [ceiling(1, 1), copy(2)],
      [ceiling(1, 4), copy(6)],
      [ceiling(1, 2), copy(9)],
    ];
    expect(figuresOf(600, rounds)).toMatchObject([
      { line: 'rest-ceiling', seconds: 2, rowsPerSecond: 300, toCeiling: 1 },
      { line: 'rest-copy', rounds: [2, 6, 9], seconds: 6, rowsPerSecond: 100, toCeiling: 2 },
    ]);
  });

  test('a line that has no turn in some rounds is held against the others of its own rounds', () => {
    const through: Measured = { line: 'api-copy', seconds: 13.5 };
    const rounds = [
      [ceiling(1, 1), copy(3)],
      [ceiling(1, 2), copy(9), through, { line: 'guide', seconds: 27 } as const],
      [ceiling(1, 3), copy(6)],
    ];
    expect(figuresOf(600, rounds)).toMatchObject([
      { line: 'rest-ceiling', rounds: [1, 2, 3] },
      { line: 'rest-copy', toCeiling: 3 },
      { line: 'api-copy', toCopy: 1.5 },
      { line: 'guide', rounds: [27], toCeiling: 13.5, toCopy: 2 },
    ]);
  });

  test('of the ceiling with more and fewer requests at a time, the one with the lower median counts', () => {
    const rounds = [
      [ceiling(1, 1), ceiling(4, 3), copy(9)],
      [ceiling(1, 8), ceiling(4, 3), copy(9)],
      [ceiling(1, 8), ceiling(4, 3), copy(9)],
      [ceiling(1, 8), ceiling(4, 3), copy(9)],
    ];
    expect(figuresOf(10, rounds)).toMatchObject([
      { line: 'rest-ceiling', inFlight: 4, rounds: [3, 3, 3, 3], toCeiling: 1 },
      { line: 'rest-copy', inFlight: null, toCeiling: 3 },
    ]);
  });

  test('which of them counts in a round the others say, not its own luck', () => {
    const rounds = [
      [ceiling(1, 2), ceiling(4, 3), copy(6)],
      [ceiling(1, 5), ceiling(4, 3), copy(6)],
      [ceiling(1, 2), ceiling(4, 3), copy(6)],
    ];
    // With two of three rounds the one at a time is ahead; without one of these it is not.
    expect(figuresOf(10, rounds)).toMatchObject([
      { line: 'rest-ceiling', inFlight: 1, seconds: 2 },
      { line: 'rest-copy', toCeiling: 2 },
    ]);
    // Where there is one round, there is nothing else to go by.
    expect(figuresOf(10, rounds.slice(1, 2))).toMatchObject([{ inFlight: 4 }, { toCeiling: 2 }]);
  });

  test('what takes minutes has its turn in three rounds at the most, and every second round goes the other way round', () => {
    expect([1, 2, 3, 4, 7, 30].map(slowRounds)).toEqual([
      [1],
      [1, 2],
      [1, 2, 3],
      [1, 3],
      [1, 4, 7],
      [1, 11, 21],
    ]);
    const turns = (round: number): Subject[] => turnsOf([restCeiling, fromAfar, overRest], round, 7);
    expect(turns(1)).toEqual([restCeiling, fromAfar, overRest]);
    expect(turns(2)).toEqual([overRest, restCeiling]);
    expect(turns(3)).toEqual([restCeiling, overRest]);
    expect(turns(4)).toEqual([overRest, fromAfar, restCeiling]);
  });

  test('what was measured on a part of the rows is scaled to all of them', () => {
    const through: Measured = { line: 'api-copy', seconds: 2 };
    expect(figuresOf(1_000, [[copy(1), through, { line: 'guide', seconds: 3, part: 100 }]])).toMatchObject([
      { line: 'rest-copy', toCeiling: null },
      { line: 'api-copy', toCopy: 2 },
      { line: 'guide', seconds: 30, rowsPerSecond: 33, toCopy: 15, part: 100 },
    ]);
  });
});
