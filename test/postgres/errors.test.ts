import { expect, test } from 'vitest';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

/** As pg says them, and the sockets of Workers, which have no codes. */
test.each([
  'Connection terminated unexpectedly',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
  'Network connection lost.',
  'proxy request failed, cannot connect to the specified address',
  'Connection refused',
])('a connection that is lost may come back: %s', async (message) => {
  const pool = { connect: () => Promise.reject(new Error(message)) };
  const source = new PostgresKeysetSource({ pool, table: 't' });
  await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true });
});

test('what is not known to pass does not', async () => {
  const pool = { connect: () => Promise.reject(new Error('the driver is not what it was')) };
  const source = new PostgresKeysetSource({ pool, table: 't' });
  await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_FAILED', retryable: false });
});
