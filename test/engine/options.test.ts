import { expect, test } from 'vitest';
import { isMigratorError, ResumableMigrator, type TuningOptions } from 'resumable-migrator';
import { CrashPoints } from 'resumable-migrator/testing';
import { rejection, World } from './world.ts';

const wrong = [0, -1, Number.NaN, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, '5', 'abc', {}, true];
/** Options for which 0 is a sensible value. */
const zeroAllowed = ['batchDelayMs', 'graceMs', 'retry.retries', 'retry.baseMs', 'retry.maxMs'];
const numeric = ['checkpointSize', 'concurrency', 'batchSize', 'pageSize', 'leaseMs', ...zeroAllowed];

/** What untyped code may pass. */
function tuningWith(option: string, value: unknown): TuningOptions {
  const [group, name] = option.split('.');
  return name === undefined ? { [option]: value } : { [String(group)]: { [name]: value } };
}

function invalid(error: unknown, option: string): void {
  if (!isMigratorError(error)) throw error;
  expect(error.code).toBe('INVALID_OPTION');
  expect(error.message).toContain(option);
  expect(error.help).not.toBe('');
}

test.each(numeric)(
  '%s is refused before anything is called, unless it is a whole number in its range',
  (option) => {
    const counting = new CrashPoints();
    for (const value of wrong) {
      const construct = (): unknown =>
        new World({ rows: 5, mode: 'insert' }).migrator(tuningWith(option, value), counting);
      if (value === 0 && zeroAllowed.includes(option)) {
        expect(construct).not.toThrow();
        continue;
      }
      try {
        construct();
      } catch (error) {
        invalid(error, option);
        continue;
      }
      throw new Error(`${option}: ${JSON.stringify(value)} was accepted`);
    }
    expect(counting.count).toBe(0);
  },
);

test.each(['milliseconds', 'rows', 'batches'])('a budget of %s is refused in the same way', async (limit) => {
  const counting = new CrashPoints();
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator({}, counting);
  for (const value of wrong) {
    const budget = { [limit]: value } as { readonly rows?: number };
    invalid(await rejection(migrator.run({ budget })), limit);
    invalid(await rejection(migrator.repair({ budget })), limit);
  }
  expect(counting.count).toBe(0);
});

test.each(['', 5, {}])('%j is no name of a migration', (name) => {
  expect(() => new World({ rows: 5, mode: 'insert' }).migrator(tuningWith('name', name))).toThrow('name');
});

test('a migrator without a source or a sink says what is missing', () => {
  const world = new World({ rows: 5, mode: 'insert' });
  const construct = (parts: object): unknown =>
    new ResumableMigrator(parts as ConstructorParameters<typeof ResumableMigrator>[0]);
  expect(() => construct({ sink: world.sink() })).toThrow('source is missing');
  expect(() => construct({ source: world.source() })).toThrow('sink is missing');
});

test('options that are undefined stand at their defaults', async () => {
  const world = new World({ rows: 25, mode: 'insert' });
  const names = [
    'checkpointSize',
    'concurrency',
    'batchSize',
    'pageSize',
    'leaseMs',
    'batchDelayMs',
    'graceMs',
    'name',
  ];
  const tuning = Object.fromEntries([...names, 'retry'].map((name) => [name, undefined])) as TuningOptions;
  expect(await world.migrator(tuning).run()).toMatchObject({
    status: 'completed',
    completedCheckpoints: 1,
    batches: 1,
  });
});
