import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfiguration } from '../../examples/cli/configuration.ts';
import { World } from '../support/world.ts';
import { createDrive, expectCompleted, rowsWritten, run } from './command.ts';

const complete = {
  DATABASE_URL: 'postgresql://someone:planted-password-1@127.0.0.1:1/nowhere',
  CLOUDFLARE_API_TOKEN: 'planted-token-2',
  CLOUDFLARE_ACCOUNT_ID: 'account',
  D1_DATABASE_ID: 'database',
};

describe('before anything is connected to', () => {
  test('one message names every missing variable, and the demo', async () => {
    const { exitCode, stdout, stderr } = await run({});
    expect(exitCode, stderr).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(
      'Missing: DATABASE_URL, CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID, D1_DATABASE_ID\n',
    );
    expect(stderr).toContain('npm run demo');
  });

  test('an empty or blank variable is a missing one', async () => {
    const { exitCode, stderr } = await run({ ...complete, CLOUDFLARE_ACCOUNT_ID: '', D1_DATABASE_ID: '  ' });
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain('Missing: CLOUDFLARE_ACCOUNT_ID, D1_DATABASE_ID\n');
  });

  test.each([
    ['CHECKPOINT_SIZE', '0', 'must be a whole number of at least 1, or "auto"'],
    ['CHECKPOINT_SIZE', '-1', 'must be a whole number of at least 1, or "auto"'],
    ['CHECKPOINT_SIZE', 'abc', 'must be a whole number of at least 1, or "auto"'],
    ['CHECKPOINT_SIZE', '1.5', 'must be a whole number of at least 1, or "auto"'],
    ['CHECKPOINT_SIZE', '50,000', 'must be a whole number of at least 1, or "auto"'],
    ['CHECKPOINT_SIZE', '99999999999999999999', 'must be a whole number of at least 1, or "auto"'],
    ['BATCH_SIZE', '0', 'must be a whole number of at least 1'],
    ['BATCH_SIZE', '-1', 'must be a whole number of at least 1'],
    ['BATCH_SIZE', 'abc', 'must be a whole number of at least 1'],
    ['BATCH_SIZE', '1.5', 'must be a whole number of at least 1'],
    ['CONCURRENCY', '0', 'must be a whole number of at least 1'],
    ['CONCURRENCY', '-1', 'must be a whole number of at least 1'],
    ['CONCURRENCY', 'abc', 'must be a whole number of at least 1'],
    ['CONCURRENCY', '1.5', 'must be a whole number of at least 1'],
    ['BATCH_DELAY_MS', '-1', 'must be a whole number of at least 0'],
    ['BATCH_DELAY_MS', 'abc', 'must be a whole number of at least 0'],
    ['BATCH_DELAY_MS', '1.5', 'must be a whole number of at least 0'],
    ['RESUME_MODE', 'maybe', 'must be true or false'],
    ['CLOUDFLARE_API_BASE_URL', 'localhost', 'must be an address that begins with http:// or https://'],
  ])('%s=%s is refused, and the message says what it must be', async (name, value, rule) => {
    const { exitCode, stdout, stderr } = await run({ ...complete, [name]: value });
    expect(exitCode, stderr).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(`Malformed: ${name}=${value} ${rule}\n`);
  });

  test('a CHECKPOINT_SIZE that is not set leaves the size to the stored plan', () => {
    expect(readConfiguration([], complete)?.checkpointSize).toBeUndefined();
    expect(readConfiguration([], { ...complete, CHECKPOINT_SIZE: ' 25000 ' })?.checkpointSize).toBe(25_000);
  });

  test('everything that is wrong is in one message', async () => {
    const { stderr } = await run({ ...complete, D1_DATABASE_ID: '', BATCH_SIZE: 'x', CONCURRENCY: 'y' });
    expect(stderr).toMatch(/Missing: D1_DATABASE_ID\n.*BATCH_SIZE=x.*\n.*CONCURRENCY=y/);
  });

  test.each([
    'mysql://someone:planted-password-1@localhost/db',
    'planted-password-1',
    'postgresql://someone:planted-password-1@localhost:port/db',
    'postgresql://someone:planted-password-1/@#:x@localhost/db',
  ])('a DATABASE_URL that is none (%s) is described, and not shown', async (DATABASE_URL) => {
    const { exitCode, stderr } = await run({ ...complete, DATABASE_URL });
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain('Malformed: DATABASE_URL must be an address like postgresql://');
    expect(stderr).not.toContain('planted-password-1');
  });

  test('a secret that was set for the wrong variable is not shown either', async () => {
    const { stderr } = await run({ ...complete, BATCH_SIZE: complete.CLOUDFLARE_API_TOKEN });
    expect(stderr).toContain('BATCH_SIZE=[redacted]');
  });

  test.each([
    [['--tabel', 'x'], "Unknown option '--tabel'."],
    [['x'], "Unexpected argument 'x'."],
    [['--table'], "Option '--table <value>' argument missing."],
    [['--table', ' '], '--table needs the name of a table.'],
    [['--all', '--table', 'x'], '--all and --table exclude each other.'],
  ])('the arguments %j are refused', async (args, message) => {
    const { exitCode, stderr } = await run(complete, ...args);
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain(message);
  });

  test('--help names every variable and every exit code, and needs none of them', async () => {
    const { exitCode, stdout, stderr } = await run({}, '--help');
    expect(exitCode, stderr).toBe(0);
    for (const name of [
      ...Object.keys(complete),
      'TABLE_NAME',
      'CHECKPOINT_SIZE',
      'BATCH_SIZE',
      'RESUME_MODE',
    ]) {
      expect(stdout).toContain(`  ${name} `);
    }
    for (const name of ['BATCH_DELAY_MS', 'CONCURRENCY', 'CLOUDFLARE_API_BASE_URL', '130', '143']) {
      expect(stdout).toContain(`  ${name} `);
    }
  });
});

describe('against real databases', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
    await createDrive(world, 'drive', 'generate_series(1, 30)');
  }, 120_000);
  afterAll(async () => await world?.[Symbol.asyncDispose]());

  const unchanged = async (env: Record<string, string>, ...args: string[]): ReturnType<typeof run> => {
    const before = await world.d1Contents();
    const ended = await run({ ...world.stack.env, TABLE_NAME: 'drive', ...env }, ...args);
    expect(await world.d1Contents()).toEqual(before);
    return ended;
  };

  test.each([
    ['a table that is not there', { TABLE_NAME: 'no_such_table' }, 'SOURCE_TABLE_NOT_FOUND'],
    ['a wrong API token', { CLOUDFLARE_API_TOKEN: 'planted-token-2' }, 'SINK_CREDENTIALS'],
    ['a wrong account', { CLOUDFLARE_ACCOUNT_ID: 'someone-else' }, 'SINK_CREDENTIALS'],
    ['an unknown database', { D1_DATABASE_ID: 'no-such-database' }, 'SINK_DATABASE_NOT_FOUND'],
  ])('%s: exit code 2, a message with help, and nothing changed', async (_, env, code) => {
    const { exitCode, stderr } = await unchanged(env);
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toMatch(new RegExp(`^❌ ${code}: .+\n {3}.+\n$`));
  });

  test('a wrong database password: exit code 2, and neither password is shown', async () => {
    const url = new URL(world.stack.env.DATABASE_URL);
    url.password = 'planted%2Fpassword';
    const { exitCode, stderr } = await unchanged({ DATABASE_URL: url.href, DEBUG: '1' });
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain('SOURCE_CREDENTIALS');
  });

  test('a database that does not exist: exit code 2', async () => {
    const url = new URL(world.stack.env.DATABASE_URL);
    url.pathname = '/no_such_database';
    const { exitCode, stderr } = await unchanged({ DATABASE_URL: url.href });
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain('database "no_such_database" does not exist');
  });

  test('a host that cannot be reached is tried again, then: exit code 1, with what to check', async () => {
    const { exitCode, stdout, stderr } = await unchanged({ DATABASE_URL: complete.DATABASE_URL });
    expect(exitCode, stderr).toBe(1);
    expect(stdout).toContain('Next try in');
    expect(stderr).toContain('SOURCE_UNREACHABLE');
    expect(stderr).toContain('DATABASE_URL');
    expect(stderr).not.toContain('    at ');
  });

  test('DEBUG shows where an error came from', async () => {
    const { stderr } = await unchanged({ TABLE_NAME: 'no_such_table', DEBUG: '1' });
    expect(stderr).toContain('    at ');
  });

  test('another CHECKPOINT_SIZE than that of the stored plan: exit code 2, names the setting, nothing changed', async () => {
    await expectCompleted(run({ ...world.stack.env, TABLE_NAME: 'drive', CHECKPOINT_SIZE: '10' }));
    const { exitCode, stdout, stderr } = await unchanged({ CHECKPOINT_SIZE: '20' });
    expect(exitCode, stderr).toBe(2);
    expect(stdout).not.toContain('Creating');
    expect(stderr).toContain('PLAN_MISMATCH');
    expect(stderr).toContain('checkpointSize was 10, now 20');
    expect(stderr).toContain('RESUME_MODE=false');
    expect(rowsWritten(world, 'drive')).toBe(30);
  });
});
